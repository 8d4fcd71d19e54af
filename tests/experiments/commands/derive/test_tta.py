"""Test-time augmentation of what is trained: the mean over views, in a checkpoint like any other."""

from pathlib import Path

import pytest
import torch
from command_line import read_refusal

from experiments.checkpoints.checkpoint import load_module, read_checkpoint
from experiments.commands.derive import tta
from experiments.commands.evaluate.benchmark import main as benchmark
from experiments.record_files.record_file import read_record
from lightning_modules.networks.wrappers.test_time_augmentation import resize


def draw_image() -> torch.Tensor:
    return torch.randint(0, 256, (2, 3, 64, 64), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))


@pytest.fixture(scope="module")
def flipped(tiny_run: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    output = tmp_path_factory.mktemp("views") / "tiny_flips" / "best.ckpt"
    tta.main([f"--checkpoint={tiny_run / 'best.ckpt'}", f"--output={output}"])
    return output


@torch.inference_mode()
def test_it_says_the_mean_of_its_views(tiny_run: Path, flipped: Path, tmp_path: Path) -> None:
    network = load_module(tiny_run / "best.ckpt")
    both = [network(draw_image()).softmax(1), network(draw_image().flip(-1)).flip(-1).softmax(1)]
    torch.testing.assert_close(load_module(flipped)(draw_image()).softmax(1), (both[0] + both[1]) / 2)
    words = [f"--checkpoint={tiny_run / 'best.ckpt'}", "--flips=none", "--average=logits", "--scales", "1", "0.5"]
    tta.main([*words, f"--output={tmp_path / 'scales' / 'best.ckpt'}"])
    small = torch.nn.functional.interpolate(network(resize(draw_image(), 0.5)), (64, 64), mode="bilinear")
    wanted = (network(draw_image()) + small) / 2
    torch.testing.assert_close(load_module(tmp_path / "scales" / "best.ckpt")(draw_image()), wanted)


def test_records_of_a_network_that_is_replaced_are_named(
    tiny_run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = [f"--checkpoint={tiny_run / 'best.ckpt'}", f"--output={tmp_path / 'views' / 'best.ckpt'}"]

    def derive(flips: str) -> str:
        tta.main([*words, f"--flips={flips}"])
        return capsys.readouterr().out

    derive("both")
    (tmp_path / "views" / "record-core.json").write_text("{}")
    assert "note" not in derive("both")
    assert "lies beside it (record-core.json): sweep anew" in derive("vertical")


def test_sweep_is_an_ordinary_sweep(flipped: Path, tiny_run: Path, tiny_record: Path, tmp_path: Path) -> None:
    """By the run folder's name, with the data of the training, and as another recipe."""
    output = tmp_path / "x.json"
    benchmark([f"--checkpoint={flipped}", "--suite=smoke", f"--output={output}", "--trainer.accelerator=cpu"])
    before, after = read_record(tiny_record), read_record(output)
    assert after.name == "tiny_flips"
    assert after.data == before.data
    assert after.recipe != before.recipe
    assert read_checkpoint(flipped)["derived_from"][-1]["settings"]["flips"] == "horizontal"


def test_views_of_views_are_possible(flipped: Path, tmp_path: Path) -> None:
    """Any checkpoint can be asked, also one that asks itself."""
    output = tmp_path / "both" / "best.ckpt"
    tta.main([f"--checkpoint={flipped}", f"--output={output}", "--flips=vertical"])
    assert len(list(load_module(output).network.compute_member_logits(draw_image()))) == 2


def test_refusals(tiny_run: Path, tmp_path: Path) -> None:
    checkpoint, output = f"--checkpoint={tiny_run / 'best.ckpt'}", f"--output={tmp_path / 'out' / 'best.ckpt'}"
    assert "the network as it is" in read_refusal("tta", checkpoint, output, "--flips=none")
    assert "above 0" in read_refusal("tta", checkpoint, output, "--scales", "1", "0")
    assert "holds another training" in read_refusal("tta", checkpoint, f"--output={tiny_run / 'best.ckpt'}")
    assert "nowhere.ckpt" in read_refusal("tta", "--checkpoint=nowhere.ckpt", output)
    assert not (tmp_path / "out").exists() or not list((tmp_path / "out").glob("*.ckpt"))
