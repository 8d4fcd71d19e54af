import csv
import hashlib
import io
import json
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from experiments.checkpoints.derived_checkpoint import make_component, make_content
from experiments.commands.evaluate import costs
from experiments.evaluation.costs import Costs
from experiments.measuring.peak_memory import measure_peak_bytes
from experiments.measuring.turns import Turns
from experiments.record_files.cost_file import read_costs
from experiments.reporting.cost_table import format_csv, format_markdown
from lightning_modules.networks.classical_features import ClassicalFeatureNetwork
from lightning_modules.networks.ensembles.batch_ensemble import BatchEnsemble
from lightning_modules.networks.smp import SmpNetwork
from lightning_modules.segmentation import SegmentationModule
from user_error import UserError

CPU = torch.device("cpu")
CHANNELS = {"unet": 3, "fpn": 2}
OPTIMISER = 100_000


def make_checkpoint(path: Path, architecture: str, in_channels: int) -> Path:
    """As 'fit' writes it, but for the training."""
    settings = {"architecture": architecture, "encoder": "tu-mobilenetv3_small_050"}
    module = SegmentationModule(partial(SmpNetwork, **settings), 4, in_channels)
    hyper_parameters = {
        "_class_path": "lightning_modules.segmentation.SegmentationModule",
        "_instantiator": "pytorch_lightning.cli.instantiate_module",
        "network": {"class_path": "lightning_modules.networks.smp.SmpNetwork", "init_args": settings},
        "num_classes": 4,
        "in_channels": in_channels,
    }
    content: dict[str, Any] = {
        "state_dict": module.state_dict(),
        "hyper_parameters": hyper_parameters,
        "hparams_name": "kwargs",
    }
    path.parent.mkdir()
    if architecture == "FPN":  # as a training leaves it
        content |= {"optimizer_states": [{"state": {0: torch.ones(OPTIMISER)}}], "callbacks": {}}
    torch.save({**content, "pytorch-lightning_version": "2.6.6"}, path)
    return path


@pytest.fixture(scope="module")
def paths(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("runs")
    kinds = {"unet": "Unet", "fpn": "FPN"}
    return {name: make_checkpoint(folder / name / "best.ckpt", kinds[name], CHANNELS[name]) for name in kinds}


@pytest.fixture(scope="module")
def measured(paths: dict[str, Path]) -> Costs:
    output = paths["unet"].parent / "costs.json"
    words = ["--checkpoints", *paths.values(), "--size", 33, 64, "--batch-sizes", 1, 2, "--rounds", 2, "--device=cpu"]
    costs.main([str(word) for word in [*words, f"--output={output}"]])
    return read_costs(output)


def read_refused(*words: Any) -> str:
    with pytest.raises(UserError) as caught:
        costs.main(["--checkpoints", *map(str, words), "--device=cpu"])
    return str(caught.value)


def test_an_entry_for_each_checkpoint(measured: Costs, paths: dict[str, Path]) -> None:
    assert [cost.name for cost in measured.costs] == ["unet", "fpn"]
    assert measured.reference_cost.name == "unet"
    assert measured.environment["threads"] == torch.get_num_threads()
    for cost, path in zip(measured.costs, paths.values(), strict=True):
        content = path.read_bytes()
        assert cost.sha256 == hashlib.sha256(content).hexdigest()
        assert cost.file_bytes == len(content)
        assert cost.network == "lightning_modules.networks.smp.SmpNetwork"
        assert (cost.size, cost.in_channels, cost.num_classes) == ((33, 64), CHANNELS[cost.name], 4)
        assert [batch.batch_size for batch in cost.batches] == [1, 2]


def test_elements_and_bytes_are_those_of_the_state(measured: Costs, paths: dict[str, Path]) -> None:
    for cost, path in zip(measured.costs, paths.values(), strict=True):
        state = torch.load(path, weights_only=True)["state_dict"]
        own = {key: value for key, value in state.items() if key.startswith("network.")}
        assert cost.parameters + cost.buffers == sum(value.numel() for value in own.values())
        assert cost.weight_bytes == sum(value.numel() * value.element_size() for value in own.values())
        assert cost.trainable_parameters == cost.parameters


def test_what_belongs_to_a_training_is_no_cost_of_a_network(measured: Costs) -> None:
    assert [4 * OPTIMISER < cost.training_bytes < 4 * OPTIMISER + 5000 for cost in measured.costs] == [False, True]
    for cost in measured.costs:
        assert cost.weight_bytes < cost.network_file_bytes < cost.weight_bytes + 250_000
    assert "without the state of a training" in format_markdown(measured)


def test_latencies_and_memory_are_sound(measured: Costs) -> None:
    for cost in measured.costs:
        for batch in cost.batches:
            assert batch.latency_ratio_least <= batch.latency_ratio <= batch.latency_ratio_most
            logits = 4 * batch.batch_size * cost.num_classes * 33 * 64
            assert batch.peak_memory_bytes > cost.weight_bytes + logits
        assert cost.batches[0].peak_memory_bytes < cost.batches[1].peak_memory_bytes


def test_formats_agree(measured: Costs) -> None:
    rows = list(csv.DictReader(io.StringIO(format_csv(measured))))
    assert [int(row["parameters"]) for row in rows] == [cost.parameters for cost in measured.costs]
    assert [float(row["latency_ratio_batch_2"]) for row in rows] == [
        cost.batches[1].latency_ratio for cost in measured.costs
    ]
    assert (rows[0]["height"], rows[0]["width"]) == ("33", "64")
    lines = format_markdown(measured).splitlines()
    assert len({line.count("|") for line in lines[:4]}) == 1
    assert lines[2].startswith(f"| unet | {measured.costs[0].parameters / 1e6:.3g}")
    assert "33 x 64" in lines[5]


def test_latency_of_onnx_runtime_stands_beside(paths: dict[str, Path], tmp_path: Path) -> None:
    """Of the network that can be written; the other one's row says why there is none."""
    kept = tmp_path / "features" / "best.ckpt"
    settings = {"encoder": "tu-mobilenetv3_small_050"}
    network = ClassicalFeatureNetwork(4, 3, **settings)
    component = make_component(ClassicalFeatureNetwork, settings)
    kept.parent.mkdir()
    torch.save(make_content(component, network.state_dict(), 4, 3, {}), kept)
    output = tmp_path / "costs.json"
    words = ["--checkpoints", paths["unet"], kept, "--size", 33, 64, "--batch-sizes", 1, 2, "--rounds", 2, "--onnx"]
    costs.main([str(word) for word in [*words, "--device=cpu", f"--output={output}"]])
    found = read_costs(output)
    unet, features = found.costs
    assert unet.onnx_refused is None
    for batch in unet.batches:
        assert batch.onnx_ratio_least <= batch.onnx_ratio <= batch.onnx_ratio_most
        assert batch.onnx_milliseconds_per_image > 0
    assert "computes features outside of PyTorch" in features.onnx_refused
    assert [batch.onnx_ratio for batch in features.batches] == [None, None]
    lines = format_markdown(found).splitlines()
    assert len({line.count("|") for line in lines[:4]}) == 1
    assert "its ratio to PyTorch, batch 2" in lines[0]
    assert lines[3].endswith("| - | - |")
    assert "'features' is not run by ONNX Runtime: ClassicalFeatureNetwork" in lines[-1]
    row = next(csv.DictReader(io.StringIO(format_csv(found))))
    assert float(row["onnx_ratio_batch_1"]) == unet.batches[0].onnx_ratio


def test_onnx_runtime_is_not_asked_for_in_vain(measured: Costs) -> None:
    assert "ONNX" not in format_markdown(measured)
    assert "onnx" not in format_csv(measured)


@pytest.fixture
def contenders(paths: dict[str, Path]) -> list[costs.Contender]:
    return costs.load_contenders(list(paths.values()), None)


def test_what_is_printed_and_who_is_the_reference(
    paths: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    observed: list[str] = []

    def turns(
        candidate: partial, baseline: partial, rounds: Iterator[int], device: torch.device, shortest: float
    ) -> Turns:
        observed.append(type(baseline.func.__self__.network.model).__name__)
        for _ in rounds:
            assert (candidate().shape, baseline().shape) == ((2, 4, 32, 32), (2, 4, 32, 32))
        return Turns([2.0, 4.0], [1.0, 4.0])

    monkeypatch.setattr(costs, "take_turns", turns)
    output = tmp_path / "new" / "costs.json"
    words = [
        "--checkpoints",
        *paths.values(),
        "--size",
        32,
        32,
        "--batch-sizes",
        2,
        "--rounds=1",
        "--format=json",
        "--names",
        "a",
        "b",
    ]
    words += [f"--reference={paths['fpn']}", f"--output={output}", "--device=cpu"]
    costs.main([str(word) for word in words])
    assert observed == ["FPN", "FPN"]
    assert capsys.readouterr().out == output.read_text()
    found = read_costs(output)
    assert found.reference_cost.name == "b"
    for cost in found.costs:
        batch = cost.batches[0]
        assert batch.milliseconds_per_image == 1500  # half of the median of 2 and 4 seconds
        assert (batch.latency_ratio, batch.latency_ratio_least, batch.latency_ratio_most) == (1.5, 1.0, 2.0)


def test_counts_are_those_of_a_prediction(contenders: list[costs.Contender], monkeypatch: pytest.MonkeyPatch) -> None:
    module = contenders[0].module
    once = costs.count(contenders[0], (32, 32))["multiply_adds"]
    monkeypatch.setattr(module, "predict_logits", lambda image: module(image) + module(image.flip(-1)))
    assert costs.count(contenders[0], (32, 32))["multiply_adds"] == 2 * once


def test_frozen_parameters_are_not_trainable(contenders: list[costs.Contender]) -> None:
    network: Any = contenders[0].module.network
    network.encoder.requires_grad_(False)
    found = costs.count(contenders[0], (32, 32))
    frozen = sum(one.numel() for one in network.encoder.parameters())
    assert found["parameters"] - found["trainable_parameters"] == frozen


def test_networks_run_in_the_memory_format_of_a_sweep(contenders: list[costs.Contender]) -> None:
    costs.prepare(contenders[0], CPU)
    weights = [one.weight for one in contenders[0].module.modules() if isinstance(one, nn.Conv2d)]
    assert all(weight.is_contiguous(memory_format=torch.channels_last) for weight in weights)


def test_what_is_kept_for_evaluation_is_memory_too(
    contenders: list[costs.Contender], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The kernels of the members of a batch ensemble, which are made in its first pass."""
    monkeypatch.setattr(costs, "SHORTEST", 0)
    one, other = contenders
    network = BatchEnsemble(4, one.channels, size=3, encoder="tu-mobilenetv3_small_050")
    one.module.network = network.eval()
    kernels = sum(layer.weight.nbytes for layer in network.layers)
    found = costs.measure(one, other, 1, (32, 32), iter(range(1)), CPU).peak_memory_bytes - costs.count_weight_bytes(
        one
    )
    assert 3 * kernels < found < 5 * kernels


def test_peak_of_known_tensors() -> None:
    x = torch.zeros(1000)

    def chain() -> Tensor:
        return x.exp().exp().exp()  # two are alive at once

    with torch.inference_mode():
        assert measure_peak_bytes(chain, CPU) == 2 * x.nbytes
        assert measure_peak_bytes(lambda: torch.stack([x, x, x]), CPU) == 3 * x.nbytes
        assert measure_peak_bytes(lambda: x.relu_(), CPU) == 0
        results: list[Tensor] = []
        assert measure_peak_bytes(lambda: results.append(x.double()), CPU) == 2 * x.nbytes


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_peak_of_known_tensors_on_a_gpu() -> None:
    x = torch.zeros(1024, 1024, device="cuda")
    with torch.inference_mode():
        assert measure_peak_bytes(lambda: x.exp().exp().exp(), torch.device("cuda")) == 2 * x.nbytes


def test_refusals(paths: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    unet, fpn = paths.values()
    rest = ["--size", 32, 32, f"--output={tmp_path / 'costs.json'}"]
    assert "--size 0 32" in read_refused(unet, "--size", 0, 32, f"--output={tmp_path / 'costs.json'}")
    assert "--rounds" in read_refused(unet, *rest, "--rounds=0")
    assert "--batch-sizes" in read_refused(unet, *rest, "--batch-sizes", 1, 0)
    assert f"the reference {str(fpn)!r}" in read_refused(unet, *rest, f"--reference={fpn}")
    assert "no checkpoint" in read_refused(unet, tmp_path / "none.ckpt", *rest)
    (tmp_path / "text.ckpt").write_text("hello")
    assert "is not a checkpoint" in read_refused(unet, tmp_path / "text.ckpt", *rest)
    assert "1 names for 2" in read_refused(unet, fpn, *rest, "--names", "a")
    assert "same checkpoint" in read_refused(unet, unet, *rest)
    assert "2 checkpoints are called 'a'" in read_refused(unet, fpn, *rest, "--names", "a", "a")
    with pytest.raises(UserError, match="there is no device"):
        costs.main([str(word) for word in ["--checkpoints", unet, *rest, "--device=imaginary"]])
    with pytest.raises(UserError, match=r"there is no device|measured on a CPU, not on 'cuda'"):
        costs.main([str(word) for word in ["--checkpoints", unet, *rest, "--onnx", "--device=cuda"]])
    monkeypatch.setattr(costs, "find_device", lambda _: torch.device("mps"))
    with pytest.raises(UserError, match="measured on cpu and cuda, not on 'mps'"):
        costs.main([str(word) for word in ["--checkpoints", unet, *rest, "--device=mps"]])
    assert not (tmp_path / "costs.json").exists()


def test_no_room_on_the_device(
    paths: dict[str, Path], contenders: list[costs.Contender], monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(image: Tensor) -> Tensor:
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(contenders[1].module, "predict_logits", full)
    with pytest.raises(
        UserError, match=r"'fpn' beside 'unet' does not fit .* 8 images of 32 x 64: lower --batch-sizes"
    ):
        costs.measure(contenders[1], contenders[0], 8, (32, 64), iter(range(1)), CPU)


def test_help_shows_examples(capsys: pytest.CaptureFixture) -> None:
    with pytest.raises(SystemExit):
        costs.main(["--help"])
    assert "python -m experiments costs --checkpoints runs/" in capsys.readouterr().out


def rename(content: dict) -> None:
    content["format"] = "other/1"


def repeat(content: dict) -> None:
    content["costs"].append(content["costs"][0])


def forget_the_reference(content: dict) -> None:
    content["costs"] = content["costs"][1:]


def mix_sizes(content: dict) -> None:
    content["costs"][1]["size"] = [64, 64]


def add(content: dict) -> None:
    content["costs"][0]["colour"] = "red"


def owe(content: dict) -> None:
    content["costs"][0]["multiply_adds"] = -1


@pytest.mark.parametrize(
    ("alter", "message"),
    [
        (rename, "the format 'other/1'"),
        (repeat, "has two entries"),
        (forget_the_reference, "the reference has no entry"),
        (mix_sizes, "differ in size"),
        (add, r"costs\.0\.colour"),
        (owe, r"costs\.0\.multiply_adds"),
    ],
)
def test_what_is_no_costs_file(measured: Costs, tmp_path: Path, alter: Any, message: str) -> None:
    content = json.loads(measured.model_dump_json())
    alter(content)
    (tmp_path / "costs.json").write_text(json.dumps(content))
    with pytest.raises(UserError, match=message):
        read_costs(tmp_path / "costs.json")


def test_no_costs_file(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no costs"):
        read_costs(tmp_path / "none.json")
    with pytest.raises(UserError, match="holds no costs"):
        read_costs(tmp_path)
    (tmp_path / "x.json").write_bytes(b"\xff\xfe")
    with pytest.raises(UserError, match="holds no costs"):
        read_costs(tmp_path / "x.json")
