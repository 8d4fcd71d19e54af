"""Checkpoints and recipes in the terms of earlier versions: used, and gone on with where the rest would be the same."""

import copy
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from command_line import ROOT
from resumed import fit

from experiments.checkpoints.checkpoint import load_module, read_checkpoint
from experiments.evaluation.earlier_settings import translate, translate_recipe
from experiments.record_files.record_file import open_record
from experiments.training.resumed import read_resumed
from experiments.training.run_folder import RunFolder
from lightning_modules.batch_transforms.mixup import Mixup
from lightning_modules.objectives.multi_task import MultiTask
from lightning_modules.segmentation import SegmentationModule
from lightning_modules.weightings.gradnorm import GradNorm

GRADNORM = "--model.init_args.objective.init_args.weighting=experiments/configs/weighting/gradnorm.yaml"
KEEP = (
    "--trainer.callbacks+=pytorch_lightning.callbacks.ModelCheckpoint",
    "--trainer.callbacks.filename={epoch}",
    "--trainer.callbacks.save_top_k=-1",
    "--trainer.callbacks.monitor=train/loss",
    "--trainer.callbacks.save_on_train_epoch_end=true",
)
CUTMIX = {
    "class_path": "lightning_modules.callbacks.cutmix.CutMix",
    "init_args": {"probability": 0.7, "area": [0.0, 1.0]},
}


def as_mixup_module(settings: dict[str, Any]) -> dict[str, Any]:
    """Settings of a training with mixup as an earlier version wrote them."""
    found = {name: value for name, value in settings.items() if name not in ("batch_transforms", "objective")}
    alpha = settings["batch_transforms"][0]["init_args"]["alpha"]
    return {"alpha": alpha, **found}


def as_multi_task_module(settings: dict[str, Any]) -> dict[str, Any]:
    found = {name: value for name, value in settings.items() if name not in ("batch_transforms", "objective")}
    return {"weighting": settings["objective"]["init_args"]["weighting"], **found}


def rewrite(path: Path, kind: str) -> None:
    """Make a checkpoint one of an earlier version: other settings, and other names of weights."""
    make = as_mixup_module if kind == "mixup.MixupModule" else as_multi_task_module
    content = torch.load(path, weights_only=True)
    settings = make(content["hyper_parameters"])
    content["hyper_parameters"] = {**settings, "_class_path": f"lightning_modules.{kind}"}
    content["state_dict"] = {name.removeprefix("objective."): value for name, value in content["state_dict"].items()}
    torch.save(content, path)


def rewrite_run(run: Path, kind: str) -> None:
    """The same with a run folder."""
    make = as_mixup_module if kind == "mixup.MixupModule" else as_multi_task_module
    for path in run.glob("*.ckpt"):
        rewrite(path, kind)
    settings = yaml.safe_load((run / "config.yaml").read_text())
    settings["model"] = {
        "class_path": f"lightning_modules.{kind}",
        "init_args": make(settings["model"]["init_args"]),
    }
    (run / "config.yaml").write_text(yaml.safe_dump(settings, sort_keys=False))


@pytest.fixture(autouse=True)
def seeded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PL_GLOBAL_SEED", "0")  # a training sets it, and it is to be what it was


def test_several_tasks_load_and_are_gone_on_with(tmp_path: Path) -> None:
    """The weights at the end are those of a training that ran through."""
    recipe, saved = "synthetic_unet_multi_task", f"--trainer.callbacks.dirpath={tmp_path / 'kept'}"
    unbroken = fit(recipe, tmp_path / "whole", GRADNORM, *KEEP, saved)
    middle = tmp_path / "kept" / "epoch=0.ckpt"
    rewrite(middle, "multi_task.MultiTaskModule")
    assert "weighting.task_weights" in torch.load(middle, weights_only=True)["state_dict"]
    module = load_module(middle)
    assert type(module) is SegmentationModule
    assert isinstance(module.objective, MultiTask)
    assert isinstance(module.objective.weighting, GradNorm)
    assert not torch.equal(module.objective.weighting.weights, torch.ones(6))
    gone_on = fit(recipe, tmp_path / "resumed", GRADNORM, f"--ckpt_path={middle}")
    for name, value in unbroken.items():
        torch.testing.assert_close(value, gone_on[name], rtol=0, atol=0, msg=name)
    rewrite_run(tmp_path / "resumed", "multi_task.MultiTaskModule")
    fit(recipe, tmp_path / "resumed", GRADNORM)  # is over, and says so


def test_mixup_loads_and_is_not_gone_on_with(tmp_path: Path) -> None:
    """What it would draw is not what it drew."""
    run, saved = tmp_path / "run", f"--trainer.callbacks.dirpath={tmp_path / 'kept'}"
    fit("synthetic_unet_mixup", run, "--model.init_args.batch_transforms.alpha=0.5", *KEEP, saved)
    middle = tmp_path / "kept" / "epoch=0.ckpt"
    rewrite(middle, "mixup.MixupModule")
    rewrite_run(run, "mixup.MixupModule")
    module = load_module(run / "last.ckpt")
    (mixup,) = module.batch_transforms
    assert isinstance(mixup, Mixup)
    assert mixup.alpha == 0.5
    words = ("--model.init_args.batch_transforms.alpha=0.5", f"--ckpt_path={middle}")
    with pytest.raises(AssertionError, match=r"the mixup of an earlier version, which drew other numbers.*--start"):
        fit("synthetic_unet_mixup", tmp_path / "resumed", *words)
    fit("synthetic_unet_mixup", run, *words[:1], *KEEP, saved)  # is over: there is nothing to draw
    begun = fit("synthetic_unet", tmp_path / "begun", f"--start={run / 'last.ckpt'}")
    assert begun.keys() == read_checkpoint(run / "last.ckpt")["state_dict"].keys()


def test_cutmix_is_not_gone_on_with(tmp_path: Path) -> None:
    run = tmp_path / "run"
    fit("synthetic_unet", run)
    content = torch.load(run / "last.ckpt", weights_only=True)
    content["training"]["settings"]["trainer"]["callbacks"] = [CUTMIX]
    torch.save(content, run / "last.ckpt")
    load_module(run / "last.ckpt")
    assert read_resumed(run / "last.ckpt").changed_draws == "CutMix"
    settings = yaml.safe_load((run / "config.yaml").read_text())
    settings["trainer"]["callbacks"] = [CUTMIX]
    (run / "config.yaml").write_text(yaml.safe_dump(settings))
    assert RunFolder(run).changed_draws == "CutMix"
    words = ("--model.init_args.batch_transforms+=experiments/configs/batch_transform/cutmix.yaml",)
    fit("synthetic_unet", run, *words, "--model.init_args.batch_transforms.probability=0.7")  # is over
    content["loops"]["fit_loop"]["epoch_progress"]["current"]["processed"] = 1
    torch.save(content, run / "last.ckpt")
    with pytest.raises(AssertionError, match="the CutMix of an earlier version"):
        fit("synthetic_unet", run, *words, "--model.init_args.batch_transforms.probability=0.7")


def test_a_mark_that_a_file_brings_along_is_not_believed(tiny_run: Path, tmp_path: Path) -> None:
    content = torch.load(tiny_run / "last.ckpt", weights_only=True)
    torch.save({**content, "drew_otherwise": {"x": 1}}, tmp_path / "last.ckpt")
    assert "drew_otherwise" not in read_checkpoint(tmp_path / "last.ckpt")


@pytest.mark.parametrize("data", ["kvasir_seg", "camvid"])
@pytest.mark.parametrize(
    ("name", "transforms", "objective"),
    [
        ("unet-mixup", ["mixup.Mixup"], None),
        ("unet-cutmix", ["cutmix.CutMix"], None),
        ("unet_multi_task-gradnorm", [], "GradNorm"),
        ("unet-adamw", [], None),
    ],
)
def test_recipes_of_committed_records(data: str, name: str, transforms: list[str], objective: str | None) -> None:
    record, _ = open_record(ROOT / "experiments/results" / data / "imagenet_c_middle" / f"{name}.json")
    before = copy.deepcopy(record.recipe)
    recipe = translate_recipe(record.recipe)
    assert record.recipe == before
    settings = recipe["model"]["init_args"]
    assert recipe["model"]["class_path"] == "lightning_modules.segmentation.SegmentationModule"
    found = settings.get("batch_transforms") or []
    assert [one["class_path"].removeprefix("lightning_modules.batch_transforms.") for one in found] == transforms
    assert recipe["trainer"]["callbacks"] is None
    assert not {"weighting", "alpha"} & set(settings)
    if objective:
        assert settings["objective"]["init_args"]["weighting"]["class_path"].endswith(objective)
    else:
        assert recipe == translate(before) or transforms


@pytest.mark.parametrize("recipe", [{}, {"model": None}, {"model": {"class_path": 3}}, {"trainer": {"callbacks": "x"}}])
def test_what_is_no_recipe_stays(recipe: dict[str, Any]) -> None:
    assert translate_recipe(recipe) == recipe
