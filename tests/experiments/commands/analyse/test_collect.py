from pathlib import Path

from command_line import read_refusal, run_command
from records import make_record

from experiments.record_files.record_file import open_record


def test_records_are_gathered_with_their_counts(tmp_path: Path) -> None:
    paths = [make_record(tmp_path / name / "record-test.json", name, seed) for seed, name in enumerate(("a net", "b"))]
    run_command("collect", *paths, f"--output={tmp_path / 'all'}")
    before, _ = open_record(paths[0])
    folder = tmp_path / "all" / before.data.name / before.suite.name
    assert sorted(path.name for path in folder.iterdir()) == ["a_net.json", "a_net.npz", "b.json", "b.npz"]
    after, images = open_record(folder / "a_net.json")
    assert images is not None
    assert after.cells == before.cells
    assert after.summary == before.summary
    assert (folder / "a_net.npz").read_bytes() == paths[0].with_suffix(".npz").read_bytes()


def test_refusals(tmp_path: Path) -> None:
    one, other = (make_record(tmp_path / name / "record.json", "same", seed) for seed, name in enumerate("ab"))
    assert "tell them apart" in read_refusal("collect", one, other, f"--output={tmp_path / 'all'}")
    one.with_suffix(".npz").unlink()
    assert "per-image counts" in read_refusal("collect", one, f"--output={tmp_path / 'all'}")
    assert not (tmp_path / "all").exists()
