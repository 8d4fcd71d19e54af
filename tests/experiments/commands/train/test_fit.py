import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
import yaml
from command_line import ROOT, SMALL_NETWORK, TINY, read_refusal, run_command
from tiny_folder import make_tiny_folder

from experiments.checkpoints.checkpoint import load_module, read_checkpoint


def read_weights(path: Path) -> dict[str, torch.Tensor]:
    return read_checkpoint(path)["state_dict"]


def assert_same(one: Path, other: Path) -> None:
    left, right = read_weights(one), read_weights(other)
    assert left.keys() == right.keys()
    for key, value in left.items():
        torch.testing.assert_close(value, right[key], rtol=0, atol=0, msg=key)


def test_run_folder(tiny_run: Path) -> None:
    assert {"best.ckpt", "last.ckpt", "config.yaml", "metrics"} <= {path.name for path in tiny_run.iterdir()}
    settings = yaml.safe_load((tiny_run / "config.yaml").read_text())
    assert settings["seed_everything"] == 0
    assert settings["data"]["init_args"]["train"] == 24
    rows = (tiny_run / "metrics" / "version_0" / "metrics.csv").read_text()
    assert "val/miou" in rows


def test_run_folder_is_a_recipe(tiny_run: Path, tmp_path: Path) -> None:
    run_command("fit", f"--config={tiny_run / 'config.yaml'}", f"--run={tmp_path / 'again'}")
    assert_same(tiny_run / "last.ckpt", tmp_path / "again" / "last.ckpt")


def test_checkpoint_rebuilds_its_network(tiny_run: Path) -> None:
    module = load_module(tiny_run / "best.ckpt")
    assert module.num_classes == 5
    assert module(torch.zeros(1, 3, 50, 70, dtype=torch.uint8)).shape == (1, 5, 50, 70)


def test_a_training_starts_from_another(tiny_run: Path, tmp_path: Path) -> None:
    """Its network, here of another encoder than the recipe's, and its weights: with steps of no length they stay."""
    start, run = tiny_run / "best.ckpt", tmp_path / "tuned"
    words = [word for word in TINY if "max_epochs" not in word and "network" not in word]
    still = ["--trainer.max_epochs=1", "--model.init_args.optimizer.init_args.lr=0"]
    run_command("fit", *words, *still, f"--start={start}", f"--run={run}")
    before, after = load_module(start), load_module(run / "best.ckpt")
    for name, parameter in before.named_parameters():
        assert torch.equal(parameter, after.get_parameter(name)), name
    run_command("fit", f"--config={run / 'config.yaml'}", f"--run={tmp_path / 'again'}")
    assert_same(run / "last.ckpt", tmp_path / "again" / "last.ckpt")


def test_what_nothing_can_start_from(tiny_run: Path, tmp_path: Path) -> None:
    start, run = tiny_run / "best.ckpt", f"--run={tmp_path / 'run'}"
    assert "no checkpoint 'nowhere.ckpt'" in read_refusal("fit", *TINY, "--start=nowhere.ckpt", run)
    assert "--start needs the path" in read_refusal("fit", *TINY, run, "--start")
    assert "another network" in read_refusal("fit", *TINY, f"--start={start}", "--data.init_args.num_classes=7", run)


LONGER = [*TINY, "--trainer.max_epochs=4", "--model.init_args.network.init_args.dropout=0.2"]


@pytest.fixture(scope="module")
def unbroken(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The last checkpoint of a training that ran through."""
    run = tmp_path_factory.mktemp("unbroken")
    run_command("fit", *LONGER, f"--run={run}")
    return run / "last.ckpt"


@pytest.mark.parametrize(("by", "status"), [(signal.SIGTERM, 143), (signal.SIGUSR1, -10)])
def test_a_stopped_training_goes_on(unbroken: Path, tmp_path: Path, by: signal.Signals, status: int) -> None:
    """After its first checkpoint; the same command ends with the weights of a training that ran through."""
    run, words = tmp_path, LONGER
    process = subprocess.Popen(
        [sys.executable, "-m", "experiments", "fit", *words, f"--run={run}"],
        cwd=ROOT,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    deadline = time.monotonic() + 120
    while not (run / "last.ckpt").exists() and time.monotonic() < deadline and process.poll() is None:
        time.sleep(0.005)
    os.killpg(process.pid, by)
    assert process.wait() == status
    assert read_checkpoint(run / "last.ckpt")["epoch"] < 3
    again = run_command("fit", *words, f"--run={run}")
    assert f"resuming {run / 'last.ckpt'}" in again.stdout
    assert_same(unbroken, run / "last.ckpt")


def test_two_processes_train_and_agree_on_the_validation(tmp_path: Path) -> None:
    """9 validation images in batches of 4 over two processes, and a network with attention: none waits for another."""
    run = tmp_path / "run"
    run_command(
        "fit",
        *TINY,
        f"--run={run}",
        "--model.init_args.network=experiments/configs/network/unet_scse.yaml",
        *SMALL_NETWORK,
        "--trainer.devices=2",
        "--trainer.accelerator=cpu",
        "--trainer.max_epochs=1",
        OMP_NUM_THREADS="1",
    )
    assert read_checkpoint(run / "last.ckpt")["global_step"] == 3  # 24 images / (4 x 2 processes)


def test_other_settings_do_not_mix(tiny_run: Path) -> None:
    words = ("fit", *TINY, f"--run={tiny_run}")
    assert "model.init_args.optimizer.init_args.lr" in read_refusal(
        *words, "--model.init_args.optimizer.init_args.lr=0.1"
    )


def test_other_data_do_not_mix(tmp_path: Path) -> None:
    """They are known by the name of their folder, wherever it lies."""
    for folder in ("here/mine", "elsewhere/mine", "elsewhere/yours"):
        make_tiny_folder(tmp_path / folder, 2)
    words = [word for word in TINY if ".train=" not in word and ".val=" not in word and ".test=" not in word]
    words = ["fit", words[0], "--data=experiments/configs/data/kvasir_seg.yaml", *words[1:], "--trainer.max_epochs=1"]
    words += ["--data.init_args.batch_size=2", f"--run={tmp_path / 'run'}"]
    run_command(*words, f"--data.init_args.root={tmp_path / 'here/mine'}")
    assert "trained before" in run_command(*words, f"--data.init_args.root={tmp_path / 'elsewhere/mine'}").stdout
    assert "another data.init_args.root" in read_refusal(
        *words, f"--data.init_args.root={tmp_path / 'elsewhere/yours'}"
    )


def test_a_training_that_begins_anew_leaves_no_record(tmp_path: Path) -> None:
    """It would be one of a network that is no more."""
    run = tmp_path / "run"
    (run / "record-core.unfinished").mkdir(parents=True)
    for name in ("record-core.json", "record-core.npz", "record-core.worst-1.png", "notes.txt"):
        (run / name).touch()
    run_command("fit", *TINY, f"--run={run}", "--restart", "--trainer.max_epochs=1")
    assert not list(run.glob("record-*"))
    assert (run / "notes.txt").exists()


def test_finished_training_is_left_as_it_is(tiny_run: Path) -> None:
    best, last = (tiny_run / "best.ckpt").read_bytes(), read_weights(tiny_run / "last.ckpt")
    run_command("fit", *TINY, f"--run={tiny_run}")
    assert (tiny_run / "best.ckpt").read_bytes() == best
    for key, value in read_weights(tiny_run / "last.ckpt").items():
        torch.testing.assert_close(value, last[key], rtol=0, atol=0, msg=key)


def test_regularisation_and_other_components(tmp_path: Path) -> None:
    run_command(
        "fit",
        *TINY,
        f"--run={tmp_path}",
        "--model.init_args.optimizer=experiments/configs/optimizer/sgd.yaml",
        "--model.init_args.schedule=experiments/configs/schedule/polynomial.yaml",
        "--model.init_args.loss=experiments/configs/loss/cross_entropy_dice.yaml",
        "--trainer.callbacks+=pytorch_lightning.callbacks.EMAWeightAveraging",
        "--trainer.callbacks.decay=0.9",
        "--trainer.callbacks+=pytorch_lightning.callbacks.EarlyStopping",
        "--trainer.callbacks.monitor=val/miou",
        "--trainer.callbacks.mode=max",
        "--trainer.callbacks+=pytorch_lightning.callbacks.ModelCheckpoint",
        f"--trainer.callbacks.dirpath={tmp_path / 'epochs'}",
        "--trainer.callbacks.save_top_k=-1",
        "--trainer.callbacks.filename={epoch}",
        "--trainer.gradient_clip_val=0.5",
    )
    assert {path.name for path in (tmp_path / "epochs").iterdir()} == {"epoch=0.ckpt", "epoch=1.ckpt"}
    content = read_checkpoint(tmp_path / "best.ckpt")
    assert "current_model_state" in content  # EMA: the state that is scored stands beside the one that is trained
    load_module(tmp_path / "best.ckpt")
    run_command("benchmark", f"--checkpoint={tmp_path / 'best.ckpt'}", "--suite=smoke")


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (["--model.init_args.los=x"], "los"),
        (["--model.init_args.loss=lightning_modules.losses.NoLoss"], "NoLoss"),
        (["--data.init_args.sizes=[64,64]"], "sizes"),
        (["--trainer.max_epoch=1"], "max_epoch"),
        (["--model.init_args.network.init_args.encoder=resnet81"], "resnet81"),
        (["--model.init_args.network.init_args.architecture=Unett"], "UnetPlusPlus"),
        (["--model.init_args.encoder_weights=nowhere.pt"], "nowhere.pt"),
        (
            ["--model.init_args.network.init_args.encoder=resnet18", "--model.init_args.encoder_weights=imagenet"],
            "local file",
        ),
        (["--data.init_args.train=0"], "train"),
        (["--model.init_args.optimizer.init_args.lr=1e30"], "learning rate"),
        (["--ckpt_path=nowhere.ckpt"], "nowhere.ckpt"),
    ],
)
def test_refusals(words: list[str], named: str, tmp_path: Path) -> None:
    assert named in read_refusal("fit", *TINY, f"--run={tmp_path}", *words)


def test_no_recipe() -> None:
    assert "--config" in read_refusal("fit")


def test_missing_recipe() -> None:
    assert "nowhere.yaml" in read_refusal("fit", "--config=nowhere.yaml")


def test_unwritable_run(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    assert str(tmp_path / "file") in read_refusal("fit", *TINY, f"--run={tmp_path / 'file' / 'run'}")
