"""Coverage by simulation: test sets drawn from populations whose numbers are known."""

import json
from pathlib import Path

import numpy as np
import pytest
from command_line import read_refusal, run_command

from experiments.evaluation.scores.ratios import Ratio
from experiments.evaluation.statistics import point_estimate
from experiments.upkeep.coverage import METHODS, SCALES, make_measure, simulate, try_recipes
from experiments.upkeep.coverage_populations import Population, make_populations


def test_numbers_of_a_population() -> None:
    """Committed ones are those of their record."""
    kvasir = make_populations(0)[0]
    record = json.loads(Path("experiments/results/kvasir_seg/imagenet_c_middle/unet.json").read_text(encoding="utf-8"))
    truth = make_measure(kvasir.conditions)([point_estimate(ratio) for ratio in (kvasir.one, kvasir.other)])
    assert truth["clean"] == pytest.approx(record["summary"]["clean_miou"])
    assert truth["corrupted"] == pytest.approx(record["summary"]["mean_corrupted_miou"])
    assert truth["retention"] == pytest.approx(record["summary"]["retention"])
    assert truth["one cell"] == pytest.approx(record["cells"][-1]["miou"])


def test_equal_units_are_held_always_and_rare_ones_have_no_interval() -> None:
    """What every draw knows is held; a class that two units of a hundred have is not spoken of."""
    rng = np.random.default_rng(0)
    hit = rng.uniform(0.4, 0.9, (200, 3, 1))
    easy = Population(
        "easy", Ratio(hit, np.ones_like(hit)), Ratio(hit[::-1], np.ones_like(hit)), [("clean", 0), ("a", 1), ("b", 1)]
    )
    rows = {row["method"]: row for row in simulate(easy, 40, 200, rng)}
    assert rows.keys() == {*METHODS, "permutation test"}
    for method in METHODS:
        assert all(rows[method]["coverage"][name] > 0.87 for name in SCALES)
    rare = np.where(np.arange(200)[:, None, None] % 50 == 0, hit, 0)
    population = easy._replace(one=Ratio(rare, (rare > 0) * 1.0), other=Ratio(rare, (rare > 0) * 1.0))
    rows = {row["method"]: row for row in simulate(population, 40, 20, rng)}
    assert rows["jackknife t"]["stated"]["clean"] == 0


def test_welch_errs_as_often_as_it_says() -> None:
    assert 0.02 < try_recipes(3, 4000, np.random.default_rng(0)) < 0.05
    assert 0.03 < try_recipes(5, 4000, np.random.default_rng(0)) < 0.06


def test_the_verb(tmp_path: Path) -> None:
    output = tmp_path / "coverage.md"
    printed = run_command("coverage", "--simulations=2", "--units", "20", f"--output={output}").stdout
    assert output.read_text() == printed
    for name in ("patients of LGG", "jackknife t", "3 against 3"):
        assert name in printed
    assert "--simulations of at least 1" in read_refusal("coverage", "--simulations=0")
