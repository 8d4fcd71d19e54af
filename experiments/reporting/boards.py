"""Leaderboards of a site: records whose scores compare, ranked, with the records that the first does not beat for sure."""

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from experiments.evaluation.comparable import group_comparable
from experiments.evaluation.metric_summary import MeasuredMetric, MetricSummary
from experiments.evaluation.ranking import make_ranked_rows, order_records
from experiments.evaluation.record import Edges, Record
from experiments.evaluation.robustness import compute_corrupted_mean, select_clean_score
from experiments.evaluation.scores.base import as_number
from experiments.evaluation.seen import split_by_seen
from experiments.evaluation.statistics import compute_joint_intervals
from experiments.record_files.measured_records import MeasuredRecords
from experiments.record_files.record_checks import Check
from experiments.record_files.record_tree import make_file_name
from experiments.reporting.tables import Ranked


class Submission(NamedTuple):
    """A record as it was read: without the counts of its cells."""

    path: Path
    sha256: str  # of its file
    record: Record
    measured: list[MeasuredMetric]
    images: str | None  # digest of what units it has in which order; `None` without their counts
    checks: list[Check]
    contents: dict[str, Any]  # of its page


class Gap(NamedTuple):
    """How far a record is behind the first of its board; paired by images."""

    value: float | None
    edges: Edges

    @property
    def tied(self) -> bool:
        """Whether the interval reaches no difference, so that the order may be chance."""
        low, high = self.edges
        return low is not None and high is not None and low <= 0 <= high


class BoardOf(NamedTuple):
    """A leaderboard of records that compare."""

    folder: str  # of the site
    ranked: list[Ranked]
    submissions: list[Submission]
    gaps: list[Gap | None]
    seen: list[str]
    rows: list[dict[str, Any]]

    @property
    def title(self) -> str:
        """Data and suite."""
        first = self.ranked[0].record
        return f"{first.data.name} under {first.suite.name} v{first.suite.version}"


def make_boards(submissions: Sequence[Submission]) -> list[BoardOf]:
    """The leaderboards of records, in the order of their titles; each record stands on one."""
    records = [one.record for one in submissions]
    boards = [_make_board([submissions[place] for place in group]) for group in group_comparable(records)]
    return sorted(boards, key=lambda board: board.folder)


def _make_board(submissions: Sequence[Submission]) -> BoardOf:
    records = [one.record for one in submissions]
    found = MeasuredRecords(records, [one.measured for one in submissions])
    summaries = found.summarise(found.seen)
    order = order_records(records, summaries=summaries)
    ordered = [submissions[place] for place in order]
    ranks = _share_ranks([summaries[place][0] for place in order])
    ranked = [Ranked(rank, records[place], summaries[place]) for rank, place in zip(ranks, order, strict=True)]
    conditions = [condition for record in records for condition in record.conditions]
    rows = make_ranked_rows(records, summaries=summaries)
    name = found.metrics[0].name
    gaps = [_find_gap(ordered[0], one, name) if place else None for place, one in enumerate(ordered)]
    folder = _name_folder(records[0])
    return BoardOf(folder, ranked, ordered, gaps, split_by_seen(conditions, found.seen).seen, rows)


def _share_ranks(summaries: Sequence[MetricSummary]) -> list[int]:
    """Ranks from 1 on; equal scores share one."""
    scores = [(one.numbers.get("corrupted") or one.numbers["clean"]).value for one in summaries]
    return [1 + scores.index(score) for score in scores]


def _name_folder(record: Record) -> str:
    """The address of a board, which depends on what is compared alone: a link to it stays right as records come."""
    decisive = [record.suite_hash, record.data.hash, record.classes, record.left_out]
    digest = hashlib.sha256(json.dumps(decisive).encode()).hexdigest()[:8]
    return f"{make_file_name(record.data.name)}/{make_file_name(record.suite.name)}-{digest}"


def _find_gap(first: Submission, other: Submission, name: str) -> Gap | None:
    """By how much the first is ahead; `None` where the images of the two cannot be paired."""
    one, two = (next(found for found in of.measured if found.metric.name == name) for of in (first, other))
    if first.images is None or first.images != other.images:
        return None
    places = first.record.headline_places
    conditions = [first.record.conditions[place] for place in places]
    metric, corrupted = one.metric, len({name for name, severity in conditions if severity}) > 0

    def measure(scores: np.ndarray) -> np.ndarray:
        own = metric.scale(scores)[..., places]
        return compute_corrupted_mean(own, conditions) if corrupted else select_clean_score(own, conditions)

    def subtract(scores: Sequence[np.ndarray]) -> dict[str, np.ndarray]:
        return {"gap": measure(scores[1]) - measure(scores[0])}

    models = [one.scores, two.scores]
    low, high = compute_joint_intervals(models, subtract)["gap"].jackknife
    estimate = subtract([model.estimate for model in models])["gap"]
    return Gap(as_number(estimate), (as_number(low), as_number(high)))
