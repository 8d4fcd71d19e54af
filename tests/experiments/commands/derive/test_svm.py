"""The SVM on frozen features against scikit-learn's own predictions, and its way into a checkpoint."""

import shutil
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import LinearSVC
from torch import nn
from torch.nn import functional as F

from datamodules.datasets.synthetic import SyntheticDataModule
from experiments.checkpoints.checkpoint import describe_data, load_module, read_checkpoint
from experiments.command_line.chosen_data import ChosenData
from experiments.command_line.data_option import choose_data
from experiments.commands.derive import svm
from experiments.commands.evaluate.benchmark import main as benchmark
from experiments.evaluation.recipe import compute_recipe_key
from experiments.probing.pixel_features import Reservoir, find_head, record_inputs, sample_features, sample_logits
from experiments.probing.temperature import fit_temperature, mean_nll
from experiments.record_files.record_file import read_record
from lightning_modules.networks.fcn import FcnNetwork
from lightning_modules.networks.heads.max_margin import MaxMarginNetwork
from lightning_modules.networks.parts.recurrent import ConvGru
from lightning_modules.networks.smp import SmpNetwork
from user_error import UserError

SMALL = {"encoder": "tu-mobilenetv3_small_050"}


def run(checkpoint: Path, output: Path, *words: str) -> Path:
    svm.main([f"--checkpoint={checkpoint}", f"--output={output}", "--device=cpu", "--pixels=2000", "--C=0.01", *words])
    return output


@pytest.fixture(scope="module")
def fitted(tiny_run: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return run(tiny_run / "best.ckpt", tmp_path_factory.mktemp("svm") / "tiny_svm" / "best.ckpt")


def make_batches(sizes: list[int], classes: int, side: int = 64) -> list[dict[str, Any]]:
    """Evaluation batches of noise, the same images however they are batched."""
    found, index = [], 0
    for size in sizes:
        images = []
        for _ in range(size):
            generator = torch.Generator().manual_seed(index)
            image = torch.randint(0, 256, (3, side, side - 7), dtype=torch.uint8, generator=generator)
            mask = torch.randint(0, classes, (side, side - 7), dtype=torch.uint8, generator=generator)
            mask[:5] = 255
            images.append({"image": image, "mask": mask, "index": torch.tensor(index)})
            index += 1
        found.append({key: torch.stack([one[key] for one in images]) for key in images[0]})
    return found


NETWORKS = {
    "unet": (SmpNetwork, {}),
    "dropout": (SmpNetwork, {"dropout": 0.2}),
    "fpn": (SmpNetwork, {"architecture": "FPN"}),
    "pan": (SmpNetwork, {"architecture": "PAN"}),
    "max_margin": (MaxMarginNetwork, {"max_norm": 0.1}),
    "max_margin_fpn": (MaxMarginNetwork, {"architecture": "FPN", "max_norm": 0.1}),
    "conv_gru": (SmpNetwork, {"parts": [ConvGru()]}),
}


@pytest.fixture
def network(request: Any) -> SmpNetwork:
    kind, settings = NETWORKS[request.param]
    torch.manual_seed(0)
    return kind(3, **SMALL, **settings).eval()


@pytest.mark.parametrize("network", NETWORKS, indirect=True)
@torch.inference_mode()
def test_features_are_what_the_head_sees(network: SmpNetwork) -> None:
    """Against torch's own unfolding and enlarging of whole maps, and against the logits themselves."""
    head, image = find_head(network), make_batches([1], 3)[0]["image"]
    rows, columns = (grid.flatten() for grid in torch.meshgrid(torch.arange(64), torch.arange(57), indexing="ij"))
    with record_inputs(head.convolution) as seen:
        logits = network(image)[0]
    found = head.compute_features(seen[0][0], rows, columns)
    size, (height, width) = head.convolution.kernel_size[0], seen[0].shape[2:]
    unfolded = F.unfold(seen[0], size, padding=size // 2).view(1, -1, height, width)
    upsampled = nn.Upsample(scale_factor=head.scale, mode="bilinear", align_corners=True)(unfolded)[0]
    torch.testing.assert_close(found, upsampled[:, rows, columns].T, rtol=1e-4, atol=1e-4)
    wanted = found @ head.weight.flatten(1).T + head.bias
    torch.testing.assert_close(logits[:, rows, columns].T, wanted, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("network", ["unet", "fpn", "max_margin", "max_margin_fpn"], indirect=True)
def test_head_gives_the_decisions_of_the_machine(network: SmpNetwork) -> None:
    head, data = find_head(network), SyntheticDataModule(train=4, val=2, num_classes=3, size=(64, 64), num_workers=0)
    options = SimpleNamespace(pixels=300, seed=0, C=1.0)
    found = sample_features(head, data.make_evaluation_dataloader("train"), 3, 100, seed=0)
    features = np.concatenate([found[true] for true in range(3)])
    weight, bias = svm.fit_svm(features, np.repeat(range(3), 100), 1.0, 0)
    wanted = torch.from_numpy(features @ weight.T + bias).float()
    svm.replace_head(head, data, options)
    again = sample_features(
        head, data.make_evaluation_dataloader("train"), 3, 100, seed=0
    )  # holds them against the logits
    np.testing.assert_array_equal(np.concatenate([again[true] for true in range(3)]), features)

    def decide() -> torch.Tensor:
        scores = torch.from_numpy(features) @ head.weight.detach().flatten(1).T + head.bias.detach()
        return scores / head.temperature

    torch.testing.assert_close(decide(), wanted, rtol=1e-3, atol=1e-3)
    temperature = svm.calibrate(head, data, options)
    torch.testing.assert_close(decide(), wanted / temperature, rtol=1e-3, atol=1e-3)


def test_machine_is_scikit_learns_with_the_standardisation_folded_back() -> None:
    random = np.random.default_rng(0)
    for classes in (2, 4):
        labels = random.integers(0, classes, 300)
        features = random.normal(3, 2, (300, 7)) * 10.0 ** np.arange(-3, 4) + 5 * np.eye(classes, 7)[labels]
        features[:, 6] = 0.0  # a channel that is never active
        weight, bias = svm.fit_svm(features, labels, 0.1, 0)
        wanted = make_pipeline(StandardScaler(), LinearSVC(C=0.1, class_weight="balanced", random_state=0))
        wanted.fit(features, labels)
        scores = features @ weight.T + bias
        np.testing.assert_array_equal(scores.argmax(1), wanted.predict(features))
        np.testing.assert_allclose(
            scores if classes > 2 else scores[:, 1], wanted.decision_function(features), atol=1e-3
        )
        assert not weight[:, 6].any()


def test_solver_that_does_not_end_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(svm, "LinearSVC", lambda **settings: LinearSVC(**{**settings, "max_iter": 1}))
    random = np.random.default_rng(0)
    with pytest.raises(UserError, match="does not converge at --C 1e\\+06"):
        svm.fit_svm(random.normal(size=(50, 5)), random.integers(0, 3, 50), 1e6, 0)


def test_reservoir_keeps_the_smallest_keys() -> None:
    keys = np.random.default_rng(0).random(1000)
    reservoir = Reservoir(50)
    for part in np.split(np.arange(1000), [3, 40, 400, 990]):
        chosen = reservoir.find_candidates(keys[part])
        assert len(chosen) <= 50
        reservoir.add(keys[part][chosen], part[chosen])
    np.testing.assert_array_equal(reservoir.rows, np.argsort(keys)[:50])


def test_samples_are_balanced_and_do_not_depend_on_batches() -> None:
    network = SmpNetwork(3, **SMALL).eval()
    head = find_head(network)
    one, other = (sample_features(head, make_batches(sizes, 3), 3, 40, seed=1) for sizes in ([3], [1, 2]))
    assert {true: len(rows) for true, rows in one.items()} == {0: 40, 1: 40, 2: 40}
    for true, rows in one.items():
        np.testing.assert_allclose(rows, other[true], rtol=1e-3, atol=1e-4)
    assert not np.allclose(one[0], sample_features(head, make_batches([3], 3), 3, 40, seed=2)[0])
    logits, labels = sample_logits(network, make_batches([3], 3), 3, 10**6, seed=1)
    assert len(labels) == 3 * 59 * 57  # every pixel that counts, once
    masks = np.concatenate([batch["mask"].numpy().ravel() for batch in make_batches([3], 3)])
    np.testing.assert_array_equal(np.bincount(labels), np.bincount(masks[masks != 255]))
    assert logits.shape == (len(labels), 3)
    torch.nn.init.constant_(next(network.parameters()), float("nan"))
    with pytest.raises(UserError, match="not all finite"):
        sample_logits(network, make_batches([3], 3), 3, 10, seed=1)


@torch.inference_mode()
def test_checkpoint_is_an_ordinary_one(tiny_run: Path, fitted: Path) -> None:
    before, after = load_module(tiny_run / "best.ckpt"), load_module(fitted)
    state = after.state_dict()
    changed = {key for key, value in before.state_dict().items() if not torch.equal(value, state[key])}
    assert changed == {f"network.model.segmentation_head.0.{name}" for name in ("weight", "bias")}
    content = read_checkpoint(fitted)
    assert "optimizer_states" not in content
    assert describe_data(fitted) == describe_data(tiny_run / "best.ckpt")
    assert content["derived_from"][-1]["settings"]["C"] == 0.01
    assert yaml.safe_load((fitted.parent / "config.yaml").read_text())["model"]["svm"]["pixels"] == 2000


@torch.inference_mode()
def test_temperature_makes_the_margins_likely(fitted: Path, tiny_run: Path) -> None:
    """The logits of the checkpoint are divided by it already."""
    loader = choose_data("svm", tiny_run / "best.ckpt", []).module.make_evaluation_dataloader("val")
    logits, labels = sample_logits(load_module(fitted).network, loader, 5, 2000, seed=0)
    assert fit_temperature(logits, labels) == pytest.approx(1, rel=1e-3)
    assert mean_nll(logits, labels) < np.log(5)


def test_sweep_is_an_ordinary_sweep(fitted: Path, tiny_run: Path, tmp_path: Path) -> None:
    benchmark(
        [f"--checkpoint={fitted}", "--suite=smoke", f"--output={tmp_path / 'x.json'}", "--trainer.accelerator=cpu"]
    )
    record = read_record(tmp_path / "x.json")
    assert record.name == "tiny_svm"
    assert record.summary.clean_miou > 0.1
    trained = yaml.safe_load((tiny_run / "config.yaml").read_text())
    assert compute_recipe_key(record.recipe) not in (
        None,
        compute_recipe_key(trained),
    )  # another row than the training's


def test_refusals(tiny_run: Path, fitted: Path, tmp_path: Path) -> None:
    checkpoint, output = tiny_run / "best.ckpt", tmp_path / "out" / "best.ckpt"
    module = load_module(checkpoint)
    data = ChosenData(SyntheticDataModule(num_classes=5), {})
    good = svm.Options(checkpoint=checkpoint, output=output, pixels=50, data=data)
    svm.check(good, module)
    svm.check(replace(good, output=fitted), module)  # may be written anew
    changed: tuple[tuple[str, Any, str], ...] = (
        ("data", ChosenData(SyntheticDataModule(num_classes=4), {}), "5 classes apart, but the data have 4"),
        ("pixels", 4, "at least one for each"),
        ("C", 0.0, "above 0"),
        ("C", float("nan"), "above 0"),
        ("seed", -1, "0 or more"),
    )
    for key, value, named in changed:
        with pytest.raises(UserError, match=named):
            svm.check(replace(good, **{key: value}), module)
    for taken in (tiny_run / "svm.ckpt", fitted.parent / "other.ckpt"):
        with pytest.raises(UserError, match="holds another training"):
            svm.check(replace(good, output=taken), module)
    with pytest.raises(UserError, match="no device"):
        run(checkpoint, output, "--device=cuda:77")
    lonely = shutil.copy(checkpoint, tmp_path / "lonely.ckpt")
    with pytest.raises(UserError, match="the data are unknown"):
        run(Path(lonely), output)
    assert not output.exists()


def test_other_classes_of_the_same_number(tiny_run: Path, tmp_path: Path) -> None:
    content = torch.load(tiny_run / "best.ckpt", weights_only=True)
    content["SyntheticDataModule"]["classes"][3] = "walrus"
    source = tmp_path / "in" / "best.ckpt"
    source.parent.mkdir()
    torch.save(content, source)
    shutil.copy(tiny_run / "config.yaml", source.parent)
    with pytest.raises(UserError, match="knows the class 'walrus'"):
        run(source, tmp_path / "out" / "best.ckpt")


def test_missing_class(tiny_run: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="shows no pixel of"):
        run(
            *(tiny_run / "best.ckpt", tmp_path / "best.ckpt", "--data.init_args.train=1"),
            "--data.init_args.scene_seed=3",
        )


def test_networks_without_a_linear_head() -> None:
    with pytest.raises(UserError, match="does not end in one linear head"):
        find_head(FcnNetwork(3, **SMALL))

    class Squared(SmpNetwork):
        def compute_logits(self, x: torch.Tensor) -> torch.Tensor:
            return super().compute_logits(x).square()

    with pytest.raises(UserError, match="not those of its last layer"):
        sample_features(find_head(Squared(3, **SMALL).eval()), make_batches([1], 3), 3, 10, seed=0)
