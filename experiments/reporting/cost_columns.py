"""What a network costs, as columns of a leaderboard."""

from collections.abc import Sequence

from experiments.evaluation.costs import Costs
from experiments.evaluation.ranking import COSTS, Row
from experiments.files.tables import format_scaled

COST_TITLES = ["parameters (M)", "multiply-adds (G)", "latency ratio"]


def format_cost_cells(row: Row) -> list[str]:
    """The cost cells of a row, under `COST_TITLES`."""
    parameters, products, ratio = (row.get(key) for key in COSTS)
    return [format_scaled(parameters, 1e6), format_scaled(products, 1e9), "-" if ratio is None else f"{ratio:.2f}"]


def describe_costs(costs: Sequence[Costs]) -> str:
    """The conditions of the measurement; the files are alike, see `read_all_costs`."""
    reference = costs[0].reference_cost
    height, width = reference.size
    measured = dict.fromkeys(
        f"on {one.environment.get('device')}, {one.environment.get('threads')} threads, medians of {one.rounds} rounds"
        for one in costs
    )
    return (
        f"Multiply-adds are those of an image of {height} x {width}; latencies are ratios to {reference.name!r} at batch "
        f"size {reference.batches[0].batch_size} {', or '.join(measured)}."
    )
