"""Ensembles of checkpoints and of seeds: what is written is the mean, and goes every way of an ordinary checkpoint."""

from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from command_line import TINY, read_refusal, run_command
from PIL import Image
from resumed import fit

from experiments.checkpoints import memory
from experiments.checkpoints.checkpoint import load_module, read_checkpoint
from experiments.commands.derive import calibrate, ensemble
from experiments.commands.evaluate import predict
from experiments.commands.evaluate.benchmark import main as benchmark
from experiments.record_files.record_file import read_record

SIZES = ["--model.init_args.network.init_args.encoder=tu-mobilenetv3_small_050"]


@pytest.fixture(scope="module")
def fpn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A member of another architecture."""
    run = tmp_path_factory.mktemp("runs") / "fpn"
    words = [word for word in TINY if "max_epochs" not in word and "network" not in word]
    network = "--model.init_args.network=experiments/configs/network/fpn.yaml"
    run_command("fit", *words, network, *SIZES, "--trainer.max_epochs=1", f"--run={run}")
    return run / "best.ckpt"


@pytest.fixture(scope="module")
def three(tiny_run: Path, tiny_twin: Path, fpn: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An ensemble of two U-Nets and an FPN."""
    output = tmp_path_factory.mktemp("ensembles") / "three" / "best.ckpt"
    members = [tiny_run / "best.ckpt", tiny_twin / "best.ckpt", fpn]
    ensemble.main(["--checkpoints", *map(str, members), f"--output={output}"])
    return output


def draw_images() -> torch.Tensor:
    return torch.randint(0, 256, (2, 3, 64, 64), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))


def test_it_says_the_mean_of_its_members(three: Path, tiny_run: Path, tiny_twin: Path, fpn: Path) -> None:
    members = [load_module(path) for path in (tiny_run / "best.ckpt", tiny_twin / "best.ckpt", fpn)]
    with torch.inference_mode():
        wanted = torch.stack([member(draw_images()).softmax(1) for member in members]).mean(0)
        torch.testing.assert_close(load_module(three)(draw_images()).softmax(1), wanted)


def test_it_is_swept_calibrated_and_predicted_with(three: Path, tmp_path: Path) -> None:
    output = tmp_path / "calibrated" / "best.ckpt"
    calibrate.main([f"--checkpoint={three}", f"--output={output}", "--device=cpu", "--pixels=2000"])
    record = tmp_path / "record.json"
    benchmark([f"--checkpoint={output}", "--suite=smoke", f"--output={record}", "--trainer.accelerator=cpu"])
    assert read_record(record).name == "calibrated"
    photo = tmp_path / "photo.png"
    Image.fromarray(draw_images()[0].permute(1, 2, 0).numpy()).save(photo)
    predict.main(
        [str(photo), f"--checkpoint={output}", f"--output={tmp_path / 'out'}", "--device=cpu", "--uncertainty"]
    )
    with torch.inference_mode():
        found = load_module(three).network.compute_uncertainty(draw_images()[:1])
    classes = load_module(three).num_classes
    scales = {"entropy": np.log(classes), "mutual_information": np.log(classes), "disagreement": 1}
    for name, scale in scales.items():
        shown = np.array(Image.open(tmp_path / "out" / f"photo_{name}.png"), float)
        np.testing.assert_allclose(shown, 255 * getattr(found, name)[0].numpy() / scale, atol=0.51)


def test_its_file_says_what_it_was_made_of(three: Path, tiny_run: Path) -> None:
    content = read_checkpoint(three)
    assert len(content["derived_from"][-1]["sources"]) == 3
    settings = yaml.safe_load((three.parent / "config.yaml").read_text())
    assert settings["data"] == yaml.safe_load((tiny_run / "config.yaml").read_text())["data"]
    assert len(settings["model"]["init_args"]["network"]["init_args"]["members"]) == 3


def test_it_trains_on(three: Path, tmp_path: Path) -> None:
    """Its members train side by side, each from its weights."""
    fit("synthetic_unet", tmp_path / "tuned", f"--start={three}")
    before, after = load_module(three), load_module(tmp_path / "tuned" / "last.ckpt")
    distances = [
        (one - other).norm() / one.norm()
        for one, other in zip(before.parameters(), after.parameters(), strict=True)
        if one.ndim > 1
    ]
    assert 0 < max(distances) < 0.5


def test_seeds_of_a_recipe(tiny_run: Path, tmp_path: Path) -> None:
    """What is trained stays: the same command again trains nothing."""
    output = tmp_path / "seeds" / "best.ckpt"
    words = [*[word for word in TINY if "max_epochs" not in word], "--trainer.max_epochs=1"]
    done = run_command("ensemble", "--seeds", "0", "7", *words, f"--output={output}", "--batched")
    assert "member of seed 7" in done.stdout
    members = [load_module(tmp_path / "seeds" / f"seed-{seed}" / "best.ckpt") for seed in (0, 7)]
    first = output.read_bytes()
    assert (members[0](draw_images()) != members[1](draw_images())).any()
    module = load_module(output)
    assert module.network.batched
    with torch.inference_mode():
        wanted = torch.stack([member(draw_images()).softmax(1) for member in members]).mean(0)
        torch.testing.assert_close(module(draw_images()).softmax(1), wanted, rtol=1e-4, atol=1e-4)
    times = [(tmp_path / "seeds" / f"seed-{seed}" / "best.ckpt").stat().st_mtime_ns for seed in (0, 7)]
    run_command("ensemble", "--seeds", "0", "7", *words, f"--output={output}", "--batched")
    assert [(tmp_path / "seeds" / f"seed-{seed}" / "best.ckpt").stat().st_mtime_ns for seed in (0, 7)] == times
    assert len(output.read_bytes()) == len(first)


def test_refusals(tiny_run: Path, tiny_twin: Path, fpn: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    one, twin, output = tiny_run / "best.ckpt", tiny_twin / "best.ckpt", f"--output={tmp_path / 'out' / 'best.ckpt'}"
    assert "two checkpoints" in read_refusal("ensemble", "--checkpoints", one, output)
    assert "same checkpoint" in read_refusal("ensemble", "--checkpoints", one, fpn, one, output)
    assert "leave '--batched' out" in read_refusal("ensemble", "--checkpoints", one, fpn, output, "--batched")
    assert "unknown option '--trainer.max_epochs=1'" in read_refusal(
        "ensemble", "--checkpoints", one, twin, output, "--trainer.max_epochs=1"
    )
    assert "two different ones" in read_refusal("ensemble", "--seeds", "1", "1", output)
    assert "--run is set for each member" in read_refusal("ensemble", "--seeds", "0", "1", output, "--run=x")
    assert "holds another training" in read_refusal("ensemble", "--checkpoints", one, twin, f"--output={twin}")
    monkeypatch.setattr(memory, "read_available_bytes", lambda: 1000)
    assert "do not fit into" in read_refusal("ensemble", "--checkpoints", one, twin, output)


def test_members_of_one_training(tiny_run: Path, tmp_path: Path) -> None:
    """They are known wherever they were copied to; snapshots are meant to be of one."""
    content, output = read_checkpoint(tiny_run / "best.ckpt"), f"--output={tmp_path / 'out' / 'best.ckpt'}"
    later = {**content, "state_dict": {name: value + 1 for name, value in content["state_dict"].items()}}
    plain = {key: later[key] for key in later if key not in ("training", "callbacks")}
    files = {}
    for name, one in {
        "a/best": content,
        "b/last": later,
        "b/other": {**later, "training": {**later["training"], "seed": 9}},
        "c/same": {**content, "epoch": -1},
        "d/snapshot-1": content,
        "d/snapshot-2": plain,
        "d/best": plain,
    }.items():
        files[name] = tmp_path / f"{name}.ckpt"
        files[name].parent.mkdir(exist_ok=True)
        torch.save(one, files[name])
    (tmp_path / "d" / "config.yaml").write_text((tiny_run / "config.yaml").read_text())

    def refused(*names: str) -> str:
        return read_refusal("ensemble", "--checkpoints", *(files[name] for name in names), output)

    assert "are of one training" in refused("a/best", "b/last")
    assert "are of one training" in refused("d/snapshot-1", "d/best")
    assert "hold the same weights" in refused("a/best", "c/same")
    for words in (["a/best", "b/other"], ["d/snapshot-1", "d/snapshot-2"], ["a/best", "b/last", "--one-training"]):
        ensemble.main(["--checkpoints", *(str(files.get(word, word)) for word in words), output])


def test_members_of_another_task(tiny_run: Path, tmp_path: Path) -> None:
    """Other sizes, classes or channels are named."""
    content, settings = read_checkpoint(tiny_run / "best.ckpt"), yaml.safe_load((tiny_run / "config.yaml").read_text())
    output = f"--output={tmp_path / 'out' / 'best.ckpt'}"

    def member(name: str, classes: int, size: list[int], **retained: str | list[str]) -> Path:
        path = tmp_path / name / "best.ckpt"
        path.parent.mkdir()
        data = {**content["SyntheticDataModule"], **retained}
        if classes != right:
            data = {**data, "classes": [f"class {one}" for one in range(classes)], "palette": None}
        hyper = {**content["hyper_parameters"], "num_classes": classes}
        torch.save({**content, "hyper_parameters": hyper, "SyntheticDataModule": data}, path)
        settings["data"]["init_args"]["size"] = size
        (path.parent / "config.yaml").write_text(yaml.safe_dump(settings))
        return path

    right = content["hyper_parameters"]["num_classes"]
    other, large = member("classes", right + 1, [64, 64]), member("sizes", right, [96, 96])
    assert f"number of classes {right + 1}" in read_refusal(
        "ensemble", "--checkpoints", tiny_run / "best.ckpt", other, output
    )
    assert "input size [96, 96]" in read_refusal("ensemble", "--checkpoints", tiny_run / "best.ckpt", large, output)
    named = member("channels", right, [64, 64], channels=["t1", "t2", "flair"])
    assert "the channels ['t1', 't2', 'flair']" in read_refusal(
        "ensemble", "--checkpoints", tiny_run / "best.ckpt", named, output
    )
    padded = member("aspects", right, [64, 64], aspect="pad")
    assert "aspect pad" in read_refusal("ensemble", "--checkpoints", tiny_run / "best.ckpt", padded, output)
