"""The robustness curves of a record: a score over severity."""

from experiments.evaluation.metric_summary import MetricSummary
from experiments.evaluation.record import Record


def compute_curves(record: Record, summary: MetricSummary) -> dict[str, dict[int, float]]:
    """Mean score by severity, 0 for clean, of each panel, in percent where the metric is; cells without one are left out.

    Each corruption has a panel, and so has each stand-in for missing channels: its severity is their number.
    """
    families = {entry.get("corruption"): entry for entry in record.suite.conditions}
    factor = find_factor(summary)
    scores: dict[str, dict[int, list[float]]] = {}
    for place in record.headline_places:
        (corruption, severity), value = record.conditions[place], summary.cells[place].value
        if severity and value is not None:
            entry, title = families.get(corruption, {}), corruption.replace("_", " ")
            if entry.get("family") == "modality":
                title = f"missing channels ({entry['parameters']['fill']})"
            scores.setdefault(title, {}).setdefault(severity, []).append(factor * value)
    clean = summary.numbers["clean"].value
    start = {} if clean is None else {0: factor * clean}
    return {
        title: start | {severity: sum(values) / len(values) for severity, values in sorted(points.items())}
        for title, points in scores.items()
    }


def find_factor(summary: MetricSummary) -> int:
    """What scores are multiplied by to be shown: 100 where the metric is stated in percent."""
    return 100 if summary.metric.unit == "percent" else 1


def add_mean(panels: dict[str, dict[int, float]]) -> dict[str, dict[int, float]]:
    """The panels, and the mean over all of them at each severity that they share."""
    if not panels:
        return panels
    shared = sorted(set.intersection(*(set(points) for points in panels.values())))
    mean = {severity: sum(points[severity] for points in panels.values()) / len(panels) for severity in shared}
    return {**panels, "mean of all": mean}
