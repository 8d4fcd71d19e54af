"""What killed trainings leave of their metrics goes where it says nothing."""

import os
from pathlib import Path

from experiments.tracking import dead_runs
from experiments.tracking.dead_runs import HEADER, hold_run, remove_dead_runs, remove_empty_versions


def begin(run: Path, name: str, logged: int) -> Path:
    """A folder of W&B as it stands while a run is written."""
    files = run / "wandb" / f"offline-run-20261128_200000-{name}" / "files"
    files.mkdir(parents=True)
    (files.parent / f"run-{name}.wandb").write_bytes(bytes(HEADER + logged))
    hold_run(files)
    return files.parent


def test_only_what_is_dead_and_empty_goes(tmp_path: Path) -> None:
    dead, logged, alive = (begin(tmp_path, name, size) for name, size in (("a", 0), ("b", 1), ("c", 0)))
    latest = tmp_path / "wandb" / "latest-run"
    latest.symlink_to(dead.name)
    unknown = tmp_path / "wandb" / "offline-run-20261128_200000-d"
    unknown.mkdir()
    for descriptor in dead_runs._open_locks[-3:-1]:
        os.close(descriptor)
    remove_dead_runs(tmp_path)
    assert not dead.exists()
    assert all(folder.exists() for folder in (logged, alive, unknown))
    os.close(dead_runs._open_locks[-1])
    del dead_runs._open_locks[-3:]


def test_versions_without_a_row(tmp_path: Path) -> None:
    for name, text in (("version_0", "epoch\n1\n"), ("version_1", ""), ("version_2", None)):
        (tmp_path / name).mkdir()
        if text is not None:
            (tmp_path / name / "metrics.csv").write_text(text)
    remove_empty_versions(tmp_path)
    assert os.listdir(tmp_path) == ["version_0"]
