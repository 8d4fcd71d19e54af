"""Nothing in a stranger's file runs: forms of a payload over every verb that opens one, and no marker left behind."""

import contextlib
import io
import shutil
from collections.abc import Callable
from pathlib import Path

import payloads
import pytest
import yaml
from command_line import TINY
from PIL import Image

from experiments.__main__ import main
from lightning_modules.networks.adapters.any_module import AnyModule
from user_error import UserError

VERBS: dict[str, Callable[[Path, Path], list[str]]] = {
    "predict": lambda net, out: ["--checkpoint", str(net), str(net.parent / "image.png"), "--output", str(out)],
    "benchmark": lambda net, out: ["--checkpoint", str(net), "--suite=smoke", f"--output={out}/x.json"],
    "trust": lambda net, out: ["--checkpoint", str(net), "--suite=smoke", "--images=4", f"--output={out}/x.json"],
    "demo": lambda net, out: ["--checkpoint", str(net), "--suite=none", "--port=0"],  # that suite ends it in any case
    "export": lambda net, out: ["--checkpoint", str(net), "--int8", "--output", f"{out}/x.onnx"],
    "costs": lambda net, out: ["--checkpoints", str(net), "--size", "32", "32", "--output", f"{out}/x.json"],
    "plan": lambda net, out: ["--checkpoint", str(net), "--images", "8", "--size", "32", "32", "--suite=smoke"],
    "calibrate": lambda net, out: ["--checkpoint", str(net), f"--output={out}/x.ckpt"],
    "prune": lambda net, out: ["--checkpoint", str(net), f"--output={out}/x.ckpt", "--ratio=0.5"],
    "svm": lambda net, out: ["--checkpoint", str(net), f"--output={out}/x.ckpt"],
    "slide": lambda net, out: ["--checkpoint", str(net), "--window", "32", "32", "--output", f"{out}/x.ckpt"],
    "tta": lambda net, out: ["--checkpoint", str(net), "--output", f"{out}/x.ckpt"],
    "ensemble": lambda net, out: [
        "--checkpoints",
        str(net),
        str(net.parent / "other.ckpt"),
        "--output",
        f"{out}/x.ckpt",
    ],
    "soup": lambda net, out: ["--checkpoints", str(net), str(net.parent / "other.ckpt"), f"--output={out}/x.ckpt"],
    "fit": lambda net, out: [*TINY, f"--start={net}", f"--run={out}/run"],
}
"""Options of each verb that opens a checkpoint, for a checkpoint and an output folder."""

READ_CONFIG = ("benchmark", "trust", "demo", "calibrate", "export", "prune", "svm", "soup")
"""Verbs that build the data of the run folder."""


@pytest.fixture
def untrusted_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A stranger's run folder, which is also where the user works: what lies there is on the path of imports."""
    folder = tmp_path / "stranger"
    folder.mkdir()
    Image.new("RGB", (32, 32)).save(folder / "image.png")
    (folder / "config.yaml").write_text(yaml.safe_dump({"data": payloads.SYNTHETIC}))
    settings = {"network": payloads.SMALL, "num_classes": 5, "in_channels": 3}
    payloads.save_checkpoint(folder / "other.ckpt", settings)
    shutil.copytree("experiments/configs", folder / "experiments/configs", dirs_exist_ok=True)
    monkeypatch.chdir(folder)
    monkeypatch.syspath_prepend(str(folder))
    return folder


def run(verb: str, words: list[str]) -> str:
    """What a verb says; it must end with a sentence, whatever it makes of the file."""
    printed = io.StringIO()
    with contextlib.redirect_stderr(printed), contextlib.redirect_stdout(printed):
        status = main([verb, *words])
    assert status in (0, 2), printed.getvalue()
    return printed.getvalue()


def test_the_payload_is_alive(tmp_path: Path) -> None:
    """In a recipe of the user's own, which is code by design, it runs: a marker that is missing below means something."""
    marker = tmp_path / "ran"
    with pytest.raises(UserError, match="made a int"):
        AnyModule(2, 3, **payloads.make_live_component(marker)["init_args"])
    assert marker.exists()


@pytest.mark.parametrize("verb", VERBS)
def test_no_checkpoint_runs_anything(untrusted_folder: Path, tmp_path: Path, verb: str) -> None:
    marker, net, refused = tmp_path / "ran", untrusted_folder / "best.ckpt", 0
    forms = payloads.make_hyperparameters(untrusted_folder, marker)
    assert len(forms) > 80
    for number, (form, settings) in enumerate(forms.items()):
        payloads.save_checkpoint(net, settings)
        refused += "error: " in run(verb, VERBS[verb](net, tmp_path / f"out-{number}"))
        assert not marker.exists(), form
    for form, write in payloads.make_pickles(marker).items():
        write(net)
        assert "error: " in run(verb, VERBS[verb](net, tmp_path / "out")), form
        assert not marker.exists(), form
    harmless = 5  # settings that a verb which builds nothing hands on: names of encoders, of tasks, of Transformers
    assert refused >= len(forms) - harmless


@pytest.mark.parametrize("verb", READ_CONFIG)
def test_no_run_folder_runs_anything(untrusted_folder: Path, tmp_path: Path, verb: str) -> None:
    marker, net = tmp_path / "ran", untrusted_folder / "best.ckpt"
    payloads.make_texts(untrusted_folder, marker)
    shutil.copy(untrusted_folder / "other.ckpt", net)
    for form, text in payloads.make_configs(untrusted_folder, marker).items():
        (untrusted_folder / "config.yaml").write_text(text)
        assert "error: " in run(verb, VERBS[verb](net, tmp_path / "out")), form
        assert not marker.exists(), form


RESUMED = ("network: json", "network: component", "network: path of a yaml", "loss: text", "module", "module of os")
"""Forms that are tried with the verb that takes seconds to parse its settings."""


@pytest.mark.parametrize("words", ["--ckpt_path={0} --run={1}/run", "--run={2}"])
def test_no_resumed_training_runs_anything(untrusted_folder: Path, tmp_path: Path, words: str) -> None:
    """As a checkpoint that is named, and as the last one of a run folder that a training is to go on in."""
    marker, net = tmp_path / "ran", untrusted_folder / "last.ckpt"
    options = [*TINY, *(word.format(net, tmp_path, untrusted_folder) for word in words.split())]
    forms = payloads.make_hyperparameters(untrusted_folder, marker)
    for form in RESUMED:
        payloads.save_checkpoint(net, forms[form])
        assert "error: " in run("fit", options), form
        assert not marker.exists(), form
    for form, write in payloads.make_pickles(marker).items():
        write(net)
        assert "error: " in run("fit", options), form
        assert not marker.exists(), form
