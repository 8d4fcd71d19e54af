"""How often a trust flag errs, as tables."""

from experiments.files.tables import format_change, format_interval, format_percent, make_markdown_table
from experiments.trust.trust_model import TrustModel

TITLES = (
    *("images", "cases", "poor", "poor, trusted", "others, not trusted", "the same by confidence", "AUROC"),
    "above confidence's",
)


def format_trust(model: TrustModel) -> str:
    """Tables of the measured rates, as Markdown."""
    rows = [
        [
            one.name,
            str(one.cases),
            str(one.poor),
            format_interval(*one.missed),
            format_interval(*one.false_alarms),
            format_percent(one.false_alarms_by_confidence),
            format_interval(*one.auroc),
            format_interval(*one.gain, form=format_change),
        ]
        for one in model.rates
    ]
    table = make_markdown_table(TITLES, rows, left=(0,))
    note = (
        "Shares and areas in percent, with 95 % intervals over images or their units (jackknife; an image under all conditions "
        "at once), for the flag as it is. Poor: the mean IoU of the image, over the classes but the background, is below "
        f"{model.least:g}. Not trusted: a risk of {model.threshold:.3f} or more, fitted on the validation split under "
        f"{model.suite}. By confidence: a threshold of the mean confidence of an image that, chosen on these very images, trusts "
        "as many poor ones."
    )
    lines = [
        f"On {one.name} images the corruption is recognised in {format_interval(*one.corruption)} % of the cases, "
        f"its severity then within one step in {format_percent(one.severity_within_one)} %."
        for one in model.recognition
    ]
    return "\n".join([table, note, *lines])
