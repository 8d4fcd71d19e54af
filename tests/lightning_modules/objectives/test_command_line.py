"""Every objective YAML through the command line."""

import json
from pathlib import Path

import pytest
from command_line import ROOT, TINY, run_command
from published_folders import CONFIGS

YAMLS = Path("experiments/configs")
PATHS = sorted((ROOT / YAMLS / "objective").glob("*.yaml"))


@pytest.mark.parametrize("name", [path.stem for path in PATHS])
def test_a_recipe_with_it_runs(name: str, tmp_path: Path) -> None:
    """With a network that has what the objective trains: further tasks, or a loss of its own."""
    network, words = tmp_path / "network.yaml", TINY
    if "multi_task" in name:
        network = YAMLS / "network/unet_multi_task.yaml"
    elif name == "network_loss":
        settings = {"model": "eomt", "config": CONFIGS["eomt"]}
        class_path = "lightning_modules.networks.adapters.transformers.TransformersNetwork"
        network.write_text(json.dumps({"class_path": class_path, "init_args": settings}))
    else:
        network = YAMLS / "network/unet.yaml"
    if network.stem != "unet":
        words = [word for word in TINY if "network" not in word]
    recipe, *settings = words
    chosen = (f"--model.init_args.network={network}", f"--model.init_args.objective={YAMLS}/objective/{name}.yaml")
    run_command("fit", recipe, *chosen, *settings, "--trainer.fast_dev_run=true", f"--run={tmp_path / 'run'}")
