"""What sources state, recomputed from the cells that they publish."""

from pathlib import Path

import numpy as np
import pytest

from experiments.evaluation.published import Table
from experiments.evaluation.published_checks import (
    compute_number,
    find_broken,
    find_copies,
    find_misstated,
    find_reference,
    find_repeated,
    find_stuck,
)
from experiments.evaluation.ranking import make_published_rows
from experiments.record_files.published_tables import read_table

ALEXNET = {
    **{"gaussian_noise": 0.886428, "shot_noise": 0.894468, "impulse_noise": 0.922640, "defocus_blur": 0.819880},
    **{"glass_blur": 0.826268, "motion_blur": 0.785948, "zoom_blur": 0.798360, "snow": 0.866816, "frost": 0.826572},
    **{"fog": 0.819324, "brightness": 0.564592, "contrast": 0.853204, "elastic_transform": 0.646056},
    **{"pixelate": 0.717840, "jpeg_compression": 0.606500},
}
"""Mean errors over severities (Hendrycks & Dietterich 2019; as the code of AugMix, Hendrycks et al. 2020, has them)."""

PRINTED = {
    "SqueezeNet": (41.8, 104.4, [107, 106, 105, 100, 103, 101, 100, 101, 103, 97, 97, 98, 106, 109, 134]),
    "VGG-11": (31.0, 93.5, [97, 97, 100, 92, 99, 93, 91, 92, 91, 84, 75, 86, 97, 107, 100]),
    "VGG-19": (27.6, 88.9, [89, 91, 95, 89, 98, 90, 90, 89, 86, 75, 68, 80, 97, 102, 94]),
    "VGG-19+BN": (25.8, 81.6, [82, 83, 88, 82, 94, 84, 86, 80, 78, 69, 61, 74, 94, 85, 83]),
    "ResNet-18": (30.2, 84.7, [87, 88, 91, 84, 91, 87, 89, 86, 84, 78, 69, 78, 90, 80, 85]),
    "ResNet-50": (23.9, 76.7, [80, 82, 83, 75, 89, 78, 80, 78, 75, 66, 57, 71, 85, 77, 77]),
}
"""Clean error, mCE, and CE of each corruption, in percent: Table 1 of Hendrycks & Dietterich (ICLR 2019)."""


def write_table(folder: Path, text: str, settings: str = "") -> str:
    (folder / "table.csv").write_text(text)
    described = "title: t\nsource: s\nmetric: accuracy\nscale: 100\nseverities: some\n"
    (folder / "table.yaml").write_text(described + settings)
    return str(folder / "table.csv")


def make_imagenet_c(folder: Path) -> Table:
    lines = ["model,corruption,severity,error", "AlexNet,clean,0,43.5"]
    lines += [f"AlexNet,{name},,{100 * error:.4f}" for name, error in ALEXNET.items()]
    for model, (clean, mce, printed) in PRINTED.items():
        lines += [f"{model},clean,0,{clean}", f"{model},,mce,{mce}"]
        for (name, error), ratio in zip(ALEXNET.items(), printed, strict=True):
            lines.append(f"{model},{name},,{ratio * error:.4f}")
    return read_table(write_table(folder, "\n".join(lines), "reference: AlexNet\nstated: {mce: mce}\n"))


def test_imagenet_c_as_printed(tmp_path: Path) -> None:
    """CE is printed in whole percent, so that mCE follows to a quarter of one."""
    rows = {row["name"]: row for row in make_published_rows(make_imagenet_c(tmp_path))}
    for name, (clean, mce, _) in PRINTED.items():
        assert 100 * rows[name]["mcd"] == pytest.approx(mce, abs=0.25), name
        assert rows[name]["clean_accuracy"] == pytest.approx(1 - clean / 100)
    assert 100 * rows["ResNet-50"]["mrcd"] == pytest.approx(105.0, abs=0.5), "relative mCE, as the paper has it"
    assert rows["AlexNet"]["mcd"] == rows["AlexNet"]["mrcd"] == 1
    assert rows["ResNet-50"]["rank"] == 1


def test_mce_of_a_grid_by_hand(tmp_path: Path) -> None:
    errors = {
        "r": {"clean": 40, "fog": [50, 70], "snow": [60, 80]},
        "m": {"clean": 20, "fog": [30, 50], "snow": [40, 44]},
    }
    lines = ["model,corruption,severity,error"]
    for model, cells in errors.items():
        lines.append(f"{model},clean,0,{cells['clean']}")
        lines += [f"{model},{name},{at},{cells[name][at - 1]}" for name in ("fog", "snow") for at in (1, 2)]
    table = read_table(write_table(tmp_path, "\n".join(lines), "reference: r\n"))
    row = next(row for row in make_published_rows(table) if row["name"] == "m")
    assert row["mcd"] == pytest.approx((80 / 120 + 84 / 140) / 2)
    assert row["mrcd"] == pytest.approx(((80 - 40) / (120 - 80) + (84 - 40) / (140 - 80)) / 2)
    assert row["retention"] == pytest.approx(((70 + 50) / 2 + (60 + 56) / 2) / 2 / 80)


def test_robo3d_as_printed() -> None:
    """Mean, CE and RR of each corruption, mCE and mRR: all of them follow from the cells, to the last digit."""
    table = read_table("semantickitti_c_robo3d")
    assert find_misstated(table) == []
    assert sum(len(model.stated) for model in table.models) == 19 * (8 * 3 + 2)
    reference = find_reference(table.models, "MinkUNet-18")
    assert reference is not None
    for model in table.models:
        for name, statement in model.stated.items():
            value = compute_number(statement, model, reference)
            assert value == pytest.approx(statement.value, abs=3.1e-4), (model.name, name)
    rows = {row["name"]: row for row in make_published_rows(table)}
    assert rows["SPVCNN-34"]["mcd"] == pytest.approx(0.9916, abs=5e-5)
    assert rows["SPVCNN-34"]["retention"] == pytest.approx(0.8201, abs=5e-5)


def test_robo3d_by_its_formulas() -> None:
    """CE and RR of Kong et al. (ICCV 2023), of cells that are read here by numpy alone."""
    path = Path(__file__).parents[3] / "experiments/published/semantickitti_c_robo3d.csv"
    lines = [line.split(",") for line in path.read_text().splitlines()[1:]]
    cells = {(model, name, severity): float(cell) / 100 for model, name, severity, cell in lines}
    names = dict.fromkeys(name for _, name, severity, _ in lines if severity == "1")
    accuracy = {
        model: np.array([[cells[model, name, level] for level in "123"] for name in names])
        for model in ("MinkUNet-18", "GFNet")
    }
    errors = (1 - accuracy["GFNet"]).sum(1) / (1 - accuracy["MinkUNet-18"]).sum(1)
    rates = accuracy["GFNet"].sum(1) / (3 * cells["GFNet", "clean", "0"])
    row = next(row for row in make_published_rows(read_table("semantickitti_c_robo3d")) if row["name"] == "GFNet")
    assert row["mcd"] == pytest.approx(errors.mean())
    assert row["retention"] == pytest.approx(rates.mean())
    assert (round(100 * errors.mean(), 2), round(100 * rates.mean(), 2)) == (108.68, 77.92)


def test_five_rows_of_semsegbench_do_not_agree() -> None:
    table = read_table("semsegbench_2025")
    assert len(table.models) == 76
    assert [len(group) for group in table.list_groups()] == [32, 26, 18]
    misstated = {(one.model.name, one.name): (one.stated, one.recomputed) for one in find_misstated(table)}
    assert misstated == {
        ("segformer mit-b0 512x1024", "gam"): (0.3124, 0.2502),
        ("segformer mit-b1 512x1024", "gam"): (0.3278, 0.2225),
        ("segformer mit-b2 512x1024", "gam"): (0.3749, 0.1746),
        ("segformer mit-b3 512x1024", "gam"): (0.3611, 0.2386),
    }
    (stuck,) = find_stuck(table.models)
    assert (stuck.model.name, stuck.score, stuck.times) == ("deeplabv3plus resnet18 512x1024", 0.0198, 11)


def test_what_is_stated_wrongly_is_that_of_the_larger_crop() -> None:
    (cityscapes, *_) = read_table("semsegbench_2025").list_groups()
    models = {model.name: model for model in cityscapes}
    for size in range(4):
        small, large = (models[f"segformer mit-b{size} {crop}"] for crop in ("512x1024", "1024x1024"))
        assert (
            small.stated["gam"].value
            == large.stated["gam"].value
            == large.scores[large.conditions.index(("zoom_blur", 3))]
        )


def test_two_networks_of_semsegbench_share_their_cells() -> None:
    models = read_table("semsegbench_2025").models
    names = [(one.name, other.name) for one, other in find_copies(models)]
    assert names == [("deeplabv3 resnet50 512x512", "deeplabv3 resnet101 512x512")]
    assert [(model.data, model.name) for model in find_broken(models)] == [
        ("cityscapes", "deeplabv3plus resnet18 512x1024"),
        ("ade20k", "deeplabv3 resnet50 512x512"),
        ("ade20k", "deeplabv3 resnet101 512x512"),
    ]


def test_a_copied_corruption_is_found() -> None:
    models = read_table("semantickitti_c_robo3d").models
    found = {model.name: pairs for model in models if (pairs := find_repeated(model))}
    assert found == {"WaffleIron": [("wet_ground", "incomplete_echo")]}


@pytest.mark.parametrize(("stated", "agrees"), [("62.5", True), ("62.6", True), ("62.4", True), ("62.7", False)])
def test_rounding_is_no_disagreement(tmp_path: Path, stated: str, agrees: bool) -> None:
    """Cells of one digit may be 0.05 off, and so may their printed mean."""
    text = f"model,clean,fog,snow,average\none,80.0,60.0,65.0,{stated}\n"
    table = read_table(write_table(tmp_path, text, "layout: models\nstated: {average: mean}\n"))
    assert (find_misstated(table) == []) == agrees


def test_a_mean_of_errors_is_one_of_errors(tmp_path: Path) -> None:
    text = "model,clean,fog,snow,average\none,20.0,40.0,30.0,{}\n"
    settings = "layout: models\ncells: error\nstated: {average: mean}\n"
    assert find_misstated(read_table(write_table(tmp_path, text.format("35.0"), settings))) == []
    (tmp_path / "b").mkdir()
    (found,) = find_misstated(read_table(write_table(tmp_path / "b", text.format("65.0"), settings)))
    assert found.recomputed == pytest.approx(0.65)


@pytest.mark.parametrize(("stated", "agrees"), [("45.0", True), ("55.0", False)])
def test_a_mean_of_real_conditions(tmp_path: Path, stated: str, agrees: bool) -> None:
    text = f"model,clean,fog,night,rain,real\none,80.0,60.0,30.0,60.0,{stated}\n"
    settings = "layout: models\nkinds: {shift: [night, rain]}\nstated: {real: {number: mean, of: [night, rain]}}\n"
    assert (find_misstated(read_table(write_table(tmp_path, text, settings))) == []) == agrees


def test_a_relative_mce_is_checked(tmp_path: Path) -> None:
    """(0.40 - 0.20) / (0.60 - 0.40) is 1; each of the four cells may be half a point off, so that 1.1 may be meant."""
    text = "model,clean,fog,relative\nr,60,40,\nm,80,60,{}\n"
    settings = "layout: models\nreference: r\nstated: {relative: relative_mce}\n"
    for folder, stated, number in (("a", "110", 0), ("b", "113", 1)):
        (tmp_path / folder).mkdir()
        table = read_table(write_table(tmp_path / folder, text.format(stated), settings))
        assert len(find_misstated(table)) == number
