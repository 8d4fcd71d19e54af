"""Counts and scores are open families: what a reader does not know it passes over, what is missing it computes."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from records import make_record

from experiments.evaluation import known_counts
from experiments.evaluation.scores import base, known
from experiments.evaluation.scores.known import find_known_scores
from experiments.files.digest import compute_sha256
from experiments.record_files.record_file import open_record, read_record, write_record
from lightning_modules.metrics import fixed_point
from lightning_modules.metrics.counters.entropy import Entropy
from lightning_modules.metrics.counters.file_size import FileSize
from lightning_modules.metrics.counters.members import Members
from lightning_modules.metrics.counters.outliers import Outliers
from lightning_modules.metrics.counters.regions import Regions
from lightning_modules.metrics.sweep import SweepCounts, make_default_counters
from user_error import UserError

RESULTS = Path(__file__).parents[3] / "experiments" / "results"
EARLIER = [
    "kvasir_seg/imagenet_c_middle/unet.json",  # its single images have no gaps
    "kvasir_seg/imagenet_c_middle/unet_multi_task-gradnorm.json",
    "kvasir_seg/imagenet_c/ensemble_calibrated.json",
]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return make_record(tmp_path / "record.json")


def change(path: Path, edit: Callable[[dict[str, Any]], Any]) -> None:
    content = json.loads(path.read_text())
    edit(content)
    path.write_text(json.dumps(content))


@pytest.mark.parametrize("name", EARLIER)
def test_a_record_of_the_second_format_keeps_every_number(name: str, tmp_path: Path) -> None:
    """As it is read, and written anew in the format of today."""
    old = json.loads((RESULTS / name).read_text())
    assert old["format"].endswith("/2")
    record, images = open_record(RESULTS / name)
    assert images is not None
    for cell, found in zip(old["cells"], record.cells, strict=True):
        tasks = cell.pop("tasks", {})
        kept = {"corruption": found.corruption, "severity": found.severity}
        kept |= {"miou_interval": found.miou_interval.model_dump(mode="json", exclude={"jackknife"})}
        kept |= found.scores | found.counts
        assert {key: kept[key] for key in cell} == cell
        for task, stated in tasks.items():
            assert found.counts[f"task_{task}"] == stated["counts"]
            assert {key: found.scores[f"{task}.{key}"] for key in stated["scores"]} == stated["scores"]
        assert None not in found.miou_interval.edges
    summary = json.loads(record.summary.model_dump_json())
    assert summary["interval_method"].endswith(f"; {old['summary'].pop('interval_method')}")
    for bounds in summary["intervals"].values():
        assert len(bounds.pop("jackknife")) == 2
    assert {key: summary[key] for key in old["summary"]} == old["summary"]
    write_record(record, tmp_path / "new.json", images)
    again, images_again = open_record(tmp_path / "new.json")
    assert json.loads((tmp_path / "new.json").read_text())["format"].endswith("/3")
    assert (again.cells, again.summary, again.suite_hash) == (record.cells, record.summary, record.suite_hash)
    assert images_again is not None
    assert all(np.array_equal(part, images_again.counts[key]) for key, part in images.counts.items())


def test_a_score_that_is_missing_is_computed(path: Path) -> None:
    before = read_record(path)

    def take_out(content: dict[str, Any]) -> None:
        del content["cells"][1]["scores"]["nll"], content["summary"]["means"]
        content["summary"]["intervals"].pop("retention")

    change(path, take_out)
    after = read_record(path)
    assert after.cells == before.cells
    assert after.summary.means == before.summary.means
    assert after.summary.intervals == before.summary.intervals


def test_what_this_version_does_not_know_is_passed_over(path: Path) -> None:
    change(path, lambda content: [cell["scores"].update(sharpness=0.5) for cell in content["cells"]])
    change(path, lambda content: content["summary"].update(mean_sharpness=0.5))
    assert read_record(path).cells[1].scores["sharpness"] == 0.5


def add_counter(path: Path, per_image: Callable[[np.ndarray], np.ndarray] = lambda counts: counts) -> None:
    """Let the record hold a counter that this version does not know, which counts (7, -9) in each image."""
    counts = path.with_suffix(".npz")
    with np.load(counts) as arrays:
        kept = {name: arrays[name] for name in arrays.files}
    np.savez(counts, **kept, holes=per_image(np.tile(np.array([7, -9]), (6, 3, 1))))
    change(path, lambda content: content["counts"].update(holes={"shape": [2], "per_image": True}))
    change(path, lambda content: [cell["counts"].update(holes=[42, -54]) for cell in content["cells"]])
    change(path, lambda content: content["per_image"].update(sha256=compute_sha256(counts)))


def test_an_unknown_counter_is_kept_and_must_add_up(path: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy" / path.name
    shutil.copytree(path.parent, copy.parent, ignore=lambda *_: {"copy"})
    add_counter(path)
    record, images = open_record(path)
    assert record.cells[2].counts["holes"] == [42, -54]
    assert images is not None
    assert images.counts["holes"].shape == (6, 3, 2)
    add_counter(copy, lambda counts: counts + 1)
    with pytest.raises(UserError, match="its holes are not the sum of its images"):
        read_record(copy)


@pytest.mark.parametrize(
    ("edit", "said"),
    [
        (lambda c: c["counts"]["classes"].update(shape=[2, 4]), "no classes of 3 x 3 counts"),
        (lambda c: c["counts"]["classes"].update(per_image=False), "does not count 'classes' image by image"),
        (lambda c: c["counts"].pop("confusion"), "no counts of 'confusion'"),
        (lambda c: c["counts"].pop("log_odds"), "'log_odds' without their form"),
        (lambda c: c["counts"].update(holes={"shape": [2], "per_image": True}), "no holes of 2 counts"),
        (lambda c: c["counts"].update({"../holes": {"shape": [2], "per_image": True}}), "counts"),
        (lambda c: c["cells"][1]["counts"]["gaps"].__setitem__(3, 5), "gaps and its calibration"),
        (lambda c: c["cells"][1]["counts"]["classes"][0].__setitem__(1, 5), "classes and its confusion"),
        (lambda c: c["cells"][1]["scores"].update({"depth.delta1": 0.5}), "does not hold the counts"),
        (lambda c: c["cells"][1]["scores"].update(class_iou=0.5), "class_iou"),
        (lambda c: c["cells"][1]["scores"].update(sharpness="high"), "sharpness"),
    ],
)
def test_counts_and_scores_that_do_not_fit_are_refused(path: Path, edit: Callable[[dict], None], said: str) -> None:
    change(path, edit)
    with pytest.raises(UserError, match=said):
        read_record(path)


def test_a_new_score_is_one_file(path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of records that were written before it, it is computed; one that states another is refused."""
    family = tmp_path / "family"
    family.mkdir()
    (family / "hit_ratio.py").write_text(
        "from experiments.evaluation.scores.base import MeanScore\n"
        "from experiments.evaluation.scores.ratios import Ratio\n"
        "SCORES = {'hit_ratio': MeanScore(\n"
        "    ('classes',), lambda counts: Ratio(counts['classes'][..., 0], counts['classes'][..., 1]))}\n"
    )
    monkeypatch.setattr(known.importlib.import_module(known.__package__), "__path__", [*_path(), str(family)])
    find_known_scores.cache_clear()
    try:
        record = read_record(path)
        hit, predicted, _ = np.array(record.cells[1].counts["classes"]).T
        assert record.cells[1].scores["hit_ratio"] == pytest.approx((hit / predicted).mean())
        change(path, lambda content: content["cells"][1]["scores"].update(hit_ratio=0.1234))
        with pytest.raises(UserError, match="states hit_ratio"):
            read_record(path)
    finally:
        find_known_scores.cache_clear()


def _path() -> list[str]:
    return [*known.importlib.import_module(known.__package__).__path__]


def test_the_reader_knows_what_a_sweep_counts() -> None:
    """It restates the fixed point, since it imports nothing of what trains networks."""
    assert base.UNIT == fixed_point.UNIT
    for name in ("CALIBRATION_BINS", "IMAGE_LOG_ODDS_BINS", "LOG_ODDS_BINS"):
        assert getattr(known_counts, name) == getattr(fixed_point, name)
    known = known_counts.list_known_shapes(5)
    del known["odds"]  # of earlier records
    counters = [*make_default_counters(), Entropy(), Members(), Outliers(), FileSize(), Regions()]
    assert {name: form.shape for name, form in SweepCounts(5, counters=counters).forms.items()} == known
