"""Effects of factors: against differences and regressions written down by hand, and against scipy."""

import itertools
from pathlib import Path

import numpy as np
import pytest
from command_line import read_refusal
from records import make_record
from scipy import stats

from experiments.ablation.factor_effects import SCORES, TrainedTrial, find_effects, measure_trial
from experiments.ablation.sweep_file import Factor, read_sweep
from experiments.commands.analyse import effects
from experiments.commands.analyse.effects import format_csv, format_markdown
from experiments.evaluation.comparison import compare
from experiments.record_files.record_file import read_swept
from user_error import UserError

NETWORK = Factor("model.init_args.network", "levels", ("unet", "fpn"))
LOSS = Factor("model.init_args.loss", "levels", ("a", "b", "c"))
SEED = Factor("seed_everything", "levels", ("0", "1"))
RATE = Factor("lr", "log")


def make_trial(path: Path, place: int, noise: float, **arguments: object) -> TrainedTrial:
    return measure_trial(
        arguments, *read_swept(make_record(path / f"{place}.json", f"t{place}", place, 24, noise=noise))
    )


@pytest.fixture
def grid(tmp_path: Path) -> list[TrainedTrial]:
    """Two networks, three losses, two seeds."""
    choices = itertools.product(["x/unet.yaml", "x/fpn.yaml"], ["a", "b", "c"], [0, 1])
    return [
        make_trial(
            tmp_path,
            place,
            0.5 + 0.1 * place,
            **{"model.init_args.network": network, "model.init_args.loss": loss, "seed_everything": seed},
        )
        for place, (network, loss, seed) in enumerate(choices)
    ]


def read_scores(trained: list[TrainedTrial], name: str) -> np.ndarray:
    return np.array([getattr(one.record.summary, name) for one in trained])


def test_a_grid_gives_mean_differences(grid: list[TrainedTrial]) -> None:
    """Between trials that are equal in all else; the seed is no idea, and not reported."""
    found = find_effects(grid, [NETWORK, LOSS, SEED])
    assert "The 2 seeds are replicates" in format_markdown(found, grid)
    assert [(one.factor, one.level, one.against, one.trials) for one in found] == [
        (NETWORK.option, "fpn", "unet", 6),
        (LOSS.option, "b", "a", 4),
        (LOSS.option, "c", "a", 4),
    ]
    for name in SCORES:
        table = read_scores(grid, name).reshape(2, 3, 2)
        wanted = [table[1] - table[0], table[:, 1] - table[:, 0], table[:, 2] - table[:, 0]]
        np.testing.assert_allclose([one.changes[name].value for one in found], [part.mean() for part in wanted])


def test_one_factor_of_two_levels_is_a_comparison(tmp_path: Path) -> None:
    """The interval over images is that of `compare`; no trial is left over to tell of others."""
    pair = [make_trial(tmp_path, 0, 0.9, loss="a"), make_trial(tmp_path, 1, 0.6, loss="b")]
    (found,) = find_effects(pair, [Factor("loss", "levels", ("a", "b"))])
    line = compare(*(read_swept(tmp_path / f"{place}.json") for place in (0, 1))).headline
    change = found.changes["mean_corrupted_miou"]
    assert change.value == pytest.approx(line.difference)
    assert change.images is not None
    assert change.images.jackknife == pytest.approx((line.low, line.high))
    assert change.trainings is None


def test_intervals_over_trainings_are_students(grid: list[TrainedTrial]) -> None:
    """Two levels without blocks: the interval of the t test with pooled variance."""
    (found,) = find_effects(grid, [NETWORK])
    for name in SCORES:
        one, other = read_scores(grid, name).reshape(2, 6)
        wanted = stats.ttest_ind(other, one).confidence_interval()
        assert found.changes[name].trainings == pytest.approx((wanted.low, wanted.high))


def test_a_range_has_a_slope(tmp_path: Path) -> None:
    rates = [1e-4, 3e-4, 1e-3, 1e-2]
    trained = [make_trial(tmp_path, place, 0.4 + 0.1 * place, lr=rate) for place, rate in enumerate(rates)]
    (found,) = find_effects(trained, [RATE])
    wanted = stats.linregress(np.log10(rates), read_scores(trained, "clean_miou"))
    change = found.changes["clean_miou"]
    assert found.level == "times ten"
    assert change.value == pytest.approx(wanted.slope)
    half = stats.t.ppf(0.975, 2) * wanted.stderr
    assert change.trainings == pytest.approx((wanted.slope - half, wanted.slope + half))
    (linear,) = find_effects(trained, [Factor("lr", "linear")])
    assert linear.changes["clean_miou"].value == pytest.approx(
        stats.linregress(rates, read_scores(trained, "clean_miou")).slope
    )


def test_factors_that_always_go_together_are_not_told_apart(tmp_path: Path) -> None:
    both = [
        Factor("one", "levels", ("a", "b")),
        Factor("two", "levels", ("c", "d")),
        Factor("free", "levels", ("0", "1")),
    ]
    settings = [("a", "c", "0"), ("b", "d", "0"), ("a", "c", "1"), ("b", "d", "1")]
    trained = [
        make_trial(tmp_path, place, 0.5 + 0.1 * place, **dict(zip(("one", "two", "free"), chosen, strict=True)))
        for place, chosen in enumerate(settings)
    ]
    found = find_effects(trained, both)
    assert [one.changes["clean_miou"].value is None for one in found] == [True, True, False]
    assert format_markdown(found, trained).count("| - | - | - | - |") == 2
    assert format_csv(found).splitlines()[0].startswith("factor,level,against,trials,clean_miou,clean_miou_low")


def test_a_level_that_no_trial_has_is_left_out(grid: list[TrainedTrial]) -> None:
    """Failed trials, or those of another shard."""
    found = find_effects(grid[:4], [NETWORK, LOSS])
    assert [(one.level, one.against) for one in found] == [("b", "a")]
    assert "from 4 trials" in format_markdown(found, grid[:4])


def test_other_images_are_refused(tmp_path: Path) -> None:
    one = make_trial(tmp_path, 0, 0.5, lr=1e-3)
    other = measure_trial({"lr": 1e-2}, *read_swept(make_record(tmp_path / "x.json", "x", 1, 7)))
    with pytest.raises(UserError, match="cannot be compared"):
        find_effects([one, other], [RATE])


SWEEP = """
name: small
method: grid
program: experiments/commands/train/trial.py
command: [python, -m, experiments, trial, "${args}"]
parameters:
  config: {value: recipe.yaml}
  lr: {values: [0.1, 0.2]}
  seed_everything: {values: [0, 1]}
"""


@pytest.fixture
def swept(tmp_path: Path) -> tuple[Path, list[Path]]:
    """A sweep file and the records of its four trials."""
    file = tmp_path / "small.yaml"
    file.write_text(SWEEP)
    names = [one.name for one in read_sweep(file).trials]
    return file, [make_record(tmp_path / f"{at}.json", name, at, 8) for at, name in enumerate(names)]


def test_the_verb_finds_the_trials_by_their_names(
    swept: tuple[Path, list[Path]], capsys: pytest.CaptureFixture, tmp_path: Path
) -> None:
    file, records = swept
    sweep = read_sweep(file)
    effects.main([str(file), *map(str, reversed(records))])
    text = capsys.readouterr().out
    trained = [measure_trial(one.arguments, *read_swept(path)) for one, path in zip(sweep.trials, records, strict=True)]
    assert text == format_markdown(find_effects(trained, sweep.factors), trained)
    effects.main([str(file), *map(str, records), "--format=csv", f"--output={tmp_path / 'effects.csv'}"])
    assert (tmp_path / "effects.csv").read_text() == format_csv(find_effects(trained, sweep.factors))


def test_refusals_of_the_verb(swept: tuple[Path, list[Path]], tmp_path: Path) -> None:
    file, records = swept
    other = make_record(tmp_path / "other.json", "other", 0, 8)
    assert "'other', which is no trial of small" in read_refusal("effects", file, *records, other)
    again = make_record(tmp_path / "again.json", read_swept(records[0])[0].name, 5, 8)
    assert "there are two records of" in read_refusal("effects", file, records[0], again)
    assert "two trials or more" in read_refusal("effects", file, records[0], records[0])
