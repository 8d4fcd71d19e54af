"""A start from a network that knows other names."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from experiments.checkpoints.checkpoint import describe_data
from experiments.training.start import describe_start
from user_error import UserError


def describe(checkpoint: Path, **names: Any) -> list[str]:
    known = describe_data(checkpoint)
    data: Any = SimpleNamespace(**{"classes": known["classes"], "channels": known["channels"], **names})
    return describe_start(str(checkpoint), data)


def test_names_of_a_start(tiny_run: Path) -> None:
    checkpoint = tiny_run / "best.ckpt"
    classes = list(describe_data(checkpoint)["classes"])
    assert describe(checkpoint) == []
    (notes,) = describe(checkpoint, classes=[*classes[:-1], "lesion"])
    assert "lesion; the training begins as if they were the same" in notes
    with pytest.raises(UserError, match="each would begin as another"):
        describe(checkpoint, classes=classes[::-1])
    with pytest.raises(UserError, match="each would begin as another"):
        describe(checkpoint, channels=list(describe_data(checkpoint)["channels"])[::-1])
