import gc
import os
from pathlib import Path

import pytest
from command_line import ROOT, TINY, run_command
from hypothesis import settings

from safe_files.roots import DATA

settings.register_profile("suite", deadline=None)  # how fast a property is tried says how busy the machine is
settings.load_profile("suite")
os.environ["WANDB_MODE"] = "disabled"  # tests of W&B set it themselves
os.environ["HF_HUB_OFFLINE"] = "1"
os.environ.setdefault("NO_ALBUMENTATIONS_UPDATE", "1")

if (BESIDE := ROOT.parent / "shared" / "data").is_dir():  # where the project's developers have theirs
    os.environ.setdefault(DATA, str(BESIDE))


def pytest_collection_finish() -> None:
    """What the imports brought stays to the end: looking for garbage among it took a twentieth of the time."""
    gc.freeze()


@pytest.fixture(scope="session", autouse=True)
def state_of_the_tests(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Keys that seal what tests begin do not lie in the user's home."""
    os.environ["XDG_STATE_HOME"] = str(tmp_path_factory.mktemp("state"))


@pytest.fixture(scope="session")
def tiny_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run folder of a network trained for two epochs on a few synthetic scenes."""
    run = tmp_path_factory.mktemp("runs") / "tiny"
    run_command("fit", *TINY, f"--run={run}")
    return run


@pytest.fixture(scope="session")
def tiny_twin(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same training with another seed."""
    run = tmp_path_factory.mktemp("runs") / "twin"
    run_command("fit", *TINY, "--seed_everything=1", f"--run={run}")
    return run


@pytest.fixture(scope="session")
def tiny_record(tiny_run: Path) -> Path:
    """The record of its sweep."""
    output = tiny_run / "tiny.json"
    run_command("benchmark", f"--checkpoint={tiny_run / 'best.ckpt'}", "--suite=smoke", f"--output={output}")
    return output
