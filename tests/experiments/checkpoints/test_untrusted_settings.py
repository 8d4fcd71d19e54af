"""What a training of ours writes passes the check of strangers' settings; what leads elsewhere does not."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml
from command_line import ROOT
from jsonargparse import ArgumentParser

from datamodules.base import SegmentationDataModule
from experiments.checkpoints.untrusted_settings import build, find_parameters, is_component, require_plain_component
from lightning_modules.networks.base import SegmentationNetwork
from lightning_modules.networks.smp import SmpNetwork
from lightning_modules.optimizers.sam import SAM
from lightning_modules.segmentation import SegmentationModule
from user_error import UserError, find_user_error

CONFIGS = ROOT / "experiments" / "configs"
MODULE = "lightning_modules.segmentation.SegmentationModule"
HOLDERS = {
    "weighting": "lightning_modules.objectives.multi_task.MultiTask",
    "attack": "lightning_modules.objectives.adversarial.AdversarialTraining",
}
"""Objectives that hold a component of another family."""
SMALL = {
    "class_path": "lightning_modules.networks.smp.SmpNetwork",
    "init_args": {"encoder": "tu-mobilenetv3_small_050"},
}
FAMILIES = (
    *("network", "loss", "optimizer", "schedule", "weighting", "data", "augmentation", "batch_transform", "objective"),
    "attack",
)
COMPONENTS = [path for family in FAMILIES for path in sorted((CONFIGS / family).glob("*.yaml"))]
SYNTHETIC = "datamodules.datasets.synthetic.SyntheticDataModule"


def parse_settings(base: type, settings: dict[str, Any]) -> dict[str, Any]:
    """Settings as a run folder and a checkpoint hold them: parsed, with the defaults filled in."""
    parser = ArgumentParser(exit_on_error=False)
    parser.add_subclass_arguments(base, "one", fail_untyped=False)
    return yaml.safe_load(parser.dump(parser.parse_object({"one": settings}), skip_none=False))["one"]


@pytest.mark.parametrize("path", COMPONENTS, ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_every_component_of_ours_is_let_in(path: Path) -> None:
    family = path.parent.name
    if family in ("data", "augmentation"):
        given = {"class_path": SYNTHETIC, "init_args": {"augmentation": str(path)}}
        base: type = SegmentationDataModule
        given = yaml.safe_load(path.read_text()) if family == "data" else given
    else:
        setting: dict[str, Any] = {family: str(path)}
        if family in HOLDERS:
            setting = {"objective": {"class_path": HOLDERS[family], "init_args": setting}}
        if family == "batch_transform":
            setting = {"batch_transforms": [str(path)]}
        given = {"class_path": MODULE, "init_args": {"network": SMALL, "num_classes": 5, **setting}}
        base = SegmentationModule
    require_plain_component(base, parse_settings(base, given), "the file", "it")


@pytest.mark.parametrize(
    ("hint", "expected"),
    [
        (str, False),
        (str | None, False),
        (dict[str, Any], False),
        (Mapping[str, Mapping[str, Any]] | None, False),
        (tuple[float, float], False),
        (Any, False),
        (SmpNetwork, True),
        (SmpNetwork | None, True),
        (Sequence[SmpNetwork], True),
        (Callable[[int, int], SegmentationNetwork], True),
        (list[Callable[[int], SmpNetwork]] | None, True),
        (dict[str, SmpNetwork], True),
        (type[SmpNetwork], True),
    ],
)
def test_where_a_component_stands(hint: Any, expected: bool) -> None:
    assert is_component(hint) is expected


def test_parameters_that_are_handed_on_are_found() -> None:
    hints, closed = find_parameters(SegmentationDataModule)
    assert closed
    assert {"size", "augmentation"} <= hints.keys()
    folder, closed = find_parameters(
        type("Handed", (SegmentationDataModule,), {"__init__": lambda self, root, **rest: None})
    )
    assert closed
    assert folder.keys() == hints.keys() | {"root"}
    assert "base" in find_parameters(SAM)[0]


def refuse(settings: dict[str, Any], match: str) -> None:
    given = {"class_path": MODULE, "init_args": {"network": SMALL, "num_classes": 5, **settings}}
    with pytest.raises(UserError, match=match):
        require_plain_component(SegmentationModule, given, "the file", "it")


def test_what_is_refused_is_named_by_its_place() -> None:
    refuse({"loss": "{class_path: x.Y}"}, r"the text '\{class_path: x.Y\}' as it\.loss")
    refuse({"network": {**SMALL, "init_args": {"parts": ["Attention"]}}}, r"as it\.network\.parts")
    refuse({"network": {**SMALL, "init_args": {"depth": 3}}}, "gives SmpNetwork the setting 'depth', which it has not")
    refuse({"loss": {"class_path": "torch.nn.CrossEntropyLoss", "args": 1}}, "unknown key 'args'")
    refuse({"loss": {"init_args": {}}}, r"a dict as it\.loss")
    refuse({"loss": {1, 2}}, r"a set as it\.loss")


def test_text_that_is_text_stays_so() -> None:
    """Names and paths of settings that are texts: the parser leaves them alone."""
    network = {**SMALL, "init_args": {**SMALL["init_args"], "decoder": {"decoder_attention_type": "scse"}}}  # type: ignore[dict-item]
    settings = {"network": network, "num_classes": 5, "start": "{a: b}/last.ckpt", "encoder_weights": "imagenet"}
    given = {"class_path": MODULE, "init_args": settings}
    require_plain_component(SegmentationModule, given, "the file", "it")


def test_the_last_door_looks_at_what_is_built() -> None:
    """Also where the first check is not asked: what the parser came to is held against the same list."""
    given = {"network": SMALL, "num_classes": 5, "loss": '{"class_path": "timm.layers.DropPath"}'}
    with pytest.raises((UserError, ValueError)) as refused:
        build(SegmentationModule, {"class_path": MODULE, "init_args": given}, "the file")
    assert "'timm.layers.drop.DropPath', which is no class of this project" in str(find_user_error(refused.value))
