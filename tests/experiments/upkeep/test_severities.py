"""Calibrated suites are what the command finds, and the page says what it measures."""

import re

import pytest
from command_line import ROOT, read_refusal

from experiments.measuring.strength import measure_strength
from experiments.sweeping.suites import find_suite, list_suites
from experiments.upkeep.severities import (
    CALIBRATED,
    TARGET,
    average,
    format_parameters,
    list_page_suites,
    make_means_table,
)

PAGE = (ROOT / "docs" / "severities.md").read_text(encoding="utf-8")
SUITES = [name for name in list_suites() if name.endswith(CALIBRATED)]


def read_row(*cells: str) -> list[float]:
    """Numbers of the row of the page that begins with these cells, without those in brackets."""
    (row,) = re.findall(rf"^\| {re.escape(' | '.join(cells))} \| (.*) \|$", PAGE, re.MULTILINE)
    return [float(cell.split()[0]) for cell in row.split("|")]


@pytest.mark.parametrize("name", SUITES)
def test_a_calibrated_suite_has_the_corruptions_of_another_at_other_strengths(name: str) -> None:
    suite, before = find_suite(name), find_suite(name.removesuffix(CALIBRATED))
    assert [type(one) for one in suite.corruptions] == [type(one) for one in before.corruptions]
    for one, other in zip(suite.corruptions, before.corruptions, strict=True):
        assert all(one.describe_parameters(level) != other.describe_parameters(level) for level in range(1, 6))
        for values in one.severities.values():
            numbers = [value[0] if isinstance(value, tuple) else value for value in values]
            assert numbers in (sorted(numbers), sorted(numbers, reverse=True))
            assert len({*numbers}) == 5


@pytest.mark.parametrize("name", SUITES)
def test_a_calibrated_suite_is_as_strong_as_its_target(name: str) -> None:
    """As the page has it; corruptions that reach no further are as strong as they can be."""
    wanted, found = read_row(TARGET, "15")[:5], read_row(name, str(len(find_suite(name).corruptions)))[:5]
    for target, ssim in zip(wanted, found, strict=True):
        assert target - 0.01 <= ssim <= target + 0.1


@pytest.mark.parametrize(("suite", "place"), [("lighting_calibrated", 2), ("radiology_calibrated", 2), ("core", 2)])
def test_the_page_has_what_is_measured(suite: str, place: int) -> None:
    corruption = find_suite(suite).corruptions[place]
    stated = read_row(suite, corruption.name)
    assert [measure_strength(corruption, level).ssim for level in (1, 5)] == pytest.approx(
        [stated[0], stated[4]], abs=0.006
    )


def test_every_suite_is_on_the_page() -> None:
    for name in list_page_suites():
        read_row(name, str(len(find_suite(name).corruptions)))


def test_parameters_are_those_of_a_yaml() -> None:
    (one, *_) = find_suite("lighting_calibrated").corruptions
    lines = format_parameters(one, {"share": [0.5, 1], "kelvins": [(1, 2), (3, 4)]})
    assert lines == ["  low_light:", "    share: [0.5, 1]", "    kelvins: [[1, 2], [3, 4]]"]


def test_means_are_over_corruptions() -> None:
    strengths = {name: [measure_strength(find_suite("core").corruptions[2], 1)] * 5 for name in "ab"}
    assert average(strengths) == [strengths["a"][0].ssim] * 5
    assert make_means_table({"s": strengths}).splitlines()[2].startswith("| s | 2 | 0.9")


@pytest.mark.parametrize(
    ("words", "sentence"), [(["--suite", "none"], "none"), (["--find", "modality"], "has no corruptions")]
)
def test_other_suites_are_refused(words: list[str], sentence: str) -> None:
    assert sentence in read_refusal("severities", *words)
