"""A start from a network that knows other names."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from experiments.checkpoints.checkpoint import describe_data
from experiments.training.start import describe_start, expand_start
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


def test_a_network_that_is_named_beside_a_start_is_not_used(tiny_run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    start = ["--start", str(tiny_run / "best.ckpt")]
    network = "--model.init_args.network=experiments/configs/network/fpn.yaml"
    settings = f"{network.partition('=')[0]}.init_args.dropout=0.1"
    assert expand_start([*start, settings])[0] == settings
    assert capsys.readouterr().out == ""
    expand_start([*start, network])
    assert "--model.init_args.network is not used" in capsys.readouterr().out
