"""Measure how strong the severities of suites are, and find parameters by which they are as strong as those of another."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from experiments.command_line.verb_parser import Option, call_verb
from experiments.files.replaceable import print_and_save
from experiments.files.tables import make_markdown_table
from user_error import UserError

if TYPE_CHECKING:
    from datamodules.corruptions.base import Corruption
    from experiments.measuring.strength import Strength
    from experiments.sweeping.suite import Suite

EXAMPLES = """
--suite lighting --suite core
--find endoscopy
--output docs/severities.md
"""

TARGET = "imagenet_c"
"""The suite whose mean strengths are the targets."""

CALIBRATED = "_calibrated"
"""What the name of a calibrated suite ends with; without it, it is that of the suite whose corruptions it has."""

PAGE = """# How strong the severities are

The mean structural similarity (SSIM, Wang et al., IEEE TIP 2004) of corrupted photographs to the clean ones: {images}
photographs of scikit-image at {side} x {side}, {draws} draws each, which are the same at all severities. 1 is the clean image.
Written by `python -m experiments severities --output docs/severities.md`, which takes about a minute.

Severities of ImageNet-C are by definition what they are; those of the lighting and the medical suites are ours, and were
chosen by eye. A suite whose name ends with `{ending}` has the same corruptions at strengths that compare: each has at each
severity the mean SSIM that the 15 corruptions of `{target}` have there. Its parameters were found by
`python -m experiments severities --find SUITE`, along the line of the declared ones. Some corruptions cannot change an image
that much: a tint leaves all structure where it was, and a shadow cannot be darker than black. Those are as strong as they can
be at severity 5, and in proportion below it.
MedFM-Robust (Cui et al., arXiv:2605.19027) calibrates its perturbations by SSIM likewise.

SSIM is no measure of how hard an image is: it says that suites are equally far from the clean images, not that a network must
fall equally far under each. What calibration does to one network stands in [findings.md](findings.md#severities-that-compare).

**Why there are two suites of each.** A record names its suite and holds its manifest, and `verify` sweeps by that name. Other
parameters in the same suite would make every earlier record one of a suite that no longer exists. So `lighting` remains what it
was, and `lighting{ending}` is another suite, which is never ranked beside it.

## Means of suites

{means}
## Every corruption

SSIM, and in brackets the PSNR in dB, at severities 1 to 5.

{corruptions}"""


def measure_suites(suites: "Sequence[Suite]") -> "dict[str, dict[str, list[Strength]]]":
    """Strengths of each corruption at severities 1 to 5, by suite and corruption; of those that take the image alone."""
    from tqdm import tqdm

    from datamodules.corruptions.declaration import SEVERITIES
    from experiments.measuring.strength import measure_strength

    cells = [(suite.name, one) for suite in suites for one in suite.corruptions if one.of_image_alone]
    found: dict[str, dict[str, list[Strength]]] = {suite.name: {} for suite in suites}
    for name, corruption in tqdm(cells, desc="severities", unit="corruption"):
        found[name][corruption.name] = [measure_strength(corruption, severity) for severity in SEVERITIES]
    return found


def average(strengths: "dict[str, list[Strength]]") -> list[float]:
    """Mean SSIM of the corruptions of a suite at each severity."""
    return [sum(one.ssim for one in column) / len(column) for column in zip(*strengths.values(), strict=True)]


def make_means_table(found: "dict[str, dict[str, list[Strength]]]") -> str:
    """Markdown: the mean SSIM of each suite."""
    rows = []
    for suite, strengths in found.items():
        means = average(strengths)
        rows.append([suite, str(len(strengths)), *(f"{one:.2f}" for one in means), f"{sum(means) / len(means):.2f}"])
    return make_markdown_table(["suite", "corruptions", "1", "2", "3", "4", "5", "mean"], rows, left=(0,))


def make_corruption_table(found: "dict[str, dict[str, list[Strength]]]") -> str:
    """Markdown: SSIM and PSNR of each corruption of each suite."""
    rows = [
        [suite, name, *(f"{one.ssim:.2f} ({one.psnr:.1f})" for one in strengths)]
        for suite, corruptions in found.items()
        for name, strengths in corruptions.items()
    ]
    return make_markdown_table(["suite", "corruption", "1", "2", "3", "4", "5"], rows, left=(0, 1))


def format_parameters(corruption: "Corruption", parameters: dict[str, list[Any]]) -> list[str]:
    """Lines of a suite's YAML under ``parameters``."""
    entries = [f"    {name}: {_as_text(values)}" for name, values in parameters.items()]
    return [f"  {corruption.name}:", *entries]


def _as_text(value: Any) -> str:
    return f"[{', '.join(map(_as_text, value))}]" if isinstance(value, list | tuple) else f"{value:g}"


def find_strengths(name: str, target: str) -> str:
    """The ``parameters`` of a suite by which its corruptions are as strong as those of another on average.

    Raises:
        UserError: there is no such suite, or its corruptions have no severities that could be others.
    """
    from tqdm import tqdm

    from experiments.measuring.strength import find_parameters
    from experiments.sweeping.suites import find_suite

    suite, strong = (_require_measurable(find_suite(one)) for one in (name, target))
    targets = average(measure_suites([strong])[strong.name])
    lines = ["parameters:"]
    for one in tqdm([one for one in suite.corruptions if one.of_image_alone], desc="find", unit="corruption"):
        lines += format_parameters(one, find_parameters(one, targets))
    return "\n".join(lines) + "\n"


def _require_measurable(suite: "Suite") -> "Suite":
    if not any(one.of_image_alone for one in suite.corruptions):
        raise UserError(f"the suite {suite.name!r} has no corruptions of photographs alone: name another")
    return suite


def list_page_suites() -> list[str]:
    """The suites of the page: the target, then each calibrated suite after what it was before."""
    from experiments.sweeping.suites import list_suites

    calibrated = [name for name in list_suites() if name.endswith(CALIBRATED)]
    return [TARGET, "core", *(one for name in calibrated for one in (name.removesuffix(CALIBRATED), name))]


def measure_severities(
    *,
    suite: Annotated[Sequence[str], Option(repeated=True)] = (),
    find: Annotated[str | None, Option(metavar="SUITE")] = None,
    target: Annotated[str, Option(metavar="SUITE")] = TARGET,
    output: Path | None = None,
) -> None:
    """Measure the mean SSIM and PSNR of the corruptions of suites to clean photographs, at every severity.

    With --find, search the parameters by which the corruptions of a suite are as strong as those of another on average, and
    print them as the YAML of a suite takes them.

    Args:
        suite: its name or the path of its YAML (default: those that are calibrated, before and after).
        find: a suite whose parameters are sought.
        target: the suite whose mean SSIM is the target.
        output: write the page to this file as well.

    Raises:
        UserError: there is no such suite.
    """
    from experiments.measuring.strength import DRAWS, PHOTOGRAPHS, SIDE
    from experiments.sweeping.suites import find_suite

    if find is not None:
        print_and_save(find_strengths(find, target), output)
        return
    found = measure_suites([_require_measurable(find_suite(name)) for name in suite or list_page_suites()])
    means, corruptions = make_means_table(found), make_corruption_table(found)
    if suite:
        print_and_save(f"{means}\n{corruptions}", output)
        return
    parts = {"means": means, "corruptions": corruptions, "target": TARGET, "ending": CALIBRATED}
    print_and_save(PAGE.format(images=PHOTOGRAPHS, draws=DRAWS, side=SIDE, **parts), output)


def main(argv: list[str]) -> None:
    """The verb."""
    call_verb("severities", measure_severities, EXAMPLES, argv)
