"""Every batch transform YAML through the command line: it trains, resumes, and is rebuilt from a checkpoint."""

from pathlib import Path
from typing import Any

import pytest
import torch
from command_line import ROOT, TINY, run_command
from resumed import assert_resumes

from experiments.checkpoints.checkpoint import load_module, read_checkpoint
from experiments.evaluation.seen import BLUR, NOISE, OCCLUSION, find_seen
from lightning_modules.batch_transforms.corrupted import Corrupted
from safe_files.yaml_file import read_mapping
from user_error import UserError

FOLDER = ROOT / "experiments/configs/batch_transform"
PATHS = sorted(FOLDER.glob("*.yaml"))
REFUSED = {
    "datamodules.datasets.synthetic.SyntheticDataModule": "cannot be rebuilt",
    "datamodules.datasets.folder.Path": "'datamodules.datasets.folder.Path', which is no class of this project: it was refused",
    "os.Path": "'os.Path', which is no class of this project: it was refused",
}
"""In place of a corruption in a checkpoint: a class of ours that is none, one that a module of ours imports, and another."""
OPTION = "--model.init_args.batch_transforms"


@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.stem)
def test_a_recipe_with_it_runs(path: Path, tmp_path: Path) -> None:
    run_command("fit", *TINY, "--trainer.fast_dev_run=true", f"--run={tmp_path}", f"{OPTION}+={path}")


def test_all_together_resume_and_are_rebuilt(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One after the other; the file alone says which corruptions it was trained on."""
    names = [path.stem for path in PATHS if path.stem != "corrupted"] + ["corrupted"]
    words = [f"{OPTION}+=experiments/configs/batch_transform/{name}.yaml" for name in names]
    assert_resumes("synthetic_unet", tmp_path, monkeypatch, *words, f"{OPTION}.severity=[2,3]")
    checkpoint = tmp_path / "whole" / "last.ckpt"
    *others, last = load_module(checkpoint).batch_transforms
    assert isinstance(last, Corrupted)
    assert [one.name for one in last.corruptions] == ["gaussian_noise", "defocus_blur", "jpeg_compression"]
    assert last.severity == (2, 3)
    assert len(others) == len(PATHS) - 1
    recipe = read_mapping(tmp_path / "whole" / "config.yaml", "")
    assert find_seen(recipe) >= NOISE | BLUR | OCCLUSION | {"jpeg_compression"}
    content = read_checkpoint(checkpoint)
    for name, sentence in REFUSED.items():
        harmful: Any = content["hyper_parameters"]["batch_transforms"][-1]
        harmful["init_args"]["corruptions"][0] = {"class_path": name}
        torch.save(content, tmp_path / "evil.ckpt")
        with pytest.raises(UserError, match=sentence):
            load_module(tmp_path / "evil.ckpt")


@pytest.mark.parametrize(
    ("corruption", "sentence"),
    [
        ("datamodules.corruptions.geometric.RotationMaskMoved", "which moves the mask"),
        ("datamodules.datasets.synthetic.SyntheticDataModule", "SyntheticDataModule is no KeyedCorruption"),
    ],
)
def test_what_is_no_corruption_of_the_image_alone_is_refused(corruption: str, sentence: str, tmp_path: Path) -> None:
    path = tmp_path / "own.yaml"
    path.write_text(
        f"class_path: {Corrupted.__module__}.Corrupted\ninit_args: {{corruptions: [{{class_path: {corruption}}}]}}\n"
    )
    result = run_command("fit", *TINY, f"--run={tmp_path / 'run'}", f"{OPTION}+={path}", check=False)
    assert result.returncode
    assert sentence in result.stderr
    assert "Traceback" not in result.stderr
