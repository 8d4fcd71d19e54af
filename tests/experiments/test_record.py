import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from records import make_record

from experiments.record import make_summary, read_images, read_record, sha256, write_record
from experiments.robustness import class_counts
from user_error import UserError


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return make_record(tmp_path / "record.json")


def test_round_trip(path: Path) -> None:
    record = read_record(path)
    ids, images = read_images(record, path)
    assert ids == list("012345")
    np.testing.assert_array_equal(images.sum(0), class_counts(record.confusion))
    summary = make_summary(record.conditions, record.confusion, images)
    assert summary == record.summary


def altered(path: Path, change: Callable[[dict], None]) -> Path:
    content = json.loads(path.read_text())
    change(content)
    path.write_text(json.dumps(content))
    return path


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (lambda c: c["cells"][2].update(miou=0.9), "noise, severity 5"),
        (lambda c: c["cells"][1]["confusion"][0].__setitem__(0, 999), "noise, severity 1"),
        (lambda c: c["cells"][1]["confusion"][0].__setitem__(0, -1), r"cells\.1\.confusion"),
        (lambda c: c["cells"][1]["confusion"].pop(), "noise, severity 1"),
        (lambda c: c["summary"].update(retention=0.99), "retention"),
        (lambda c: c["summary"].update(clean_miou=None), "clean_miou"),
        (lambda c: c["summary"]["corruptions"].update(noise=0.99), "corruptions.noise"),
        (lambda c: c["summary"]["corruptions"].clear(), "conditions of its cells"),
        (lambda c: c["summary"]["corruptions"].update(fog=0.9), "conditions of its cells"),
        (lambda c: c["summary"]["intervals"].clear(), "three intervals"),
        (lambda c: c["summary"]["intervals"].update(fog=[0, 1]), "fog"),
        (lambda c: c["cells"][1]["confusion"][0].__setitem__(0, 2**70), r"cells\.1\.confusion"),
        (lambda c: c.update(classes=[]), "classes"),
        (lambda c: c["cells"].pop(0), "clean"),
        (lambda c: c["cells"].append(c["cells"][1]), "once"),
        (lambda c: c.pop("suite_hash"), "suite_hash"),
        (lambda c: c["suite"].update(version=2), "suite_hash"),
        (lambda c: c.update(suite_hash="0"), "suite_hash"),
        (lambda c: c["data"].pop("hash"), "data.hash"),
        (lambda c: c.update(format="other/2"), "other/2"),
        (lambda c: c.update(surprise=1), "surprise"),
    ],
)
def test_an_altered_record_is_refused(path: Path, change: Callable[[dict], None], named: str) -> None:
    with pytest.raises(UserError, match=named):
        read_record(altered(path, change))


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
        read_images(read_record(path), path)


def test_counts_that_do_not_add_up_name_the_cell(path: Path) -> None:
    record = read_record(path)
    ids, images = read_images(record, path)
    images[2, 1, 0, 0] += 1
    write_record(record, path, ids, images)
    with pytest.raises(UserError, match="noise, severity 1"):
        read_images(read_record(path), path)


@pytest.mark.parametrize("name", ["../record.npz", "/etc/passwd"])
def test_no_path_leaves_the_folder(path: Path, name: str) -> None:
    altered(path, lambda content: content["per_image"].update(file=name))
    with pytest.raises(UserError, match="outside its folder"):
        read_images(read_record(path), path)


def test_a_pickled_array_does_not_run(path: Path, tmp_path: Path) -> None:
    class Payload:
        def __reduce__(self) -> tuple:
            return (Path(tmp_path / "ran").touch, ())

    np.savez(path.with_suffix(".npz"), ids=np.array(["0"]), counts=np.array([Payload()], dtype=object))
    record = read_record(path)
    record.per_image.sha256 = sha256(path.with_suffix(".npz"))
    with pytest.raises(UserError, match="no per-image counts"):
        read_images(record, path)
    assert not (tmp_path / "ran").exists()
