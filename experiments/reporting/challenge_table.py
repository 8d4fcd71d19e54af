"""Tables of what benchmarks report: a row for each record, a table for each subset's numbers."""

from collections.abc import Sequence
from typing import Any, NamedTuple

from experiments.evaluation.challenges import SUBSETS, WITH_OUTLIERS, WITHOUT_CLASSES, Challenge
from experiments.evaluation.failures import Bounded
from experiments.files.tables import format_interval, format_percent, make_markdown_table

TITLES = {
    "miou": "mIoU",
    "ece": "ECE",
    "auroc": "AUROC",
    "fpr95": "FPR@95",
    "aupr_success": "AUPR-Success",
    "aupr_error": "AUPR-Error",
    "outlier_auroc": "AUROC",
    "outlier_aupr": "AUPRC",
    "outlier_fpr95": "FPR@95",
    "hmean": "harmonic mean",
    "bravo_index": "BRAVO index",
    "semantic_hmean": "semantic",
    "ood_hmean": "OOD",
}
SEMANTIC = ("miou", "ece", "auroc", "fpr95", "aupr_success", "aupr_error")
OUTLIERS = ("outlier_auroc", "outlier_aupr", "outlier_fpr95")

BRAVO_NOTE = (
    "In percent, with 95 % intervals (jackknife t). Low is good of ECE and FPR@95, which enter the means as 1 less the number. "
    "Semantic and OOD are harmonic means over all numbers of all subsets, the index that of both."
)
ACDC_NOTE = (
    "mIoU and IoU in percent, with 95 % intervals (jackknife t) of the mIoU. All is of one sum over the images of all "
    "conditions, as the benchmark has it, not the mean of their scores."
)


class Reported(NamedTuple):
    """What a record reports."""

    name: str
    challenge: Challenge


def _format(number: Bounded | None) -> str:
    if number is None:
        return "-"
    return format_interval(*number)


def format_bravo(found: Sequence[Reported]) -> str:
    """The index of each record, and the numbers of its subsets."""
    keys = ("bravo_index", "semantic_hmean", "ood_hmean")
    rows = [[one.name, *(_format(one.challenge.total.get(key)) for key in keys)] for one in found]
    parts = [make_markdown_table(["name", *(TITLES[key] for key in keys)], rows, left=(0,))]
    for title, metrics, subsets in (
        ("Semantic, over valid pixels\n", SEMANTIC, [name for name in SUBSETS if name not in WITHOUT_CLASSES]),
        ("Out of distribution: is confidence lower where a pixel is of no class?\n", OUTLIERS, list(WITH_OUTLIERS)),
    ):
        rows = [
            [one.name, subset, *(_format(one.challenge.subsets[subset].get(metric)) for metric in metrics)]
            for one in found
            for subset in subsets
            if subset in one.challenge.subsets
        ]
        if rows:
            parts += [
                title,
                make_markdown_table(["name", "subset", *(TITLES[one] for one in metrics)], rows, left=(0, 1)),
            ]
    return "\n".join([*parts, f"{BRAVO_NOTE}{_describe_missing(found)}\n"])


def format_acdc(found: Sequence[Reported]) -> str:
    """The mIoU of each condition and of all, and the IoU of each class over all."""
    conditions = list(dict.fromkeys(name for one in found for name in one.challenge.subsets))
    rows = [
        [one.name, *(_format(one.challenge.subsets.get(name, {}).get("miou")) for name in conditions)] for one in found
    ]
    classes = list(dict.fromkeys(name for one in found for name in one.challenge.subsets["all"] if name != "miou"))
    of_classes = [
        [name, *(format_percent(_find_value(one.challenge.subsets["all"].get(name))) for one in found)]
        for name in classes
    ]
    tables = [
        make_markdown_table(["name", *conditions], rows, left=(0,)),
        make_markdown_table(["IoU over all", *(one.name for one in found)], of_classes, left=(0,)),
    ]
    return "\n".join([*tables, f"{ACDC_NOTE}{_describe_missing(found)}\n"])


def _find_value(number: Bounded | None) -> float | None:
    return None if number is None else number.value


def _describe_missing(found: Sequence[Reported]) -> str:
    missing = {one.name: one.challenge.missing for one in found if one.challenge.missing}
    return "".join(
        f" {name} lacks {', '.join(names)}: its numbers are over the others." for name, names in missing.items()
    )


def make_rows(found: Sequence[Reported]) -> list[dict[str, Any]]:
    """Flat rows, for CSV and JSON: every number of every subset, and of all together."""
    rows = []
    for one in found:
        for subset, numbers in [*one.challenge.subsets.items(), ("total", one.challenge.total)]:
            for metric, number in numbers.items():
                row = {"name": one.name, "subset": subset, "metric": metric, "value": number.value}
                rows.append({**row, "low": number.low, "high": number.high})
    return rows
