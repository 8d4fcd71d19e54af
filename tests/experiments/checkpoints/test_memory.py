from pathlib import Path

import pytest

from experiments.checkpoints import memory
from user_error import UserError


def test_files_that_do_not_fit_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.ckpt"
    path.write_bytes(bytes(1000))
    monkeypatch.setattr(memory, "read_available_bytes", lambda: 2500)
    memory.require_memory([path, path])
    with pytest.raises(UserError, match=r"3 checkpoints of .* do not fit"):
        memory.require_memory([path] * 3)
    monkeypatch.setattr(memory, "read_available_bytes", lambda: None)
    memory.require_memory([path] * 3)


def test_what_is_left_is_less_than_there_is() -> None:
    free = memory.read_available_bytes()
    assert free is None or 0 < free < 2**50
