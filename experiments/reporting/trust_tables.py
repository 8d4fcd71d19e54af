"""How often a trust flag errs, as tables."""

from experiments.files.tables import make_markdown_table
from experiments.trust.trust_model import TrustModel


def format_trust(model: TrustModel) -> str:
    """Tables of the measured rates, as Markdown."""
    titles = [
        "images",
        "cases",
        "poor",
        "poor, trusted",
        "others, not trusted",
        "the same by confidence",
        "AUROC",
        "by confidence",
    ]
    rows = [
        [
            one.name,
            str(one.cases),
            str(one.poor),
            *map(_format_share, (one.missed, one.false_alarms, one.false_alarms_by_confidence)),
            *("-" if value is None else f"{value:.3f}" for value in (one.auroc, one.auroc_by_confidence)),
        ]
        for one in model.rates
    ]
    table = make_markdown_table(titles, rows, left=(0,))
    note = (
        f"Poor: the mean IoU of the image, over the classes but the background, is below {model.least:g}. Not trusted: a risk of "
        f"{model.threshold:.3f} or more, fitted on the validation split under {model.suite}. By confidence: a threshold of the "
        "mean confidence of an image that, chosen on these very images, trusts as many poor ones."
    )
    lines = [
        f"On {one.name} images the corruption is recognised in {_format_share(one.corruption)} of the cases, "
        f"its severity then within one step in {_format_share(one.severity_within_one)}."
        for one in model.recognition
    ]
    return "\n".join([table, note, *lines])


def _format_share(share: float | None) -> str:
    return "-" if share is None else f"{100 * share:.1f} %"
