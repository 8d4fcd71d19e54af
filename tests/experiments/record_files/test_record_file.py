import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from records import make_record

from experiments.evaluation.scoring import find_intervals, make_cells, make_summary
from experiments.files.digest import compute_sha256
from experiments.record_files.record_file import open_record, read_images, read_record, write_record
from user_error import UserError


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return make_record(tmp_path / "record.json")


@pytest.mark.parametrize(
    ("units", "places"), [(None, None), (list("abacbc"), None), (list("abacbc"), [3, 1, 2, 1, 2, 5])]
)
def test_round_trip(tmp_path: Path, units: list[str] | None, places: list[int] | None) -> None:
    record, images = open_record(make_record(tmp_path / "record.json", units=units, places=places))
    assert images is not None
    assert images.ids == list("012345")
    assert images.grouping == (units, places)
    for name, part in images.counts.items():
        np.testing.assert_array_equal(part.sum(0), record.totals[name])
    bounds, cells = find_intervals(record.conditions, images, record.suite)
    assert (
        make_summary(record.conditions, record.totals, record.suite, bounds, record.data.resampled_units)
        == record.summary
    )
    assert make_cells(record.conditions, record.totals, cells) == record.cells


def test_units_widen_the_interval_where_their_images_are_alike(tmp_path: Path) -> None:
    """Each image three times over: as single images they would pretend to be three times as many."""
    record, images = open_record(make_record(tmp_path / "a.json", images=8))
    assert images is not None
    copies = {name: np.repeat(part, 3, axis=0) for name, part in images.counts.items()}
    names = [str(k) for k in range(24)]

    def width(units: list[str] | None) -> float:
        found, _ = find_intervals(
            record.conditions, images._replace(ids=names, counts=copies, units=units), record.suite
        )
        low, high = found["clean_miou"].percentile
        return high - low

    assert width([str(k // 3) for k in range(24)]) > 1.4 * width(None)


def altered(path: Path, change: Callable[[dict], None]) -> Path:
    content = json.loads(path.read_text())
    change(content)
    path.write_text(json.dumps(content))
    return path


def shift(value: float | None) -> float:
    """Another score, by less than anyone would see in a table."""
    return 0.5 if value is None else value + 1e-6


SCORES = ["miou", "dice", "pixel_accuracy", "class_accuracy", "boundary_iou", "nll", "brier", "ece", "aurc"]
SCORES += ["auroc", "fpr95", "aupr_success", "aupr_error", "bravo_semantic"]


@pytest.mark.parametrize("name", SCORES)
def test_every_altered_score_of_a_cell_is_refused(path: Path, name: str) -> None:
    altered(
        path, lambda content: content["cells"][2]["scores"].update({name: shift(content["cells"][2]["scores"][name])})
    )
    with pytest.raises(UserError, match=rf"noise, severity 5, .* states {name} "):
        read_record(path)


@pytest.mark.parametrize("name", ["class_iou", "class_dice", "class_boundary_iou"])
def test_every_altered_score_of_a_class_is_refused(path: Path, name: str) -> None:
    altered(path, lambda content: content["cells"][1]["scores"][name].__setitem__(1, 0.123))
    with pytest.raises(UserError, match=rf"noise, severity 1, .* states {name} "):
        read_record(path)


@pytest.mark.parametrize(
    ("name", "named"),
    [
        ("confusion", "calibration and its confusion"),
        ("boundary", "states boundary_iou|boundary are not the sum"),
        ("calibration", "calibration and its confusion"),
        ("log_odds", "log_odds and its confusion"),
        ("image_log_odds", "image_log_odds and its log_odds"),
    ],
)
def test_an_altered_count_is_refused(path: Path, name: str, named: str) -> None:
    altered(path, lambda content: content["cells"][2]["counts"][name][0].__setitem__(0, 7777))
    with pytest.raises(UserError, match=named) as refused:
        read_record(path)
    assert "noise, severity 5" in str(refused.value)


def test_an_altered_loss_is_refused(path: Path) -> None:
    altered(path, lambda content: content["cells"][2]["counts"]["losses"].__setitem__(0, 7777))
    with pytest.raises(UserError, match=r"noise, severity 5, .* states nll"):
        read_record(path)


def test_a_cell_that_agrees_with_itself_is_held_against_its_images(path: Path) -> None:
    """Counts and scores taken from another record: only the images tell."""
    other = json.loads(make_record(path.parent / "other.json", seed=1).read_text())
    altered(path, lambda content: content["cells"].__setitem__(2, other["cells"][2]))
    altered(path, lambda content: content.update(summary=summary_of(content)))
    with pytest.raises(UserError, match=r"noise, severity 5, .* classes are not the sum of its images"):
        read_record(path)


def summary_of(content: dict) -> dict:
    """The summary that fits altered cells, with intervals as they were."""
    from experiments.evaluation.record import Manifest, Record
    from experiments.evaluation.scoring import compute_summary

    record = Record.model_validate(content)
    found = compute_summary(record.conditions, record.totals, Manifest(**content["suite"]))
    return content["summary"] | json.loads(json.dumps(found))


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (
            lambda c: c["cells"][1]["counts"]["confusion"][0].__setitem__(0, -1),
            "noise, severity 1.*confusion below zero",
        ),
        (lambda c: c["cells"][1]["counts"]["confusion"].pop(), "noise, severity 1"),
        (lambda c: c["cells"][1]["counts"]["log_odds"].pop(), "noise, severity 1.*no log_odds of 448 x 2"),
        (lambda c: c["cells"][1]["counts"]["boundary"][0].append(1), r"cells\.1\.counts\.boundary"),
        (lambda c: c["cells"][1]["miou_interval"].update(bca=[0.1, 0.2]), "noise, severity 1.*interval bca"),
        (lambda c: c["summary"].update(retention=0.99), "retention"),
        (lambda c: c["summary"].update(clean_miou=None), "clean_miou"),
        (lambda c: c["summary"].update(severity_area=0.9), "severity_area"),
        (lambda c: c["summary"].update(rem=0.9), "rem"),
        (lambda c: c["summary"]["worst"].update(severity=1), "worst.severity"),
        (lambda c: c["summary"]["gam"].update({"5": 0.9}), "gam.5"),
        (lambda c: c["summary"]["families"].update(noise=0.9), "families.noise"),
        (lambda c: c["summary"]["corruptions"].update(noise=0.99), "corruptions.noise"),
        (lambda c: c["summary"]["corruptions"].clear(), "corruptions.noise"),
        (lambda c: c["summary"]["corruptions"].update(fog=0.9), "corruptions.fog"),
        (lambda c: c["summary"]["intervals"]["retention"].update(percentile=[0.1, 0.2]), "retention.*percentile"),
        (lambda c: c["summary"].update(interval_method="guessed"), "intervals"),
        (lambda c: c["cells"][1]["counts"]["confusion"][0].__setitem__(0, 2**70), r"cells\.1\.counts\.confusion"),
        (lambda c: c.update(classes=[]), "classes"),
        (lambda c: c["cells"].pop(0), "clean"),
        (lambda c: c["cells"].append(c["cells"][1]), "once"),
        (lambda c: c.pop("suite_hash"), "suite_hash"),
        (lambda c: c["suite"].update(version=2), "suite_hash"),
        (lambda c: c.update(suite_hash="0"), "suite_hash"),
        (lambda c: c["data"].pop("hash"), "data.hash"),
        (lambda c: c["data"].update(images=7), "another shape"),
        (lambda c: c["data"].update(unit="patient"), "intervals"),
        (lambda c: c.update(format="other/2"), "other/2"),
        (lambda c: c.update(surprise=1), "surprise"),
    ],
)
def test_an_altered_record_is_refused(path: Path, change: Callable[[dict], None], named: str) -> None:
    with pytest.raises(UserError, match=named):
        read_record(altered(path, change))


def test_without_the_counts_of_its_images_a_record_still_recomputes_its_cells(path: Path) -> None:
    path.with_suffix(".npz").unlink()
    assert open_record(path)[1] is None
    altered(path, lambda content: content["cells"][2]["scores"].update(miou=0.9))
    with pytest.raises(UserError, match="noise, severity 5"):
        read_record(path)


@pytest.mark.parametrize("content", ["", "{", "[]", "null", '{"format": 1}', "\x00"])
def test_what_is_no_record_is_refused(tmp_path: Path, content: str) -> None:
    (tmp_path / "x.json").write_text(content)
    with pytest.raises(UserError, match="is not a record"):
        read_record(tmp_path / "x.json")


def test_missing_files(path: Path) -> None:
    record = read_record(path)
    path.with_suffix(".npz").unlink()
    with pytest.raises(UserError, match="beside it"):
        read_images(record, path)
    with pytest.raises(UserError, match="no record"):
        read_record(path.parent / "other.json")


def test_counts_of_another_sweep_are_refused(path: Path) -> None:
    make_record(path.parent / "other.json", seed=1)
    (path.parent / "other.npz").rename(path.with_suffix(".npz"))
    with pytest.raises(UserError, match="not the file"):
        read_record(path)


@pytest.mark.parametrize(
    ("part", "place"), [("classes", (2, 1, 0, 0)), ("boundary", (2, 1, 1, 2)), ("losses", (0, 1, 1))]
)
def test_counts_that_do_not_add_up_name_the_cell(path: Path, part: str, place: tuple[int, ...]) -> None:
    record, images = open_record(path)
    assert images is not None
    images.counts[part][place] += 1
    write_record(record, path, images)
    with pytest.raises(UserError, match=f"noise, severity 1, .* its {part} are not the sum"):
        read_record(path)


def test_negative_counts_that_add_up_are_refused(path: Path) -> None:
    record, images = open_record(path)
    assert images is not None
    pixels = images.counts["classes"]
    taken = int(pixels[0, 1, 0, 0]) + 1
    pixels[0, 1, 0, 0] -= taken
    pixels[1, 1, 0, 0] += taken
    write_record(record, path, images)
    with pytest.raises(UserError, match="its classes are not the sum"):
        read_record(path)


def test_an_image_that_counts_twice_is_refused(path: Path) -> None:
    record, images = open_record(path)
    assert images is not None
    write_record(record, path, images._replace(ids=["0", *images.ids[:-1]]))
    with pytest.raises(UserError, match="twice"):
        read_record(path)


@pytest.mark.parametrize("name", ["../record.npz", "/etc/passwd", "..", ""])
def test_no_path_leaves_the_folder(path: Path, name: str) -> None:
    altered(path, lambda content: content["per_image"].update(file=name))
    with pytest.raises(UserError, match="outside its folder"):
        read_record(path)


def test_a_pickled_array_does_not_run(path: Path, tmp_path: Path) -> None:
    class Payload:
        def __reduce__(self) -> tuple:
            return (Path(tmp_path / "ran").touch, ())

    with np.load(path.with_suffix(".npz")) as arrays:
        kept = {name: arrays[name] for name in arrays.files}
    np.savez(path.with_suffix(".npz"), **kept | {"classes": np.array([Payload()], dtype=object)})
    altered(path, lambda content: content["per_image"].update(sha256=compute_sha256(path.with_suffix(".npz"))))
    with pytest.raises(UserError, match="no per-image counts"):
        read_record(path)
    assert not (tmp_path / "ran").exists()
