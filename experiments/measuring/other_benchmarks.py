"""The corruptions of other medical benchmarks, and which of this project stand for them."""

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from experiments.files.tables import make_markdown_table
from safe_files.yaml_file import read_mapping

LIST = Path(__file__).with_suffix(".yaml")


class Counterpart(NamedTuple):
    """A corruption elsewhere."""

    benchmark: str
    name: str
    modalities: str
    ours: str | None  # import path of a class
    why: str | None  # there is none


def read_counterparts() -> Iterator[Counterpart]:
    """Yield every corruption of the other benchmarks."""
    for benchmark, corruptions in read_mapping(LIST, "take the file of the project").items():
        for name, entry in corruptions.items():
            yield Counterpart(benchmark, name, entry["of"], entry.get("ours"), entry.get("why"))


def make_counterpart_table() -> str:
    """Markdown: what stands for each of them here, or why nothing does."""
    rows = []
    for one in read_counterparts():
        module, _, kind = (one.ours or "").rpartition(".")
        here = f"`{kind}` ({module.rpartition('.')[2]})" if one.ours else f"none: {one.why}"
        rows.append([one.benchmark, one.name, one.modalities, here])
    return make_markdown_table(["benchmark", "corruption there", "for", "here"], rows, left=(0, 1, 2, 3))
