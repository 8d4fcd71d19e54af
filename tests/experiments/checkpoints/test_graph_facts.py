"""What an exported file says of itself, which may be a stranger's."""

import json
import re
import zipfile
from pathlib import Path
from typing import Any

import pytest

from experiments.checkpoints.graph_facts import KEY, describe_facts, read_script_facts
from user_error import UserError


def write_archive(path: Path, said: str | None) -> Path:
    """An archive as torch.jit.save writes it, without its program."""
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("net/version", "3")
        if said is not None:
            archive.writestr(f"net/extra/{KEY}", said)
    return path


def test_what_is_written_is_read(tmp_path: Path) -> None:
    described: dict[str, Any] = {"classes": ["a", "b"], "size": [32, 64], "window": None, "other": 1}
    found = read_script_facts(write_archive(tmp_path / "net.pt", describe_facts(described, 2)), 2)
    del described["other"]
    assert found == {"input": found["input"], "mean": [0.0] * 2, "std": [1.0] * 2, "stride": 1, **described}
    assert read_script_facts(write_archive(tmp_path / "net.pt", None), 2) == {}


@pytest.mark.parametrize(
    ("said", "problem"),
    [
        ("{", "it is no JSON"),
        ("[]", "it is no mapping"),
        ("[" * 100_000, "it is no JSON"),
        (" " * 2**21, "it is too long"),
        ({"mean": [0, 0, 0]}, "it is for 3 channels, and the data have 2"),
        ({"mean": "0"}, "its mean is no list of numbers"),
        ({"classes": [1]}, "its classes are no names"),
        ({"stride": 0}, "its stride is no number of pixels"),
        ({"stride": "8"}, "its stride is no number of pixels"),
        ({"size": [32]}, "its size is no height and width"),
        ({"size": [32, -1]}, "its size is no height and width"),
        ({"size": [32, 1e300]}, "its size is no height and width"),
        ({"size": "32x32"}, "its size is no height and width"),
    ],
)
def test_what_cannot_be_used_is_refused(said: Any, problem: str, tmp_path: Path) -> None:
    if isinstance(said, dict):
        said = json.dumps({"mean": [0.0, 0.0], "std": [1.0, 1.0], **said})
    with pytest.raises(UserError, match=re.escape(f"says of its images cannot be used ({problem}")):
        read_script_facts(write_archive(tmp_path / "net.pt", said), 2)


def test_another_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "net.pt").write_bytes(b"junk")
    with pytest.raises(UserError, match=r"is no archive of torch\.jit\.save"):
        read_script_facts(tmp_path / "net.pt", 3)
