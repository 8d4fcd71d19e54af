"""The robustness curves of a record: mIoU over severity."""

from experiments.evaluation.record import Record


def compute_curves(record: Record) -> dict[str, dict[int, float]]:
    """Mean mIoU in percent by severity, 0 for clean, of each panel; cells without a score are left out.

    Each corruption has a panel, and so has each stand-in for missing channels: its severity is their number.
    """
    families = {entry.get("corruption"): entry for entry in record.suite.conditions}
    scores: dict[str, dict[int, list[float]]] = {}
    for cell in (record.cells[place] for place in record.headline_places):
        if cell.severity and cell.miou is not None:
            entry, title = families.get(cell.corruption, {}), cell.corruption.replace("_", " ")
            if entry.get("family") == "modality":
                title = f"missing channels ({entry['parameters']['fill']})"
            scores.setdefault(title, {}).setdefault(cell.severity, []).append(100 * cell.miou)
    clean = record.summary.clean_miou
    start = {} if clean is None else {0: 100 * clean}
    return {
        title: start | {severity: sum(values) / len(values) for severity, values in sorted(points.items())}
        for title, points in scores.items()
    }


def add_mean(panels: dict[str, dict[int, float]]) -> dict[str, dict[int, float]]:
    """The panels, and the mean over all of them at each severity that they share."""
    if not panels:
        return panels
    shared = sorted(set.intersection(*(set(points) for points in panels.values())))
    mean = {severity: sum(points[severity] for points in panels.values()) / len(panels) for severity in shared}
    return {**panels, "mean of all": mean}
