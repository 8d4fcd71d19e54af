"""A sweep in a plain loop: the record of 'benchmark' for the same network and images, from any model and any loader."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from command_line import run_command
from own_conditions import GradientSign, Learning
from tiny_folder import make_tiny_folder
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

from datamodules.corruptions import corrupt
from datamodules.corruptions.noise import GaussianNoise
from datamodules.datasets.folder import FolderDataModule
from datamodules.datasets.synthetic import SyntheticDataModule
from experiments.checkpoints.checkpoint import load_module
from experiments.evaluation.record import FORMAT, dump
from experiments.library import Normalise, sweep
from experiments.record_files.record_file import open_record
from experiments.reporting.origin import describe_origin
from experiments.sweeping.suite import Suite
from experiments.sweeping.sweep import sweep_temporarily
from lightning_modules.segmentation import SegmentationModule
from user_error import UserError

OF_ITS_OWN = {"name", "created", "checkpoint", "environment", "recipe", "per_image"}
SMALL = Suite("small", 1, [GaussianNoise()], {"gaussian_noise": [2]})


class Colours(nn.Module):
    """Three classes by colour; `form` says what it gives them in."""

    def __init__(self, form: str = "tensor") -> None:
        super().__init__()
        torch.manual_seed(0)
        self.layers = nn.Sequential(nn.Conv2d(3, 8, 3, 2, 1), nn.BatchNorm2d(8), nn.Conv2d(8, 3, 1))
        self.form = form

    def forward(self, image: Tensor) -> Any:
        logits = self.layers(image)
        return {"tensor": logits, "out": {"out": logits, "aux": 1}, "list": [1, logits]}[self.form]


def give(batch_size: int = 2, number: int = 3) -> DataLoader:
    random = torch.Generator().manual_seed(0)
    images = torch.randint(0, 256, (number, 3, 40, 48), generator=random, dtype=torch.uint8)
    return DataLoader(TensorDataset(images, torch.randint(0, 3, (number, 40, 48), generator=random)), batch_size)


def test_the_record_is_that_of_benchmark(tiny_run: Path, tiny_record: Path, tmp_path: Path) -> None:
    data = SyntheticDataModule(size=(64, 64), test=13, eval_batch_size=4, num_workers=0)
    loader = [(batch["image"], batch["mask"], batch["id"]) for batch in data.test_dataloader()]
    loader[-1] = tuple(part[:1] for part in loader[-1])  # less the filling
    network = load_module(tiny_run / "best.ckpt").network
    found = sweep(network, loader, "smoke", classes=data.classes, data="synthetic", progress=False)
    found.write(tmp_path / "mine.json")
    mine, images = open_record(tmp_path / "mine.json")
    theirs, their_images = open_record(tiny_record)
    one, other = (json.loads(dump(record)) for record in (mine, theirs))
    del other["data"]["content"]  # files, which a loop does not know
    other["pictures"] = []
    assert {key: one[key] for key in one.keys() - OF_ITS_OWN} == {key: other[key] for key in other.keys() - OF_ITS_OWN}
    assert images is not None
    assert their_images is not None
    assert images.ids == their_images.ids
    for name, counts in their_images.counts.items():
        np.testing.assert_array_equal(images.counts[name], counts)
    result = run_command("compare", tiny_record, tmp_path / "mine.json")
    assert "tiny" in result.stdout
    assert run_command("leaderboard", tiny_record, tmp_path / "mine.json").stdout.count("| network |") == 1


def test_files_are_corrupted_at_their_own_size_and_resized(tmp_path: Path) -> None:
    """The counts of the sweep that 'benchmark' makes of the same folder, without Lightning's trainer."""
    data = FolderDataModule(
        root=make_tiny_folder(tmp_path / "data", 3), size=(32, 40), eval_batch_size=2, num_workers=0
    )
    module = SegmentationModule(lambda *_: Wrapped(), 3)
    expected = sweep_temporarily(module, data, SMALL, "cpu", "32-true")
    files = FolderDataModule(root=tmp_path / "data", eval_batch_size=2, num_workers=0)
    found = sweep(module, files.test_dataloader(), SMALL, size=(32, 40), progress=False)
    assert found.suite.model_dump() == {**SMALL.make_manifest((32, 40)), "conditions": found.suite.conditions}
    for name, counts in expected.counts.items():
        np.testing.assert_array_equal(found.images.counts[name], counts)
    assert found.data.images == 3
    assert found.format == FORMAT


class Wrapped(nn.Module):
    """`Colours` behind the project's contract, in a few lines of its own."""

    def __init__(self) -> None:
        super().__init__()
        self.model = Colours()

    def forward(self, image: Tensor) -> Tensor:
        mean, std = (torch.tensor(one).view(1, 3, 1, 1) for one in ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)))
        logits = self.model((image / 255 - mean) / std)
        return nn.functional.interpolate(logits, image.shape[2:], mode="bilinear")


def test_the_counts_are_those_of_a_loop_by_hand() -> None:
    """Corrupt, predict, count pixel by pixel: what `corrupt` promises to be the pixels of a sweep."""
    model, loader = Colours(), give()
    found = sweep(model, loader, SMALL, preprocess=Normalise(), progress=False)
    hits, position = torch.zeros(3, dtype=torch.long), 0
    model.eval()
    for images, masks in loader:
        ids = [str(position + place) for place in range(len(images))]
        position += len(images)
        changed = corrupt(images, "gaussian_noise", 2, image_id=ids)
        logits = model(Normalise()(changed))
        predicted = nn.functional.interpolate(logits, images.shape[2:], mode="bilinear").argmax(1)
        hits += torch.bincount(masks[predicted == masks], minlength=3)
    assert np.diag(found.totals["confusion"][1]).tolist() == hits.tolist()


@pytest.mark.parametrize(("form", "output"), [("out", None), ("out", "out"), ("list", 1)])
def test_logits_are_found_in_what_a_model_gives(form: str, output: Any) -> None:
    of_tensor = sweep(Colours(), give(), SMALL, preprocess=Normalise(), progress=False)
    found = sweep(Colours(form), give(), SMALL, preprocess=Normalise(), output=output, progress=False)
    assert found.summary == of_tensor.summary
    assert found.classes == ["class 0", "class 1", "class 2"]


def test_the_model_is_left_as_it_was() -> None:
    model = Colours()
    model.layers[1].eval()
    model.layers[2].requires_grad_(False)
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    suite = Suite("learning", 1, network_conditions=[Learning(), GradientSign()])
    found = sweep(model, give(), suite, preprocess=Normalise(), progress=False)
    assert found.kinds == ["clean", "adaptation", "attack"]
    assert found.data.batch_size == 2
    assert [part.training for part in model.layers] == [True, False, True]
    assert model.training
    assert [weight.requires_grad for weight in model.parameters()] == [True] * 4 + [False] * 2
    assert all(torch.equal(before[name], tensor) for name, tensor in model.state_dict().items())
    assert torch.is_grad_enabled()
    assert not torch.is_inference_mode_enabled()


def test_ignored_pixels_units_and_channels() -> None:
    images, masks = give(3).dataset.tensors
    masks[0, :10] = -1
    meta = {str(place): {"patient": "ab"[place // 2]} for place in range(3)}
    options: dict[str, Any] = {
        "preprocess": Normalise(),
        "ignored": -1,
        "meta": meta,
        "unit": "patient",
        "progress": False,
    }
    found = sweep(Colours(), [(images, masks)], SMALL, **options)
    assert found.totals["confusion"][0].sum() == masks.numel() - 10 * 48
    assert found.images.units == ["a", "a", "b"]
    assert found.data.unit == "patient"


def use(model: Any = None, loader: Any = None, **options: Any) -> None:
    given = {"preprocess": Normalise(), "progress": False} | options
    sweep(model or Colours(), loader if loader is not None else give(), given.pop("suite", SMALL), **given)


def as_floats() -> Iterator[Any]:
    yield next(iter(give()))[0] / 255, next(iter(give()))[1]


IMAGES, MASKS = next(iter(give()))


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"model": lambda image: image}, "no torch.nn.Module"),
        ({"preprocess": None}, "pass preprocess=Normalise"),
        ({"classes": ["a", "b"]}, "tells 3 classes apart, and 2 are named"),
        ({"classes": ["a", "a", "b"]}, "a name of its own"),
        ({"suite": "none_of_ours"}, "no suite 'none_of_ours'"),
        ({"loader": []}, "gives no image"),
        ({"loader": as_floats()}, "8-bit images"),
        ({"loader": [IMAGES]}, "is no batch"),
        ({"loader": [(IMAGES, MASKS.float())]}, "whole number"),
        ({"loader": [(IMAGES, MASKS[:, :9])]}, "one size"),
        ({"loader": [(IMAGES, MASKS + 7)]}, "has class"),
        ({"loader": [(IMAGES, MASKS - 1)]}, "named by ignored="),
        ({"loader": [(IMAGES, MASKS, ["a"])]}, "one text, for each image"),
        ({"loader": [(IMAGES, MASKS, ["a", "a"])]}, "'a' twice"),
        ({"loader": [([IMAGES[0], IMAGES[1, :, 4:]], [MASKS[0], MASKS[1, 4:]])]}, "pass size="),
        ({"loader": [(IMAGES, torch.full_like(MASKS, 255))]}, "is ignored"),
        ({"output": "logits"}, "no logits as 'logits'"),
        ({"model": Colours("list")}, "set its argument output"),
        ({"channels": ["red"]}, "names of channels"),
        ({"unit": "patient"}, "pass meta="),
        ({"unit": "patient", "meta": {}}, "does not say the 'patient'"),
        ({"device": "abacus"}, "no device"),
        ({"size": (0, 4)}, "size is (0, 4): give a height"),
        ({"loader": iter([(IMAGES, MASKS)]), "suite": Suite("x", 1, network_conditions=[Learning()])}, "only once"),
        (
            {
                "loader": DataLoader(give(number=9).dataset, 1, True),
                "suite": Suite("x", 1, network_conditions=[Learning()]),
            },
            "another order",
        ),
    ],
)
def test_wrong_arguments_get_a_sentence(options: dict[str, Any], said: str) -> None:
    with pytest.raises(UserError) as met:
        use(**options)
    assert said in str(met.value)
    assert "\n" not in str(met.value)


def test_a_record_is_written_where_records_are(tmp_path: Path) -> None:
    found = sweep(Colours(), give(), SMALL, preprocess=Normalise(), progress=False, name="colours")
    with pytest.raises(UserError, match="must be named"):
        found.write(tmp_path / "record.txt")
    assert found.write(tmp_path / "new" / "record.json").is_file()
    again, images = open_record(tmp_path / "new" / "record.json")
    assert again.name == "colours"
    assert images is not None
    assert "sha256" not in again.checkpoint
    assert again.checkpoint["weights_sha256"]
    origin = describe_origin(1, again, tmp_path / "new" / "record.json")
    assert "--checkpoint" not in origin.commands
    assert "none; weights in a loop" in dict(origin.facts)["checkpoint"]
    assert "swept in a loop" in run_command("verify", tmp_path / "new" / "record.json").stdout
