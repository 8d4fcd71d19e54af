"""The parts of the page that are text and tables, as HTML in which every name is escaped, and the colours of maps."""

from collections.abc import Sequence

import matplotlib
import numpy as np
from jinja2 import Environment

from experiments.demo.shown import Shown
from experiments.evaluation.scores.overlap import iou
from experiments.evaluation.scores.ratios import compute_ratios
from experiments.files.tables import format_percent

HEAT = "magma"
"""Colours of maps of uncertainty: of even steps for the eye, in grey and for the colour-blind too."""

_MAKE = Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True).from_string

_TITLE = _MAKE("""\
<h1>Segmentation under corruptions</h1>
<p>What {{ names|join(" and ") }} make{{ "s" if names|length == 1 }} of an image under the corruptions of the suite {{ suite }}:
 the pixels are those of a sweep, bit for bit.</p>
""")

_SCORES = _MAKE("""\
<table>
<caption>mIoU of this image</caption>
<thead><tr><th></th>{% for name in names %}<th>{{ name }}</th>{% endfor %}</tr></thead>
<tbody>
{% for title, values in rows %}
<tr><th>{{ title }}</th>{% for value in values %}<td>{{ value }}</td>{% endfor %}</tr>
{% endfor %}
</tbody></table>
<p>In percent: the mean over the classes that occur in its mask or in the prediction.</p>
""")

_UNKNOWN = _MAKE("""\
<p>No mask of this image is known, so that there is no score. The table on the left says how much of it each class takes.</p>
""")

_LEGEND = _MAKE("""\
<table>
<caption>Classes</caption>
<thead><tr><th></th>{% for name in names %}<th>{{ name }}</th>{% endfor %}</tr></thead>
<tbody>
{% for colour, name, values in rows %}
<tr><th><span class="swatch" style="background: rgb({{ colour }})"></span>{{ name }}</th>
{% for value in values %}<td>{{ value }}</td>{% endfor %}</tr>
{% endfor %}
</tbody></table>
<p>{{ what }}</p>
<div class="heat" style="background: linear-gradient(to right, {{ heat }})"></div>
<p class="ends"><span>certain</span><span>uncertain</span></p>
""")

_NOTICE = _MAKE("<p>{{ sentence }}</p>")
_HEAD = _MAKE("<h2>{{ name }}</h2>")


def make_title(names: Sequence[str], suite: str) -> str:
    """The heading, and what is shown in a sentence."""
    return _TITLE.render(names=names, suite=suite)


def make_head(name: str) -> str:
    """The heading of a network's row."""
    return _HEAD.render(name=name)


def make_notice(sentence: str) -> str:
    """A sentence to the visitor."""
    return _NOTICE.render(sentence=sentence)


def make_scores(shown: Shown, condition: str) -> str:
    """The mIoU of an image by each network, clean and under a condition; the name of that is empty for the clean one."""
    if shown.truth is None:
        return _UNKNOWN.render()
    rows = [("as it is", [format_percent(one.clean_miou) for one in shown.networks])]
    if condition:
        rows.append((condition, [format_percent(one.miou) for one in shown.networks]))
        rows.append(("change", [_format_change(one.miou - one.clean_miou) for one in shown.networks]))
    return _SCORES.render(names=[one.name for one in shown.networks], rows=rows)


def _format_change(value: float) -> str:
    return f"{100 * value:+.1f}".replace("-", "\u2212")


def make_legend(shown: Shown, classes: Sequence[str], palette: np.ndarray) -> str:
    """The colours of the classes, with the IoU of each where a mask is known, or else the fraction of the image."""
    known = shown.truth is not None
    columns = [_list_ious(one.counts) if known else _list_shares(one.mask, len(classes)) for one in shown.networks]
    rows = [
        (", ".join(map(str, palette[place].tolist())), name, [column[place] for column in columns])
        for place, name in enumerate(classes)
    ]
    what = "IoU of each class, in percent." if known else "Fraction of the image, in percent."
    steps = matplotlib.colormaps[HEAT](np.linspace(0, 1, 9))
    heat = ", ".join(matplotlib.colors.to_hex(step) for step in steps)
    return _LEGEND.render(names=[one.name for one in shown.networks], rows=rows, what=what, heat=heat)


def _list_ious(counts: np.ndarray) -> list[str]:
    return ["-" if np.isnan(value) else format_percent(value) for value in compute_ratios(iou(counts))]


def _list_shares(mask: np.ndarray, classes: int) -> list[str]:
    return [format_percent(number / mask.size) for number in np.bincount(mask.ravel(), minlength=classes)]


def draw_heat(levels: np.ndarray) -> np.ndarray:
    """A map (H, W) uint8 in colours, (H, W, 3) uint8."""
    colours: np.ndarray = matplotlib.colormaps[HEAT](levels, bytes=True)
    return colours[..., :3]
