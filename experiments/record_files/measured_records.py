"""Records that are summarised together: read one after another, by the metrics that all of them have."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from experiments.evaluation.compared_metrics import Metric, find_metric, list_metrics
from experiments.evaluation.metric_summary import MeasuredMetric, MetricSummary, measure_metric, summarise_metric
from experiments.evaluation.record import Record, drop_counts
from experiments.evaluation.scores.foreground import EMPTY, Empty
from experiments.evaluation.seen import find_seen
from experiments.record_files.record_file import open_record


class MeasuredRecords(NamedTuple):
    """Records without their counts, and what they score by each of several metrics."""

    records: list[Record]
    measured: list[list[MeasuredMetric]]

    @property
    def metrics(self) -> list[Metric]:
        """Those that all records have, in the order of the first one."""
        names = [{one.metric.name for one in found} for found in self.measured]
        return (
            [one.metric for one in self.measured[0] if all(one.metric.name in every for every in names)]
            if names
            else []
        )

    @property
    def seen(self) -> frozenset[str]:
        """Corruptions that the training of some record has met."""
        return frozenset().union(*(find_seen(record.recipe) for record in self.records))

    def summarise(self, seen: frozenset[str] = frozenset()) -> list[list[MetricSummary]]:
        """The summary of each record by each of `metrics`; `seen` are corruptions with a mean of their own."""
        names = [metric.name for metric in self.metrics]
        return [
            [summarise_metric(one, seen) for name in names for one in found if one.metric.name == name]
            for found in self.measured
        ]


def measure_records(
    paths: Sequence[Path], metrics: Sequence[str] | None = None, empty: Empty = EMPTY[0], *, totals: bool = False
) -> MeasuredRecords:
    """Read records, and measure them.

    Args:
        paths: of records.
        metrics: names of the metrics; the usual ones of each record's data if `None`.
        empty: see `find_metric`.
        totals: whether records keep the counts of their cells.

    Raises:
        UserError: a file is no record, or a record has no such score.
    """
    records: list[Record] = []
    measured: list[list[MeasuredMetric]] = []
    for path in paths:
        record, images = open_record(path)
        usual = list_metrics([record], empty)
        chosen = usual if metrics is None else [find_metric(name, [record], empty) for name in metrics]
        known = [one for one in chosen if images is not None or metrics is not None or not one.of_images]
        measured.append([measure_metric(record, images, one) for one in known])
        records.append(record if totals else drop_counts(record))
    return MeasuredRecords(records, measured)
