import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from command_line import read_refusal
from records import make_record
from scipy import stats

from experiments.commands.analyse import recipes
from experiments.evaluation.compared_metrics import COMPARED
from experiments.evaluation.comparison import compare, measure_record
from experiments.evaluation.recipe_comparison import compare_recipes, find_recipe_name
from experiments.record_files.record_file import open_record, read_record, read_swept
from user_error import UserError


def make_trainings(
    folder: Path, name: str, count: int, noise: float, first: int = 0, transforms: tuple[str, ...] = (), **settings: Any
) -> list[Path]:
    """Records of one recipe with several seeds."""
    chosen = [{"class_path": f"any.{kind}"} for kind in transforms]
    return [
        make_record(
            folder / f"{name}_{seed}.json",
            f"{name}-seed_everything={seed}",
            seed,
            40,
            noise=noise,
            recipe={
                "seed_everything": seed,
                "model": {"network": name, "init_args": {"batch_transforms": chosen}},
            },
            **settings,
        )
        for seed in range(first, first + count)
    ]


def read_printed(
    capsys: pytest.CaptureFixture, a: list[Path], *others: list[Path], options: tuple[str, ...] = ()
) -> str:
    words = [str(path) for path in a]
    for other in others:
        words += ["--with", *map(str, other)]
    recipes.main([*words, *options])
    return capsys.readouterr().out


def clean(paths: list[Path]) -> list[float]:
    return [open_record(path)[0].summary.clean_miou for path in paths]


def test_a_difference_that_holds(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    poor, good = make_trainings(tmp_path, "poor", 3, 0.9), make_trainings(tmp_path, "good", 3, 0.4, first=5)
    table = read_printed(capsys, poor, good)
    assert "| good | 3 | +" in table
    assert "| better |" in table
    assert "differ in more than the seed" not in table
    assert "| condition | poor | good |" in table
    assert "| noise 5 | " in table
    assert "good is better than poor by" in read_printed(capsys, poor, good, options=("--format=sentences",))
    assert "poor is worse than good by" in read_printed(capsys, good, poor, options=("--format=sentences",))
    lower = read_printed(capsys, poor, good, options=("--format=sentences", "--metric=nll"))
    assert "good is better than poor by" in lower


def test_a_difference_of_seeds_does_not_hold(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    one, other = make_trainings(tmp_path, "one", 3, 0.7), make_trainings(tmp_path, "other", 3, 0.7, first=7)
    assert "no difference from one holds" in read_printed(capsys, one, other, options=("--format=sentences",))


def test_images_alone_are_not_enough(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    """Two trainings that scatter widely, against two that lie between: clear on these images, not over trainings."""
    wide = [*make_trainings(tmp_path, "wide", 1, 0.3), *make_trainings(tmp_path, "wide", 1, 1.2, first=1)]
    narrow = make_trainings(tmp_path, "narrow", 2, 0.35, first=3)
    found = json.loads(read_printed(capsys, wide, narrow, options=("--format=json",)))[0]
    change = found["overall"][1]
    assert change["name"] == "mean corrupted"
    assert not change["images"][0] <= 0 <= change["images"][1]
    assert change["trainings"][0] < 0 < change["trainings"][1]
    assert found["holds"] == ""


def test_numbers_are_welchs(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    one, other = make_trainings(tmp_path, "one", 3, 0.9), make_trainings(tmp_path, "other", 4, 0.5)
    found = json.loads(read_printed(capsys, one, other, options=("--format=json",)))[0]
    change = found["overall"][0]
    a, b = clean(one), clean(other)
    assert (change["a"], change["b"]) == pytest.approx((np.mean(a), np.mean(b)))
    assert change["difference"] == pytest.approx(np.mean(b) - np.mean(a))
    variances = [np.var(part, ddof=1) / len(part) for part in (a, b)]
    freedom = sum(variances) ** 2 / sum(v**2 / (n - 1) for v, n in zip(variances, (3, 4), strict=True))
    half = stats.t.ppf(0.975, freedom) * math.sqrt(sum(variances))
    assert change["trainings"] == pytest.approx([change["difference"] - half, change["difference"] + half])
    assert change["p"] == pytest.approx(stats.ttest_ind(a, b, equal_var=False).pvalue)
    assert [side["differ_by_seed_alone"] for side in (found["a"], found["b"])] == [True, True]


def test_single_trainings_have_the_interval_of_a_comparison(tmp_path: Path) -> None:
    one, other = (
        read_swept(make_trainings(tmp_path, name, 1, noise)[0]) for name, noise in (("one", 0.9), ("two", 0.6))
    )
    of_networks = compare(one, other, permutations=200)
    miou = COMPARED["miou"]
    of_recipes = compare_recipes([measure_record(*one, miou)], [measure_record(*other, miou)], miou)
    for change, line in zip(
        of_recipes.overall + of_recipes.conditions, of_networks.overall + of_networks.conditions, strict=True
    ):
        assert change.name == line.name
        assert change.images == pytest.approx((line.low, line.high))
        assert (change.trainings, change.p) == (None, None)


def test_a_single_training_says_nothing_of_its_recipe(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    one, other = make_trainings(tmp_path, "one", 3, 0.9), make_trainings(tmp_path, "other", 1, 0.4)
    text = read_printed(capsys, one, other, options=("--format=sentences",))
    assert "whether that is chance takes several trainings of each" in text
    assert "| - |" in read_printed(capsys, one, other)


def test_several_recipes_are_adjusted_for_their_number(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    one = make_trainings(tmp_path, "one", 3, 0.9)
    others = [make_trainings(tmp_path, name, 3, noise) for name, noise in (("two", 0.8), ("three", 0.5))]
    found = json.loads(read_printed(capsys, one, *others, options=("--format=json",)))
    values = [next(c["p"] for c in one["overall"] if c["name"] == "mean corrupted") for one in found]
    assert min(one["p_holm"] for one in found) == pytest.approx(2 * min(values))
    table = read_printed(capsys, one, *others)
    assert "| condition |" not in table
    assert table.index("| three |") < table.index("| two |")  # the better first


def test_seen_and_unseen_corruptions_stand_apart(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    """Of a recipe that met one of two corruptions alone, and of one that met neither, whose verdict is then that of both."""
    cells = [("clean", 0), ("gaussian_noise", 3), ("fog", 3), ("fog", 5)]
    plain = make_trainings(tmp_path, "plain", 3, 0.9, cells=cells)
    noisy = make_trainings(tmp_path, "noisy", 3, 0.5, first=3, transforms=("GaussianNoise",), cells=cells)
    other = make_trainings(tmp_path, "other", 3, 0.7, first=6, cells=cells)
    found = json.loads(read_printed(capsys, plain, noisy, other, options=("--format=json",)))
    changes = [{change["name"]: change for change in one["overall"]} for one in found]
    unseen = [changes[0]["mean of the others"], changes[1]["mean corrupted"]]
    lines = read_printed(capsys, plain, noisy, other).splitlines()
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in lines if line.startswith("|")]
    assert rows[4][:4] == ["", "seen", "over them, images", "trainings"]
    for row, number, change in zip(rows[6:8], ("1", "0"), unseen, strict=True):
        assert (row[1], row[4]) == (number, str(2 - int(number)))
        assert row[5].startswith(f"{100 * change['difference']:+.1f} [")
        assert row[7] == f"{change['p']:.4f}"
    adjusted = min(1.0, 2 * min(one["p"] for one in unseen))
    assert min(float(row[8]) for row in rows[6:8]) == pytest.approx(adjusted, abs=1e-4)
    assert rows[6][2].startswith(f"{100 * changes[0]['mean met by one training alone']['difference']:+.1f} [")
    assert rows[7][2:4] == ["-", "-"]
    assert "Seen are corruptions that the training of one recipe alone has met" in lines[-1]
    assert "Seen" not in read_printed(capsys, plain, other)


@pytest.mark.parametrize("by", ["corruption", "family"])
def test_parts_are_means_over_their_severities(by: str, tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    cells = [("clean", 0), ("gaussian_noise", 3), ("fog", 3), ("fog", 5)]
    plain, other = (make_trainings(tmp_path, name, 3, at, at_seed, cells=cells) for name, at, at_seed in SIDES)
    (found,) = json.loads(read_printed(capsys, plain, other, options=(f"--by={by}", "--format=json")))
    changes = {change["name"]: change for change in (*found["conditions"], *found["parts"])}
    families = open_record(plain[0])[0].suite.find_families()
    fog = "fog" if by == "corruption" else families["fog"]
    noise = "gaussian_noise" if by == "corruption" else families["gaussian_noise"]
    assert [part["name"] for part in found["parts"]] == list(dict.fromkeys([f"mean of {noise}", f"mean of {fog}"]))
    both = np.mean([changes["fog 3"]["difference"], changes["fog 5"]["difference"]])
    expected = both if noise != fog else np.mean([changes["gaussian noise 3"]["difference"], both])
    part = changes[f"mean of {fog}"]
    assert part["difference"] == pytest.approx(expected)
    low, high = part["trainings"]
    assert low < part["difference"] < high
    table = read_printed(capsys, plain, other, options=(f"--by={by}",))
    assert f"| other | {100 * changes[f'mean of {noise}']['difference']:+.1f} [" in table
    assert "of one comparison each" in table


SIDES = (("plain", 0.9, 0), ("other", 0.5, 3))


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["half_0", "half_1"], "half"),
        (["fpn", "fpn-seed_everything=1"], "fpn"),
        (["FPN mobilenet_v2", "FPN mobilenet_v2, seed 1"], "FPN mobilenet_v2"),
        (["one", "another", "third"], "one and 2 more"),
        (["half_0"], "half_0"),
    ],
)
def test_names(tmp_path: Path, names: list[str], expected: str) -> None:
    records = [open_record(make_record(tmp_path / f"{at}.json", name))[0] for at, name in enumerate(names)]
    assert find_recipe_name(records) == expected


def test_recipes_that_differ_are_named(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    mixed = [*make_trainings(tmp_path, "one", 1, 0.9), *make_trainings(tmp_path, "two", 1, 0.8, first=1)]
    text = read_printed(capsys, mixed, make_trainings(tmp_path, "three", 2, 0.5, first=3))
    assert "the trainings of one-seed_everything=0 and 1 more differ in more than the seed" in text


def test_a_training_counts_once(tmp_path: Path) -> None:
    path = make_trainings(tmp_path, "one", 1, 0.9)[0]
    record, images = read_swept(path)
    record = record.model_copy(update={"checkpoint": {"sha256": "a" * 64}})
    known = measure_record(record, images, COMPARED["miou"])
    with pytest.raises(UserError, match="would count twice"):
        compare_recipes([known], [known], COMPARED["miou"])


def test_refusals(tmp_path: Path) -> None:
    one, other = make_trainings(tmp_path, "one", 2, 0.9), make_record(tmp_path / "other.json", "other", images=30)
    assert "cannot be compared image by image" in read_refusal("recipes", *one, "--with", other)
    assert "after --with" in read_refusal("recipes", *one)
    assert "give a larger number" in read_refusal("recipes", one[0], "--with", one[1], "--among=0")
    assert "above 0" in read_refusal("recipes", one[0], "--with", one[1], "--margin=-1")


def test_equivalence_is_that_of_two_one_sided_tests(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    one, other = (make_trainings(tmp_path, name, 4, 0.7, first) for name, first in (("one", 0), ("two", 50)))
    a, b = ([read_record(path).summary.mean_corrupted_miou or 0 for path in side] for side in (one, other))
    options = ("--format=json", "--margin=4", "--among=6")
    (found,) = json.loads(read_printed(capsys, one, other, options=options))
    sides = [
        stats.ttest_ind(np.add(b, 0.04), a, equal_var=False, alternative="greater").pvalue,
        stats.ttest_ind(np.subtract(b, 0.04), a, equal_var=False, alternative="less").pvalue,
    ]
    assert found["equivalence"]["p"] >= max(sides) - 1e-12  # over images as well
    assert found["equivalence"]["margin"] == 0.04
    p = next(change["p"] for change in found["overall"] if change["name"] == "mean corrupted")
    assert found["p_holm"] == pytest.approx(min(1, 6 * p))


def test_trainings_from_one_checkpoint_are_no_independent_trainings(
    tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    one = make_trainings(tmp_path, "one", 3, 0.9)
    start = {"model": {"init_args": {"start": "runs/a/best.ckpt"}}}
    tuned = [
        make_record(
            tmp_path / f"tuned_{k}.json", f"tuned_{k}", 20 + k, 40, noise=0.5, recipe={"seed_everything": k, **start}
        )
        for k in range(3)
    ]
    (found,) = json.loads(read_printed(capsys, one, tuned, options=("--format=json",)))
    assert "no independent trainings" in found["verdict"]
    assert {change["p"] for change in found["overall"]} == {None}


def test_a_gain_on_what_training_had_seen_is_told_apart(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    noisy = {"data": {"init_args": {"augmentation": {"further": [{"GaussNoise": {}}]}}}}
    cells = [("clean", 0), ("gaussian_noise", 1), ("fog", 1)]
    sides = [
        [
            make_record(
                tmp_path / f"{name}_{k}.json", f"{name}_{k}", k + 9 * at, 30, cells, noise=0.9 - 0.3 * at,
                recipe={"seed_everything": k, **recipe},
            )
            for k in range(3)
        ]
        for at, (name, recipe) in enumerate((("plain", {}), ("noisy", noisy)))
    ]  # fmt: skip
    (found,) = json.loads(read_printed(capsys, *sides, options=("--format=json",)))
    assert "the training of noisy alone has met 1 of the 2 corruptions" in found["verdict"]
    means = {change["name"]: change["difference"] for change in found["overall"]}
    lines = {change["name"]: change["difference"] for change in found["conditions"]}
    assert means["mean met by one training alone"] == pytest.approx(lines["gaussian noise 1"])
    assert means["mean of the others"] == pytest.approx(lines["fog 1"])
