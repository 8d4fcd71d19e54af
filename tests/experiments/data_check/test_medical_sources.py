"""`check`, `fit` and `benchmark` on medical data in its own formats, through the command line."""

import json
from pathlib import Path

import pytest
from command_line import ROOT, SMALL_NETWORK, read_output, read_refusal, run_command
from medical_trees import TREES

ORDER = "--order=resize_then_corrupt"  # since files are smaller than corruptions allow
CONFIGS = ROOT / "experiments/configs"
SOURCES = {
    "nnunet": [],
    "hugging_face": ["--data.init_args.classes=[background, lesion]", "--data.init_args.unit=patient"],
}
"""Settings of general sources."""


@pytest.mark.parametrize("name", TREES)
def test_check(name: str, tmp_path: Path) -> None:
    words, root = SOURCES.get(name, []), TREES[name](tmp_path / "data")
    output = f"--output={tmp_path / 'sheet.png'}"
    data = f"--data={CONFIGS / f'data/{name}.yaml'}"
    text = read_output("check", data, f"--data.init_args.root={root}", "--images=1", output, *words)
    assert "| unreadable | 0 | 0 | 0 |" in text
    assert "wrong (" not in text
    if name == "nnunet":
        assert "| kinds of images | NIfTI int16 | NIfTI int16 | NIfTI int16 |" in text


@pytest.mark.parametrize("name", SOURCES)
def test_from_training_to_record(name: str, tmp_path: Path) -> None:
    """A record of a general source counts patients as its units, and resumes by the content of its files."""
    words, root, run = SOURCES[name], TREES[name](tmp_path / "data"), tmp_path / "run"
    run_command(
        "fit",
        f"--config={CONFIGS / 'recipe/synthetic_unet.yaml'}",
        f"--data={CONFIGS / f'data/{name}.yaml'}",
        f"--data.init_args.root={root}",
        "--data.init_args.size=[32,32]",
        "--data.init_args.num_workers=0",
        "--data.init_args.batch_size=2",
        *words,
        *SMALL_NETWORK,
        "--trainer.max_epochs=1",
        "--trainer.accelerator=cpu",
        f"--run={run}",
    )
    benchmark = ("benchmark", f"--checkpoint={run / 'best.ckpt'}", "--suite=smoke", "--trainer.accelerator=cpu", ORDER)
    record = tmp_path / "record.json"
    run_command(*benchmark, f"--output={record}", "--pictures=0")
    found = json.loads(record.read_text())["data"]
    assert found["unit"] == {"nnunet": "case", "hugging_face": "patient"}[name]
    assert found["images"] == 4
    if name == "nnunet":
        other = ("--data.init_args.percentiles=[1,99]", f"--output={tmp_path / 'other.json'}")
        assert "was trained on images seen between the percentiles [0.5, 99.5]" in read_refusal(*benchmark, *other)
