"""What can be said of a record by itself: what was recomputed, and what nobody can tell without more."""

from typing import Literal, NamedTuple

from experiments.evaluation.images import Images
from experiments.evaluation.protocol import read_protocol
from experiments.evaluation.record import Record

State = Literal["holds", "not checked", "wrong"]


WRONG = 3
"""Exit status of a verb that found something certainly wrong."""


class Check(NamedTuple):
    """One thing that a record states, and whether it is so."""

    what: str
    state: State
    why: str


def list_checks(record: Record, images: Images | None) -> list[Check]:
    """What a record states, of one that `open_record` has recomputed.

    Args:
        record: with the counts of its cells.
        images: the counts of its images; `None` where they do not lie beside it.
    """
    beside = f"{record.per_image.file!r} does not lie beside it"
    return [
        Check("scores and summary", "holds", f"they follow from the counts of its {len(record.cells)} cells"),
        Check("suite manifest", "holds", f"it has the hash {record.suite_hash} that the record states"),
        Check("intervals", "holds", f"they follow from the counts of its {record.data.images} images")
        if images is not None
        else Check("intervals", "not checked", f"they are as stated, since {beside}"),
        check_number_of_pixels(record),
        Check("predictions", "not checked", describe_network(record)),
    ]


def check_number_of_pixels(record: Record) -> Check:
    """Whether a condition counts more pixels than its images have."""
    size = (record.suite.model_extra or {}).get("size")
    counted = record.totals["confusion"].sum((1, 2))
    if read_protocol(record.suite.model_extra or {}).get("scored_at") == "file":
        return Check("number of pixels", "not checked", "scores are at the sizes of the files, which no record states")
    if not (isinstance(size, list) and len(size) == 2 and all(isinstance(side, int) for side in size)):
        return Check("number of pixels", "not checked", "images of several sizes state none")
    most = record.data.images * size[0] * size[1]
    place = int(counted.argmax())
    corruption, severity = record.conditions[place]
    if counted[place] > most:
        return Check(
            "number of pixels",
            "wrong",
            f"the cell {corruption}, severity {severity}, counts {counted[place]} pixels where {record.data.images} images of "
            f"{size[0]} x {size[1]} have {most}",
        )
    return Check("number of pixels", "holds", f"no condition counts more than its images have ({most})")


def describe_network(record: Record) -> str:
    """What it takes to sweep a network again."""
    if isinstance(record.checkpoint.get("sha256"), str):
        return "that the network gives these counts is seen by sweeping its checkpoint again"
    if isinstance(record.checkpoint.get("weights_sha256"), str):
        return (
            "it was swept in a loop of its author's, which no checkpoint describes: nobody else can sweep it again, and "
            "its counts are taken on trust"
        )
    return "it names no checkpoint, so nobody can sweep it again, and its counts are taken on trust"
