"""A temperature changes no prediction, makes the validation split likely, and ends up in an ordinary checkpoint."""

from pathlib import Path

import pytest
import torch
import yaml
from command_line import read_refusal

from experiments.checkpoints.checkpoint import describe_data, load_module, read_checkpoint
from experiments.command_line.data_option import choose_data
from experiments.commands.derive import calibrate
from experiments.commands.evaluate.benchmark import main as benchmark
from experiments.evaluation.recipe import compute_recipe_key
from experiments.probing.pixel_features import sample_logits
from experiments.probing.temperature import fit_temperature
from experiments.record_files.record_file import read_record


def run(checkpoint: Path, output: Path, *words: str) -> Path:
    calibrate.main([f"--checkpoint={checkpoint}", f"--output={output}", "--device=cpu", "--pixels=20000", *words])
    return output


@pytest.fixture(scope="module")
def calibrated(tiny_run: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return run(tiny_run / "best.ckpt", tmp_path_factory.mktemp("calibrated") / "tiny_calibrated" / "best.ckpt")


@torch.inference_mode()
def test_logits_are_divided_and_likely(tiny_run: Path, calibrated: Path) -> None:
    before, after = load_module(tiny_run / "best.ckpt"), load_module(calibrated)
    temperature = read_checkpoint(calibrated)["derived_from"][-1]["settings"]["temperature"]
    assert abs(temperature - 1) > 0.01
    image = torch.randint(0, 256, (2, 3, 64, 64), dtype=torch.uint8)
    torch.testing.assert_close(after(image), before(image) / temperature)
    data = choose_data("calibrate", tiny_run / "best.ckpt", []).module
    logits, labels = sample_logits(after.network, data.make_evaluation_dataloader("val"), 5, 20000, seed=0)
    assert fit_temperature(logits, labels) == pytest.approx(1, rel=1e-3)


@torch.inference_mode()
def test_a_second_calibration_replaces_the_first(calibrated: Path, tiny_run: Path, tmp_path: Path) -> None:
    again = run(calibrated, tmp_path / "again" / "best.ckpt", "--pixels=500", "--seed=1")
    network = read_checkpoint(again)["hyper_parameters"]["network"]
    assert network["init_args"]["network"] == read_checkpoint(tiny_run / "best.ckpt")["hyper_parameters"]["network"]
    image = torch.randint(0, 256, (1, 3, 64, 64), dtype=torch.uint8)
    plain = load_module(tiny_run / "best.ckpt")(image)
    torch.testing.assert_close(load_module(again)(image), plain / network["init_args"]["temperature"])


def test_sweep_is_an_ordinary_sweep(calibrated: Path, tiny_run: Path, tiny_record: Path, tmp_path: Path) -> None:
    """With the same masks as before, and another recipe."""
    benchmark(
        [f"--checkpoint={calibrated}", "--suite=smoke", f"--output={tmp_path / 'x.json'}", "--trainer.accelerator=cpu"]
    )
    before, after = read_record(tiny_record), read_record(tmp_path / "x.json")
    assert after.name == "tiny_calibrated"
    assert after.totals["confusion"].tolist() == before.totals["confusion"].tolist()
    assert [cell.scores["nll"] for cell in after.cells] != [cell.scores["nll"] for cell in before.cells]
    trained = yaml.safe_load((tiny_run / "config.yaml").read_text())
    assert compute_recipe_key(after.recipe) not in (None, compute_recipe_key(trained))
    assert describe_data(calibrated) == describe_data(tiny_run / "best.ckpt")


def test_refusals(tiny_run: Path, tmp_path: Path) -> None:
    checkpoint, output = tiny_run / "best.ckpt", tmp_path / "out" / "best.ckpt"
    words = ("calibrate", f"--checkpoint={checkpoint}")
    assert "holds another training" in read_refusal(*words, f"--output={tiny_run / 'other.ckpt'}")
    assert "*.ckpt" in read_refusal(*words, f"--output={tmp_path / 'out.pt'}")
    assert "--pixels" in read_refusal(*words, f"--output={output}", "--pixels=0")
    for device in ("cuda:77", "meta"):
        assert "no device" in read_refusal(*words, f"--output={output}", f"--device={device}")
    assert "5 classes apart" in read_refusal(*words, f"--output={output}", "--data.init_args.num_classes=4")
    assert "no checkpoint" in read_refusal("calibrate", "--checkpoint=nowhere.ckpt", f"--output={output}")
    assert not output.exists()
