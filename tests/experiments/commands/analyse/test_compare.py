import json
from pathlib import Path

import numpy as np
import pytest
from command_line import read_refusal, run_command
from records import make_record

from experiments.commands.analyse import compare
from experiments.evaluation.compared_metrics import COMPARED
from experiments.evaluation.comparison import compare as compare_records
from experiments.evaluation.comparison import find_better
from experiments.evaluation.images import Images
from experiments.evaluation.scores.known import find_mean_scores
from experiments.evaluation.scores.overlap import mean_iou
from experiments.evaluation.scores.ratios import compute_score
from experiments.files.digest import compute_sha256
from experiments.record_files.record_file import open_record
from lightning_modules.metrics.fixed_point import UNIT
from user_error import UserError

SEED = {"seed_everything": 0, "model": {"network": "one"}}


@pytest.fixture
def twins(tmp_path: Path) -> list[Path]:
    """The same recipe with two seeds."""
    recipes = (SEED, {**SEED, "seed_everything": 1})
    return [make_record(tmp_path / f"{k}.json", f"net {k}", k, 40, recipe=recipe) for k, recipe in enumerate(recipes)]


@pytest.fixture
def unequal(tmp_path: Path) -> list[Path]:
    """The second is far better."""
    return [make_record(tmp_path / f"{k}.json", f"net {k}", k, 40, noise=noise) for k, noise in enumerate((0.9, 0.4))]


def read_printed(capsys: pytest.CaptureFixture, *words: str | Path) -> str:
    compare.main([str(word) for word in words])
    return capsys.readouterr().out


def test_a_difference_that_holds(unequal: list[Path], capsys: pytest.CaptureFixture) -> None:
    text = read_printed(capsys, *unequal)
    assert "The difference holds: B is better by" in text
    assert "A is better in 0 and B in 3" in text
    assert "A is better by" in read_printed(capsys, *reversed(unequal))


def test_a_difference_that_does_not(twins: list[Path], capsys: pytest.CaptureFixture) -> None:
    text = read_printed(capsys, *twins)
    assert "The difference does not hold" in text
    assert "in the other 3 no difference holds" in text
    assert "one recipe with the seeds 0 and 1" in text


def test_a_record_does_not_differ_from_itself(twins: list[Path], capsys: pytest.CaptureFixture) -> None:
    found = json.loads(read_printed(capsys, twins[0], twins[0], "--format=json"))
    assert not found["holds"]
    assert {line["p"] for line in found["overall"] + found["conditions"]} == {1.0}


def test_numbers_are_those_of_the_records(unequal: list[Path], capsys: pytest.CaptureFixture, tmp_path: Path) -> None:
    found = json.loads(read_printed(capsys, *unequal, "--format=json", f"--output={tmp_path / 'out.json'}"))
    assert found == json.loads((tmp_path / "out.json").read_text())
    records = [open_record(path)[0] for path in unequal]
    for side, record in zip("ab", records, strict=True):
        assert [line[side] for line in found["overall"]] == pytest.approx(
            [record.summary.clean_miou, record.summary.mean_corrupted_miou, record.summary.retention]
        )
        assert [line[side] for line in found["conditions"]] == pytest.approx([cell.miou for cell in record.cells])
    for line in found["overall"] + found["conditions"]:
        assert line["difference"] == pytest.approx(line["b"] - line["a"])
        assert line["low"] <= line["difference"] <= line["high"]


def test_pairs_make_the_interval_narrow(tmp_path: Path) -> None:
    """B is A with one class's hits a little fewer in every image: unpaired intervals would overlap widely."""
    a = open_record(make_record(tmp_path / "a.json", images=40))
    assert a[1] is not None
    classes = a[1].counts["classes"].copy()
    classes[:, :, 1, 0] = np.maximum(0, classes[:, :, 1, 0] - 1)
    worse = a[1]._replace(counts={**a[1].counts, "classes": classes})
    line = compare_records((a[0], a[1]), (a[0], worse), permutations=1000).overall[0]
    low, high = a[0].summary.intervals["clean_miou"].edges
    assert line.difference == pytest.approx(mean_iou(classes[:, 0].sum(0)) - a[0].summary.clean_miou)
    assert line.high < 0
    assert line.high - line.low < (high - low) / 2


FURTHER = {"miou_inside": "inside", "miou_outside": "outside", "file_miou": "file_classes"}
"""Scores that are there only where a sweep counts what they are made of, by the name of that."""


@pytest.mark.parametrize("metric", [name for name in find_mean_scores() if "." not in name and name not in FURTHER])
def test_every_metric(unequal: list[Path], metric: str) -> None:
    a, b = (open_record(path) for path in unequal)
    found = compare_records(a, b, COMPARED[metric], permutations=500)
    assert find_better(found.headline, found.metric) == "B"
    assert found.headline.a == pytest.approx(np.mean([cell.scores[metric] for cell in a[0].cells[1:]]))
    assert ("retention" in [line.name for line in found.overall]) == (not find_mean_scores()[metric].lower_is_better)


@pytest.mark.parametrize("metric", FURTHER)
def test_further_scores_are_compared_where_they_are_counted(unequal: list[Path], metric: str) -> None:
    with pytest.raises(UserError, match=f"has no {metric} of its images.*or with a suite that has it"):
        compare.main([*map(str, unequal), f"--metric={metric}"])
    counts = np.random.default_rng(0).integers(1, 9, (4, 2, 3, 3)).cumsum(-1)[..., [0, 2, 1]]
    ratio = COMPARED[metric].ratio(Images(list("abcd"), {FURTHER[metric]: counts}))
    assert compute_score(ratio.apply(lambda part: part.sum(0))) == pytest.approx(mean_iou(counts.sum(0)))


def make_task_records(seed: int, worse: int) -> dict[str, np.ndarray]:
    """Counts of two further tasks on 40 images under clean, noise 1 and noise 5; the last moves the image."""
    random = np.random.default_rng(seed)
    pixels = np.full((40, 3), 100)
    distance = np.stack([pixels, UNIT * (random.integers(100, 200, (40, 3)) + worse)], -1)
    levels = np.stack([pixels, random.integers(10_000, 20_000, (40, 3)) + 1000 * worse], -1)
    levels[:, 2] = 0
    return {"distance": distance, "reconstruction": levels}


def test_further_tasks(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    pair = [make_record(tmp_path / f"{k}.json", str(k), 0, 40, tasks=make_task_records(k, 50 * k)) for k in range(2)]
    pixels, errors = make_task_records(1, 50)["distance"].astype(float).sum(0).T
    text = read_printed(capsys, *pair, "--metric=distance.error")
    assert f"{np.mean(errors[1:] / pixels[1:]) / UNIT:.4f}" in text
    assert "A is better by" in text
    assert "pixels of mean corrupted distance error (p = 0.0001)" in text
    found = json.loads(read_printed(capsys, *pair, "--metric=reconstruction.psnr", "--format=json"))
    assert found["unscored"] == ["noise 5"]
    clean, corrupted = found["overall"]
    values, squares = make_task_records(0, 0)["reconstruction"][:, :2].astype(float).sum(0).T
    assert [clean["a"], corrupted["a"]] == pytest.approx(10 * np.log10(255**2 * values / squares))
    assert corrupted["high"] < 0
    assert found["holds"]
    assert "in no mean: noise 5." in read_printed(capsys, *pair, "--metric=reconstruction.psnr")


def test_a_task_that_a_network_did_not_learn(tmp_path: Path) -> None:
    pair = [make_record(tmp_path / f"{k}.json", str(k), tasks=tasks) for k, tasks in enumerate(({}, None))]
    assert "no further task 'boundary' (it has none)" in read_refusal("compare", *pair, "--metric=boundary.f1")


def test_groups_are_resampled_whole(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    units = [str(k // 4) for k in range(40)]
    pair = [make_record(tmp_path / f"{k}.json", str(k), k, 40, units=units) for k in range(2)]
    assert "over groups of images by patient" in read_printed(capsys, *pair)


def test_clean_records_compare_by_clean(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    pair = [make_record(tmp_path / f"{k}.json", str(k), k, 30, [("clean", 0)]) for k in range(2)]
    found = json.loads(read_printed(capsys, *pair, "--format=json"))
    assert [line["name"] for line in found["overall"]] == ["clean"]


def test_names_do_not_break_the_table(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    pair = [make_record(tmp_path / f"{k}.json", "a|b", k, 10, [("clean", 0), ("f|g", 1)]) for k in range(2)]
    lines = [line.replace("\\|", "") for line in read_printed(capsys, *pair).splitlines() if line.startswith("|")]
    assert {line.count("|") for line in lines} == {6, 8}


def test_refusals(twins: list[Path], tmp_path: Path) -> None:
    other_suite = make_record(tmp_path / "suite.json", images=40, size=[1, 1])
    assert "different suite manifests" in read_refusal("compare", twins[0], other_suite)
    fewer = make_record(tmp_path / "fewer.json", images=39)
    assert "images of different names" in read_refusal("compare", twins[0], fewer)
    grouped = make_record(tmp_path / "grouped.json", images=40, units=["a", "b"] * 20)
    assert "groups of images by patient" in read_refusal("compare", twins[0], grouped)
    assert "100" in read_refusal("compare", *twins, "--permutations=5")
    assert "no record" in read_refusal("compare", twins[0], tmp_path / "none.json")
    twins[1].with_suffix(".npz").unlink()
    assert "beside it" in read_refusal("compare", *twins)


def test_as_a_user_runs_it(unequal: list[Path]) -> None:
    assert "The difference holds" in run_command("compare", *unequal).stdout


def test_ece_is_compared_image_by_image(unequal: list[Path], capsys: pytest.CaptureFixture) -> None:
    """Its resamples are those of all other scores; of all images it is the ECE of the cells."""
    found = json.loads(read_printed(capsys, *unequal, "--metric=ece", "--format=json"))
    records = [open_record(path)[0] for path in unequal]
    clean = found["overall"][0]
    assert (clean["a"], clean["b"]) == pytest.approx([record.cells[0].scores["ece"] for record in records])
    assert clean["low"] < clean["difference"] < clean["high"]
    assert [line["name"] for line in found["overall"]] == ["clean", "mean corrupted"]


def test_records_of_earlier_sweeps_say_that_they_lack_it(unequal: list[Path], capsys: pytest.CaptureFixture) -> None:
    """They read, rank and compare as before: only the ECE of their single images is unknown."""
    counts = unequal[0].with_suffix(".npz")
    with np.load(counts) as arrays:
        np.savez(counts, **{name: arrays[name] for name in arrays.files if name != "gaps"})
    content = json.loads(unequal[0].read_text())
    content["per_image"]["sha256"] = compute_sha256(counts)
    content["counts"]["gaps"]["per_image"] = False
    unequal[0].write_text(json.dumps(content))
    assert "B is better" in read_printed(capsys, *unequal)
    with pytest.raises(UserError, match="has no ece of its images: sweep it anew"):
        compare.main([*map(str, unequal), "--metric=ece"])


def test_several_against_one(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    """A row for each, from the best to the worst; differences are those of pairs, p values adjusted for their number."""
    noises = {"base": 0.7, "worse": 1.2, "better": 0.4, "alike": 0.7}
    paths = [
        make_record(tmp_path / f"{name}.json", name, place, 40, noise=noise)
        for place, (name, noise) in enumerate(noises.items())
    ]
    table = [line for line in read_printed(capsys, *paths).splitlines() if line.startswith("| ")][1:]
    assert [line.split(" | ")[0] for line in table] == ["| better", "| alike", "| worse"]
    assert [line.split(" | ")[5].removesuffix(" |") for line in table] == ["better", "", "worse"]
    found = json.loads(read_printed(capsys, paths[0], *paths, "--format=json"))
    alone = [json.loads(read_printed(capsys, paths[0], path, "--format=json")) for path in paths[1:]]
    joint = {"p_holm", "holds", "verdict"}  # what depends on how many there are
    assert [{k: v for k, v in one.items() if k not in joint} for one in found] == [
        {k: v for k, v in one.items() if k not in joint} for one in alone
    ]
    assert sorted(one["p_holm"] for one in found)[0] == pytest.approx(3 * min(one["p_holm"] for one in alone))
    p_values = [next(one["p"] for one in pair["overall"] if one["name"] == "mean corrupted") for pair in alone]
    assert f"| {3 * min(p_values):.4f} |" in table[0]
    lines = read_printed(capsys, *paths, "--format=sentences").splitlines()
    assert lines[0].startswith("worse: The difference holds: A is better")
    assert "nothing to compare" in read_refusal("compare", *[paths[0]] * 3)
    assert "two records are called 'worse'" in read_refusal("compare", *paths, paths[1])
