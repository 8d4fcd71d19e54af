"""Costs as tables for people and for programs."""

from collections.abc import Callable

from experiments.evaluation.costs import Batch, Costs, describe_file_sizes
from experiments.files.tables import as_csv, format_scaled, make_markdown_table

ONNX = ("ms an image by ONNX Runtime", "its ratio to PyTorch")


def format_markdown(costs: Costs) -> str:
    """A table for people."""
    asked = has_onnx(costs)
    titles = ["name", "parameters (M)", "multiply-adds (G)", "weights (MB)", "file (MB)"]
    for batch in costs.reference_cost.batches:
        measured = ["ms an image", "latency ratio", "memory (MB)", *(ONNX if asked else ())]
        titles += [f"{what}, batch {batch.batch_size}" for what in measured]
    cells = []
    for cost in costs.costs:
        cells.append([cost.name, format_scaled(cost.parameters, 1e6), format_scaled(cost.multiply_adds, 1e9)])
        cells[-1] += [format_scaled(cost.weight_bytes, 1e6), format_scaled(cost.network_file_bytes, 1e6)]
        for batch in cost.batches:
            least, most = batch.latency_ratio_least, batch.latency_ratio_most
            ratio = f"{batch.latency_ratio:.2f} [{least:.2f}, {most:.2f}]"
            cells[-1] += [f"{batch.milliseconds_per_image:.2f}", ratio, format_scaled(batch.peak_memory_bytes, 1e6)]
            cells[-1] += format_onnx(batch) if asked else []
    environment, (height, width) = costs.environment, costs.reference_cost.size
    note = (
        f"Images of {height} x {width} on {environment['device']}, {environment['threads']} threads; medians of "
        f"{costs.rounds} rounds, in brackets the least and the most. Ratios are to {costs.reference_cost.name!r}, in "
        f"turns; its own, in turns with itself, shows the noise.{describe_file_sizes(costs)}"
    )
    refused = [
        f"{cost.name!r} is not run by ONNX Runtime: {cost.onnx_refused}." for cost in costs.costs if cost.onnx_refused
    ]
    return "\n".join([make_markdown_table(titles, cells, left=(0,)), " ".join([note, *refused]), ""])


def has_onnx(costs: Costs) -> bool:
    """Whether ONNX Runtime was to be measured."""
    return any(cost.onnx_refused or cost.batches[0].onnx_ratio for cost in costs.costs)


def format_onnx(batch: Batch) -> list[str]:
    """The cells of ONNX Runtime; a dash where it does not run the network."""
    if batch.onnx_milliseconds_per_image is None:
        return ["-", "-"]
    ratio = f"{batch.onnx_ratio:.2f} [{batch.onnx_ratio_least:.2f}, {batch.onnx_ratio_most:.2f}]"
    return [f"{batch.onnx_milliseconds_per_image:.2f}", ratio]


def format_csv(costs: Costs) -> str:
    """Comma-separated values, a row for each network; what depends on the batch size has it in its name."""
    rows, asked = [], has_onnx(costs)
    for cost in costs.costs:
        row = cost.model_dump(exclude={"batches", "size"}) | dict(zip(("height", "width"), cost.size, strict=True))
        for batch in cost.batches:
            measured = batch.model_dump(exclude={"batch_size"})
            row |= {f"{key}_batch_{batch.batch_size}": value for key, value in measured.items()}
        rows.append(row if asked else {key: value for key, value in row.items() if not key.startswith("onnx_")})
    return as_csv(rows)


FORMATS: dict[str, Callable[[Costs], str]] = {
    "markdown": format_markdown,
    "csv": format_csv,
    "json": lambda costs: costs.model_dump_json(indent=2) + "\n",
}
