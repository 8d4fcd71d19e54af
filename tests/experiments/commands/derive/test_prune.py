"""Pruned checkpoints are ordinary ones: rebuilt from their file, fine-tuned, swept, pruned again."""

from pathlib import Path

import pytest
import torch
import yaml
from command_line import TINY, read_refusal
from resumed import fit

from experiments.checkpoints.checkpoint import load_module, read_checkpoint
from experiments.commands.derive import ensemble, prune, soup
from experiments.commands.evaluate.benchmark import main as benchmark
from experiments.record_files.record_file import read_record
from lightning_modules.networks.wrappers.pruned import PrunedNetwork
from lightning_modules.pruning.weights import compute_sparsity, get_prunable_weights

ZEROS = "--trainer.callbacks=lightning_modules.callbacks.sparsity.KeepZeros"


def run(checkpoint: Path, output: Path, *words: str) -> Path:
    prune.main([f"--checkpoint={checkpoint}", f"--output={output}", "--device=cpu", *words])
    return output


def draw_images() -> torch.Tensor:
    return torch.randint(0, 256, (2, 3, 64, 64), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))


def count_parameters(path: Path) -> int:
    return sum(one.numel() for one in load_module(path).parameters())


def fine_tune(start: Path, output: Path, *words: str) -> Path:
    """The checkpoint of six more steps of training."""
    fit("synthetic_unet", output, f"--start={start}", *words)
    return output / "last.ckpt"


@pytest.fixture(scope="module")
def half(tiny_run: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny network without half of its multiply-adds."""
    return run(tiny_run / "best.ckpt", tmp_path_factory.mktemp("pruned") / "half" / "best.ckpt", "--ratio=0.5")


@pytest.fixture(scope="module")
def trained(half: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What is left, trained on."""
    return fine_tune(half, tmp_path_factory.mktemp("trained") / "tuned")


def test_half_of_the_multiply_adds(tiny_run: Path, tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    output = run(
        tiny_run / "best.ckpt", tmp_path / "half" / "best.ckpt", "--ratio=0.5", "--criterion=taylor", "--batches=2"
    )
    before, after = (
        float(line.split("parameters, ")[1].split(" G")[0])
        for line in capsys.readouterr().out.splitlines()
        if "multiply-adds" in line
    )
    assert 0.4 < after / before <= 0.52
    assert count_parameters(output) < count_parameters(tiny_run / "best.ckpt")
    assert output.stat().st_size < (tiny_run / "best.ckpt").stat().st_size
    assert read_checkpoint(output)["derived_from"][-1]["settings"]["criterion"] == "taylor"


def test_the_file_is_enough(half: Path) -> None:
    """The plan is plain numbers, and the weights are those of a smaller network."""
    module = load_module(half)
    assert isinstance(module.network, PrunedNetwork)
    settings = read_checkpoint(half)["hyper_parameters"]["network"]["init_args"]
    assert yaml.safe_load(yaml.safe_dump(settings)) == settings
    with torch.inference_mode():
        assert module(draw_images()).shape == (2, 5, 64, 64)


def test_it_is_fine_tuned_swept_and_pruned_again(half: Path, trained: Path, tmp_path: Path) -> None:
    assert count_parameters(trained) == count_parameters(half)
    record = tmp_path / "record.json"
    benchmark([f"--checkpoint={trained}", "--suite=smoke", f"--output={record}", "--trainer.accelerator=cpu"])
    assert read_record(record).name == "tuned"
    quarter = run(trained, tmp_path / "quarter" / "best.ckpt", "--ratio=0.3")
    assert count_parameters(quarter) < count_parameters(trained)
    module = load_module(quarter)
    assert isinstance(module.network, PrunedNetwork)
    assert not isinstance(module.network.network, PrunedNetwork)  # one plan says both


def test_pruned_networks_are_combined(half: Path, trained: Path, tmp_path: Path) -> None:
    """Prune, then ensemble; and a soup of networks of one plan."""
    output = tmp_path / "ensemble" / "best.ckpt"
    ensemble.main(["--checkpoints", str(half), str(trained), f"--output={output}"])
    with torch.inference_mode():
        wanted = torch.stack([load_module(path)(draw_images()).softmax(1) for path in (half, trained)]).mean(0)
        torch.testing.assert_close(load_module(output)(draw_images()).softmax(1), wanted)
    mixed = tmp_path / "soup" / "best.ckpt"
    soup.main(["--checkpoints", str(half), str(trained), f"--output={mixed}", "--device=cpu"])
    assert count_parameters(run(mixed, tmp_path / "soup_pruned" / "best.ckpt", "--ratio=0.2")) < count_parameters(mixed)


@pytest.mark.parametrize(
    ("words", "fraction"), [(["--method=lamp", "--ratio=0.8"], 0.8), (["--method=two_of_four"], 0.5)]
)
def test_zeros_stay_while_the_rest_is_trained(
    tiny_run: Path, tmp_path: Path, words: list[str], fraction: float
) -> None:
    sparse = run(tiny_run / "best.ckpt", tmp_path / "sparse" / "best.ckpt", *words)
    before, after = (
        get_prunable_weights(load_module(path).network)
        for path in (sparse, fine_tune(sparse, tmp_path / "tuned", ZEROS))
    )
    masked = {name for name in before if not before[name].all()}
    assert compute_sparsity(before[name] for name in masked) == pytest.approx(fraction, abs=0.05)
    assert all(torch.equal(before[name] == 0, after[name] == 0) for name in masked)
    assert any(not torch.equal(before[name], after[name]) for name in masked)
    if "--method=lamp" in words:
        free = fine_tune(sparse, tmp_path / "free")  # without the callback they come back
        assert compute_sparsity(get_prunable_weights(load_module(free).network).values()) < 0.01


@pytest.mark.parametrize(("method", "lost"), [("magnitude", True), ("lamp", False)])
def test_layers_that_vanish_are_named(
    tiny_run: Path, tmp_path: Path, capsys: pytest.CaptureFixture, method: str, lost: bool
) -> None:
    sparse = run(tiny_run / "best.ckpt", tmp_path / "sparse" / "best.ckpt", f"--method={method}", "--ratio=0.998")
    lines = [line for line in capsys.readouterr().out.splitlines() if line.startswith("empty:")]
    weights = get_prunable_weights(load_module(sparse).network)
    gone = [name.removesuffix(".weight") for name, weight in weights.items() if not weight.any()]
    assert bool(gone) == bool(lines) == lost
    assert not lines or lines[0].startswith(f"empty:  {', '.join(gone)} (no weight is left")


def test_a_ticket_has_its_early_weights(tiny_run: Path, tiny_twin: Path, tmp_path: Path) -> None:
    """The zeros are the trained network's, the rest are the weights of the other file."""
    early = tiny_run / "last.ckpt"
    ticket = run(
        tiny_run / "best.ckpt",
        tmp_path / "t" / "best.ckpt",
        "--method=magnitude",
        "--ratio=0.5",
        f"--rewind-to={early}",
    )
    sparse = run(tiny_run / "best.ckpt", tmp_path / "s" / "best.ckpt", "--method=magnitude", "--ratio=0.5")
    found, zeros, first = (get_prunable_weights(load_module(path).network) for path in (ticket, sparse, early))
    for name, weight in found.items():
        assert torch.equal(weight, first[name] * (zeros[name] != 0)), name
    assert read_checkpoint(ticket)["derived_from"][-1]["settings"]["rewound_to"]


def test_refusals(tiny_run: Path, tmp_path: Path) -> None:
    checkpoint, output = f"--checkpoint={tiny_run / 'best.ckpt'}", f"--output={tmp_path / 'out' / 'best.ckpt'}"
    assert "pass --ratio" in read_refusal("prune", checkpoint, output)
    for ratio in ("0", "1", "50"):
        assert "not between 0 and 1" in read_refusal("prune", checkpoint, output, f"--ratio={ratio}")
        assert "not between 0 and 1" in read_refusal(
            "prune", checkpoint, output, f"--ratio={ratio}", "--method=magnitude"
        )
    assert "leave --ratio 0.7 out" in read_refusal("prune", checkpoint, output, "--method=two_of_four", "--ratio=0.7")
    assert "--rewind-to goes with zeros" in read_refusal("prune", checkpoint, output, "--ratio=0.5", "--rewind-to=x")
    sparse = ["--method=magnitude", "--ratio=0.5", "--keep=model.encoder"]
    assert "--keep goes with channels" in read_refusal("prune", checkpoint, output, *sparse)
    assert "no part 'nothing' to keep" in read_refusal("prune", checkpoint, output, "--ratio=0.5", "--keep=nothing")
    assert "1 or more" in read_refusal("prune", checkpoint, output, "--ratio=0.5", "--multiple=0")
    same = f"--output={tiny_run / 'best.ckpt'}"
    assert "holds another training" in read_refusal("prune", checkpoint, same, "--ratio=0.5")
    assert "no checkpoint 'nowhere'" in read_refusal("prune", "--checkpoint=nowhere", output, "--ratio=0.5")
    (tmp_path / "text.ckpt").write_text("hello")
    assert "is not a checkpoint" in read_refusal(
        "prune", f"--checkpoint={tmp_path / 'text.ckpt'}", output, "--ratio=0.5"
    )


def test_only_what_is_sparse_keeps_zeros(tiny_run: Path, tmp_path: Path) -> None:
    message = read_refusal("fit", *TINY, ZEROS, f"--run={tmp_path / 'run'}")
    assert "no weight is zero" in message
