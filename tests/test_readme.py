"""What README and docs show: its code runs, and what they name is there."""

import re
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from command_line import ROOT
from doc_blocks import FILE, PAGES, find_blocks
from jsonargparse import ArgumentParser

from datamodules.corruptions.base import SEVERITIES
from experiments.__main__ import VERBS
from experiments.record_files.record_file import open_record
from lightning_modules.batch_transforms.base import BatchTransform
from lightning_modules.networks.smp import SmpNetwork
from lightning_modules.objectives.supervised import Supervised
from lightning_modules.segmentation import SegmentationModule
from lightning_modules.training_batch import read_training_batch


def added(name: str) -> tuple[Any, dict]:
    """A class that README adds, and the entry of the YAML that it adds for it."""
    (code,) = [text for text in find_blocks(PAGES[0], "python") if f"class {name}(" in text]
    (config,) = [text for text in find_blocks(PAGES[0], "yaml") if f".{name}\n" in text]
    namespace: dict[str, Any] = {}
    exec(compile(code, name, "exec"), namespace)
    module = code.splitlines()[0].removeprefix("# ").removesuffix(".py").replace("/", ".")
    settings = yaml.safe_load(config)
    entry = settings["corruptions"][0] if "corruptions" in settings else settings
    assert entry["class_path"] == f"{module}.{name}"
    return namespace[name], entry.get("init_args", {})


def test_a_network_is_added_as_shown() -> None:
    cls, settings = added("PlainNetwork")
    network = cls(4, 5, **settings)
    logits = network(torch.randint(0, 256, (2, 5, 33, 47), dtype=torch.uint8))
    assert logits.shape == (2, 4, 33, 47)
    logits.square().sum().backward()
    assert all(parameter.grad is not None and parameter.grad.any() for parameter in network.parameters())


def test_a_corruption_is_added_as_shown() -> None:
    cls, settings = added("Posterise")
    corruption = cls(**settings)
    images = torch.randint(0, 256, (2, 3, 40, 48), dtype=torch.uint8)
    met = [corruption(images, severity, torch.arange(2)) for severity in SEVERITIES]
    assert [len(one.unique()) for one in met] == [2**bits for bits in corruption.severities["bits"]]
    assert len({str(corruption.describe_parameters(severity)) for severity in SEVERITIES}) == 5


def test_a_batch_transform_and_an_objective_are_added_as_shown() -> None:
    made: dict[str, Any] = {}
    for code in find_blocks(ROOT / "docs" / "training.md", "python"):
        exec(compile(code, "training", "exec"), made)
    objective = made["Mirrored"](Supervised(), weight=2.0)
    module = SegmentationModule(SmpNetwork, 4, batch_transforms=[made["Noise"]()], objective=objective)
    batch = {"image": torch.rand(2, 3, 64, 64), "mask": torch.randint(0, 4, (2, 64, 64)), "id": ["a", "b"]}
    loss, logged = module.apply_objective(module.transform_batch(read_training_batch(batch)))
    loss.backward()
    assert list(logged) == ["train/mirrored"] == list(objective.logged)
    assert 0 < 2 * logged["train/mirrored"] < loss
    for config in filter(FILE.match, find_blocks(ROOT / "docs" / "training.md", "yaml")):
        assert yaml.safe_load(config)["class_path"].rsplit(".", 1)[1] in made


def test_a_batch_transform_is_made_as_shown() -> None:
    """By a component whose file is of the user's own."""
    (config,) = [one for one in find_blocks(ROOT / "docs" / "robust_training.md", "yaml") if not FILE.match(one)]
    parser = ArgumentParser(exit_on_error=False)
    parser.add_subclass_arguments(BatchTransform, "one")
    shown = parser.instantiate(parser.parse_object({"one": yaml.safe_load(config)})).one
    assert [one.name for one in shown.corruptions] == ["fog", "low_light"]


def test_a_loop_of_ones_own_is_as_shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (code,) = [text for text in find_blocks(PAGES[0], "python") if "experiments.library" in text]
    images = torch.randint(0, 256, (2, 3, 32, 32), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    given: dict[str, Any] = {
        "image": images[0].permute(1, 2, 0).numpy(),
        "model": torch.nn.Conv2d(3, 3, 1),
        "loader": [(images, images[:, 0].long() % 3)],
    }
    exec(compile(code, "readme", "exec"), given)
    assert given["foggy"].shape == (32, 32, 3)
    assert (given["foggy"] != given["image"]).mean() > 0.5
    record, counts = open_record(tmp_path / "mine" / "record.json")
    assert len(record.cells) == 76
    assert counts is not None


def test_the_library_is_used_as_shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    made: dict[str, Any] = {}
    for code in find_blocks(ROOT / "docs" / "library.md", "python"):
        exec(compile(code, "library", "exec"), made)
    assert (made["foggy"] == made["same"]).all()
    record, images = open_record(tmp_path / "mine" / "record.json")
    assert record.data.images == 6
    assert images is not None


@pytest.mark.parametrize("architecture", ["Unet", "FPN", "DeepLabV3Plus"])
def test_a_part_is_added_as_shown(architecture: str) -> None:
    (code,) = [text for text in find_blocks(ROOT / "docs" / "networks.md", "python") if "(Part):" in text]
    namespace: dict[str, Any] = {}
    exec(compile(code, "part", "exec"), namespace)
    network = SmpNetwork(4, 5, architecture=architecture, parts=[namespace["ChannelScale"]()])
    network(torch.randint(0, 256, (2, 5, 64, 64), dtype=torch.uint8)).square().sum().backward()
    scales = [module for module in network.modules() if isinstance(module, namespace["Scale"])]
    assert scales
    assert all(one.factor.grad is not None for one in scales)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_what_a_page_names_is_there(page: Path) -> None:
    text = page.read_text()
    for verb in re.findall(r"python -m experiments ([a-z]+)", text):
        assert verb in VERBS
    made = {line.removeprefix("# ") for line in re.findall(r"^# \S+$", text, re.MULTILINE)}
    for path in re.findall(
        r"\b(?:experiments/(?:configs|launch|studies)|docs|notebooks)/[\w/.-]+\.(?:yaml|sh|md|png|ipynb)", text
    ):
        assert path in made or path.endswith("FILE.yaml") or (ROOT / path).exists(), path
    for link in re.findall(r"\]\(([^)#]+)", text):
        assert link.startswith("http") or (page.parent / link).exists(), link
