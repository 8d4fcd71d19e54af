import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from experiments.sweeping.journal import Journal
from experiments.sweeping.swept import Swept
from user_error import UserError

SECRET = b"s" * 32
IDENTITY = {"suite": "one", "batch_size": 2}
IMAGES, CONDITIONS, CLASSES = 7, 3, 2


def batch(number: int, loss: int = 5) -> Swept:
    """Counts of two images, or of the last one."""
    index = np.arange(2 * number, min(2 * number + 2, IMAGES))
    random = np.random.default_rng(number)
    classes, boundary = random.integers(0, 100, (2, len(index), CONDITIONS, CLASSES, 3))
    losses = np.full((len(index), CONDITIONS, 2), loss)
    counts = {"classes": classes, "boundary": boundary, "losses": losses}
    counts["gaps"] = random.integers(-9, 9, (len(index), CONDITIONS, 15))
    counts["task_boundary"] = random.integers(0, 9, (len(index), CONDITIONS, 3))
    sums = {"confusion": random.integers(0, 9, (CONDITIONS, CLASSES, CLASSES))}
    return Swept(index, [f"pixels of {at}" for at in index], sums, counts, np.array([0, len(index)]))


def begun(folder: Path, *numbers: int, identity: dict = IDENTITY, secret: bytes = SECRET) -> Journal:
    journal = Journal(folder, identity)
    journal.open(secret)
    for number in numbers:
        journal.write(number, batch(number))
    return journal


def again(folder: Path, identity: dict = IDENTITY, secret: bytes = SECRET, restart: bool = False) -> Journal:
    journal = Journal(folder, identity)
    journal.open(secret, restart)
    return journal


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "record.unfinished"


@pytest.mark.parametrize("loss", [5, -(2**40)])
def test_batches_add_up_in_the_order_of_the_data(folder: Path, loss: int) -> None:
    """Whatever the order in which they came, and as wide as they need."""
    journal = begun(folder)
    batches = {number: batch(number, loss if number == 2 else 5) for number in range(4)}
    for number in (2, 0, 3, 1):
        journal.write(number, batches[number])
    found, parts = journal.sum_up(), list(batches.values())
    assert found.index.tolist() == list(range(IMAGES))
    assert found.digests == [f"pixels of {at}" for at in range(IMAGES)]
    np.testing.assert_array_equal(found.sums["confusion"], sum(part.sums["confusion"] for part in parts))
    for name in parts[0].counts:
        np.testing.assert_array_equal(found.counts[name], np.concatenate([part.counts[name] for part in parts]))
    assert found.counts["losses"].dtype == (np.int32 if loss == 5 else np.int64)
    journal.remove()
    assert list(folder.parent.iterdir()) == []
    assert found.counts["classes"].sum() == sum(
        part.counts["classes"].sum() for part in parts
    )  # it outlives its journal


def test_counts_stay_after_pieces_are_put_in_place(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    journal = begun(folder, 0, 1, 2, 3)
    whole = journal.sum_up()
    monkeypatch.setattr("experiments.sweeping.swept.BLOCK", 1)
    for name, part in journal.sum_up().counts.items():
        np.testing.assert_array_equal(part, whole.counts[name])


def test_who_does_not_know_the_secret_cannot_hand_in_counts(folder: Path, tmp_path: Path) -> None:
    begun(folder, 0, 1, secret=b"x" * 32)
    with pytest.raises(UserError, match=r"not begun by this user.*--restart"):
        again(folder)
    begun(tmp_path / "own", 0)
    shutil.copy(folder / "batch-000001.npz", tmp_path / "own")
    assert again(tmp_path / "own").done == {0}


def test_batches_are_not_exchanged(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    """Not between places, and not between sweeps of one user."""
    begun(folder, 0, 1, 2)
    other = tmp_path / "other.unfinished"
    begun(other, 3, identity=IDENTITY | {"suite": "two"})
    shutil.copy(other / "batch-000003.npz", folder)
    shutil.copy(folder / "batch-000000.npz", folder / "batch-000001.npz")
    assert again(folder).done == {0, 2}
    assert "2 damaged batches are swept again" in capsys.readouterr().out


def test_a_journal_of_an_earlier_version_is_refused(folder: Path) -> None:
    folder.mkdir()
    (folder / "identity.json").write_text(json.dumps(IDENTITY))
    with pytest.raises(UserError, match=r"in this version.*--restart"):
        again(folder)
    assert again(folder, restart=True).done == frozenset()


def test_another_sweep_is_kept(folder: Path) -> None:
    begun(folder, 0)
    for identity, named in ((IDENTITY | {"batch_size": 3}, "another batch size"), ({"suite": "one"}, "batch size")):
        with pytest.raises(UserError, match=named):
            again(folder, identity)
    assert again(folder).done == {0}


def half(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def unsealed(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-32])


def altered(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[100] ^= 1
    path.write_bytes(content)


def empty(path: Path) -> None:
    path.write_bytes(b"")


def a_folder(path: Path) -> None:
    path.unlink()
    (path / "inside").mkdir(parents=True)


def a_link(path: Path) -> None:
    path.rename(path.parent.parent / "target.npz")
    path.symlink_to(path.parent.parent / "target.npz")


@pytest.mark.parametrize("damage", [half, unsealed, altered, empty, a_folder, a_link])
def test_a_damaged_batch_is_swept_again(folder: Path, damage, capsys: pytest.CaptureFixture) -> None:
    begun(folder, 0, 1, 2, 3)
    whole = again(folder).sum_up()
    damage(folder / "batch-000002.npz")
    journal = again(folder)
    assert journal.done == {0, 1, 3}
    assert capsys.readouterr().out == f"{folder}: 1 damaged batch is swept again\n"
    assert not (folder / "batch-000002.npz").exists()
    journal.write(2, batch(2))
    for name, part in journal.sum_up().counts.items():
        np.testing.assert_array_equal(part, whole.counts[name])


def test_names_that_are_none(folder: Path, capsys: pytest.CaptureFixture) -> None:
    begun(folder, 1)
    for name in ("batch-abc.npz", "batch-.npz", "batch-1.npz", "batch-0000001.npz", "batch-000002", "batch--00001.npz"):
        shutil.copy(folder / "batch-000001.npz", folder / name)
    assert again(folder).done == {1}
    assert "6 damaged batches" in capsys.readouterr().out
    assert {path.name for path in folder.iterdir()} == {"identity.json", "batch-000001.npz"}


@pytest.mark.parametrize("damage", [half, unsealed, altered, empty, a_folder, a_link])
def test_a_damaged_identity_is_no_dead_end(folder: Path, damage) -> None:
    begun(folder, 0, identity=IDENTITY | {"long": "x" * 200})
    damage(folder / "identity.json")
    with pytest.raises(UserError, match=r"damaged.*--restart"):
        again(folder)
    assert again(folder, restart=True).done == frozenset()
    assert again(folder).done == frozenset()


def test_batches_without_an_identity_say_themselves_what_they_are_of(folder: Path) -> None:
    begun(folder, 0, 1)
    (folder / "identity.json").unlink()
    assert again(folder).done == {0, 1}
    (folder / "identity.json").unlink()
    assert again(folder, IDENTITY | {"suite": "two"}).done == frozenset()


def test_a_batch_that_is_damaged_while_the_sweep_runs(folder: Path) -> None:
    journal = begun(folder, 0, 1)
    altered(folder / "batch-000001.npz")
    with pytest.raises(UserError, match=r"batch-000001.npz was damaged: call again"):
        journal.sum_up()


@pytest.mark.parametrize("kind", ["file", "link", "broken link", "link to a file"])
def test_restart_removes_whatever_lies_there(folder: Path, tmp_path: Path, kind: str) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "kept.txt").write_text("kept")
    if kind == "file":
        folder.write_text("no folder")
    else:
        folder.symlink_to(
            {"link": outside, "broken link": outside / "nothing"}.get(kind, outside / "kept.txt"), kind == "link"
        )
    with pytest.raises(UserError, match="--restart"):
        again(folder)
    assert again(folder, restart=True).done == frozenset()
    assert not folder.is_symlink()
    assert [path.name for path in outside.iterdir()] == ["kept.txt"]


def test_what_kills_leave_goes(folder: Path, tmp_path: Path) -> None:
    begun(folder, 0)
    (folder / ".batch-000001.npz.x1y2").write_bytes(b"half")
    (folder / ".identity.json.x1y2").write_bytes(b"half")
    (folder / "batch-link.npz").symlink_to(tmp_path)
    (tmp_path / ".record.unfinished.4711" / "deep").mkdir(parents=True)
    (tmp_path / ".record.unfinished.lock").write_text("another's")
    (tmp_path / ".record-core.unfinished.4711").mkdir()
    assert again(folder).done == {0}
    assert {path.name for path in folder.iterdir()} == {"identity.json", "batch-000000.npz"}
    left = {".record.unfinished.lock", ".record-core.unfinished.4711", "record.unfinished"}
    assert {path.name for path in tmp_path.iterdir()} == left
