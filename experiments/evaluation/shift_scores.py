"""Scores of checkpoints on their own data, corrupted, and on the real shifts of other data, side by side."""

from collections.abc import Sequence
from typing import NamedTuple

from experiments.evaluation.comparable import find_difference
from experiments.evaluation.kinds import CLEAN, SHIFT, SINGLE
from experiments.evaluation.protocol import find_protocol_difference
from experiments.evaluation.record import Edges, Record, Score
from user_error import UserError


class Line(NamedTuple):
    """What a score is of: data, and what of them."""

    data: str
    condition: str


class ShiftScore(NamedTuple):
    """The mIoU of a checkpoint on one line, with its interval."""

    name: str
    line: Line
    images: int
    miou: Score
    edges: Edges


class Swept(NamedTuple):
    """The records of one checkpoint: that with corruptions, and those of shifts."""

    source: Record
    shifts: list[Record]


def list_shift_scores(records: Sequence[Record]) -> list[ShiftScore]:
    """Every score of the records, checkpoint by checkpoint, the data with corruptions first.

    Raises:
        UserError: see `group_alike`.
    """
    scores = []
    for group in group_alike(records):
        scores += _score_source(group.source)
        scores += [score for record in group.shifts for score in _score_shift(record, group.source.name)]
    return scores


def group_alike(records: Sequence[Record]) -> list[Swept]:
    """The records of each checkpoint, which compare with those of the others on the same data.

    Raises:
        UserError: see `group_by_checkpoint`; records of several checkpoints do not compare.
    """
    groups = group_by_checkpoint(records)
    first: dict[str, Record] = {}
    for group in groups:
        _require_alike(groups[0].source, group.source)
        for record in group.shifts:
            _require_one_protocol(group.source, record)
            _require_alike(first.setdefault(record.data.name, record), record)
    return groups


def has_corruptions(record: Record) -> bool:
    """Whether a record is of more than clean images and real shifts."""
    return not {*record.kinds} <= {*SINGLE}


def group_by_checkpoint(records: Sequence[Record]) -> list[Swept]:
    """The records of each checkpoint.

    Raises:
        UserError: a checkpoint has no record with corruptions, or two; two of one data set; or two have one name.
    """
    sources, shifts = ([one for one in records if has_corruptions(one) is whether] for whether in (True, False))
    if not sources:
        raise UserError("no record has corruptions: pass that of the data that the checkpoint was trained on as well")
    groups = {_find_digest(record): Swept(record, []) for record in sources}
    if len(groups) < len(sources):
        name = next(one.name for one in sources if groups[_find_digest(one)].source is not one)
        raise UserError(f"two records of {name!r} have corruptions: pass the one that shifts are to be shown beside")
    names = [one.name for one in sources]
    if twice := next((name for name in names if names.count(name) > 1), None):
        raise UserError(f"two checkpoints are called {twice!r}: tell them apart by 'benchmark --name'")
    for record in shifts:
        if _find_digest(record) not in groups:
            raise UserError(
                f"the record of {record.name!r} on {record.data.name} is of another checkpoint than those with corruptions "
                f"({', '.join(map(repr, names))}): pass the records of one checkpoint, or its own with corruptions as well"
            )
        group = groups[_find_digest(record)]
        if any(other.data.name == record.data.name for other in group.shifts):
            raise UserError(f"two records of {record.name!r} are of {record.data.name}: pass one of them")
        group.shifts.append(record)
    return list(groups.values())


def _find_digest(record: Record) -> str:
    return str(record.checkpoint.get("sha256"))


def _require_alike(one: Record, other: Record) -> None:
    difference = find_difference(one, other)
    if difference is not None:
        raise UserError(f"{one.name!r} and {other.name!r} were swept {difference}: sweep them alike")


def _require_one_protocol(source: Record, shift: Record) -> None:
    difference = find_protocol_difference(source.suite.model_extra or {}, shift.suite.model_extra or {})
    if difference is not None:
        raise UserError(
            f"{source.name!r} was swept over {source.data.name} and over {shift.data.name} under different protocols "
            f"({difference}): pass records of one protocol"
        )


def _score_source(record: Record) -> list[ShiftScore]:
    summary, data = record.summary, record.data
    found = {
        CLEAN: (summary.clean_miou, "clean_miou"),
        "mean of corruptions": (summary.mean_corrupted_miou, "mean_corrupted_miou"),
        **{f"mean of {name}": (value, f"families.{name}") for name, value in summary.families.items()},
    }
    scores = [
        ShiftScore(record.name, Line(data.name, condition), data.images, value, _find_edges(record, key))
        for condition, (value, key) in found.items()
        if value is not None
    ]
    return [*scores, *_score_conditions(record, record.name)]


def _score_shift(record: Record, name: str) -> list[ShiftScore]:
    data = record.data
    every = ShiftScore(
        name,
        Line(data.name, "all"),
        data.images,
        record.summary.clean_miou,
        _find_edges(record, "clean_miou"),
    )
    return [every, *_score_conditions(record, name)]


def _find_edges(record: Record, key: str) -> Edges:
    """Of a number of the summary; a record whose images' counts are not there may lack them."""
    bounds = record.summary.intervals.get(key)
    return (None, None) if bounds is None else bounds.edges


def _count_images(record: Record) -> dict[str, int]:
    """The images of each real shift, as the manifest states them."""
    found = {}
    for entry in record.suite.conditions:
        parameters = entry.get("parameters")
        number = parameters.get("images") if isinstance(parameters, dict) else None
        found[str(entry.get("corruption"))] = number if isinstance(number, int) else 0
    return found


def _score_conditions(record: Record, name: str) -> list[ShiftScore]:
    """The real shifts of a record, called by their value where it states one column alone."""
    places = [place for place, kind in enumerate(record.kinds) if kind == SHIFT]
    images = _count_images(record)
    cells = [record.cells[place] for place in places]
    columns = {cell.corruption.partition("=")[0] for cell in cells}
    return [
        ShiftScore(
            name,
            Line(
                record.data.name,
                cell.corruption.partition("=")[2] or cell.corruption if len(columns) == 1 else cell.corruption,
            ),
            images.get(cell.corruption, 0),
            cell.miou,
            cell.miou_interval.edges,
        )
        for cell in cells
    ]
