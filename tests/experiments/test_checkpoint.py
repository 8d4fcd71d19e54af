from pathlib import Path
from typing import Any

import pytest
import torch

from experiments.checkpoint import import_paths, load_module, read_checkpoint
from user_error import UserError


def save(path: Path, **content: Any) -> Path:
    torch.save({"state_dict": {}, "hyper_parameters": {}, **content}, path)
    return path


def test_what_is_no_checkpoint(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no checkpoint"):
        read_checkpoint(tmp_path / "none.ckpt")
    (tmp_path / "text.ckpt").write_text("hello")
    with pytest.raises(UserError, match="is not a checkpoint"):
        read_checkpoint(tmp_path / "text.ckpt")
    (tmp_path / "empty.ckpt").write_bytes(b"")
    with pytest.raises(UserError, match="is not a checkpoint"):
        read_checkpoint(tmp_path / "empty.ckpt")
    torch.save({"weights": torch.zeros(1)}, tmp_path / "weights.ckpt")
    with pytest.raises(UserError, match="no LightningModule"):
        read_checkpoint(tmp_path / "weights.ckpt")


def test_cut_short(tiny_run: Path, tmp_path: Path) -> None:
    (tmp_path / "half.ckpt").write_bytes((tiny_run / "best.ckpt").read_bytes()[:100_000])
    with pytest.raises(UserError, match="cut short"):
        read_checkpoint(tmp_path / "half.ckpt")


def test_a_payload_does_not_run(tmp_path: Path) -> None:
    class Payload:
        def __reduce__(self) -> tuple:
            return (Path(tmp_path / "ran").touch, ())

    path = save(tmp_path / "evil.ckpt", extra=Payload())
    with pytest.raises(UserError, match="pickled objects"):
        load_module(path)
    assert not (tmp_path / "ran").exists()


STRANGERS = ["os.system", "subprocess.Popen", "lightning_modules_evil.Net", "torch.hub.load", "torch.nn.init.ones_"]


@pytest.mark.parametrize("name", STRANGERS)
@pytest.mark.parametrize("written", [lambda name: {"class_path": name, "init_args": {}}, lambda name: name])
@pytest.mark.parametrize("key", ["network", "loss", "optimizer"])
def test_what_is_not_ours_is_refused_unseen(tmp_path: Path, name: str, written: Any, key: str) -> None:
    settings = {"_class_path": "lightning_modules.segmentation.SegmentationModule", key: written(name)}
    with pytest.raises(UserError, match=f"asks for '{name}'"):
        load_module(save(tmp_path / "evil.ckpt", hyper_parameters=settings))


def test_settings_that_are_no_settings(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no LightningModule"):
        read_checkpoint(save(tmp_path / "x.ckpt", hyper_parameters=[1]))
    ours = {"_class_path": "lightning_modules.segmentation.SegmentationModule", "network": 3}
    with pytest.raises(UserError, match="cannot be rebuilt"):
        load_module(save(tmp_path / "y.ckpt", hyper_parameters=ours))


def test_import_paths_are_found_at_any_depth() -> None:
    settings = {"_class_path": "a", "x": [{"class_path": "b", "init_args": {"y": ["c.d"]}}], "encoder": "e.f", "z": "g"}
    assert list(import_paths(settings)) == ["a", "b", "c.d"]


def test_weights_of_another_network(tiny_run: Path, tmp_path: Path) -> None:
    content = torch.load(tiny_run / "best.ckpt", weights_only=True)
    content["state_dict"].popitem()
    torch.save(content, tmp_path / "odd.ckpt")
    with pytest.raises(UserError, match="cannot be rebuilt"):
        load_module(tmp_path / "odd.ckpt")


def test_a_variant_is_rebuilt_as_itself(tiny_run: Path, tmp_path: Path) -> None:
    """Its class stands among the settings; one that is no module of ours is refused."""
    content = torch.load(tiny_run / "best.ckpt", weights_only=True)
    content["hyper_parameters"]["_class_path"] = "lightning_modules.mixup.MixupModule"
    torch.save(content, tmp_path / "net.ckpt")
    assert type(load_module(tmp_path / "net.ckpt")).__name__ == "MixupModule"
    content["hyper_parameters"]["_class_path"] = "torch.nn.Linear"
    torch.save(content, tmp_path / "net.ckpt")
    with pytest.raises(UserError, match=r"torch\.nn\.Linear"):
        load_module(tmp_path / "net.ckpt")
