"""Soups against torch's own averaging, the greedy order by hand, and their way into a checkpoint."""

import shutil
from pathlib import Path

import pytest
import torch
from command_line import TINY, read_refusal, run_command
from torch.optim.swa_utils import AveragedModel

from datamodules.datasets.synthetic import SyntheticDataModule
from experiments.checkpoints.checkpoint import load_module, read_checkpoint
from experiments.command_line.data_option import choose_data
from experiments.commands.derive import soup
from experiments.commands.evaluate.benchmark import main as benchmark
from experiments.record_files.record_file import read_record
from user_error import UserError


def run(paths: list[Path], output: Path, *words: str) -> Path:
    soup.main(["--checkpoints", *map(str, paths), f"--output={output}", "--device=cpu", *words])
    return output


@pytest.fixture
def pair(tiny_run: Path, tiny_twin: Path) -> list[Path]:
    return [tiny_run / "best.ckpt", tiny_twin / "best.ckpt"]


def test_weights_are_torchs_average(pair: list[Path], tmp_path: Path) -> None:
    """But for the statistics of batch normalisation, which are seen anew."""
    networks = [load_module(path).network for path in pair]
    wanted = AveragedModel(networks[0])
    for network in networks:
        wanted.update_parameters(network)
    mixed = load_module(run(pair, tmp_path / "soup" / "best.ckpt")).network
    for name, value in wanted.module.named_parameters():
        torch.testing.assert_close(mixed.get_parameter(name), value, msg=name)
    running = [name for name, value in mixed.named_buffers() if name.endswith("running_mean") and value.any()]
    assert running
    means = soup.average_states([network.state_dict() for network in networks])
    assert all(not torch.allclose(mixed.get_buffer(name), means[name]) for name in running)


def test_statistics_are_those_of_the_training_images(pair: list[Path], tmp_path: Path) -> None:
    """The first normalisation after the image sees what a plain pass over the split gives."""
    module = load_module(run(pair, tmp_path / "soup" / "best.ckpt"))
    first = next(one for one in module.modules() if isinstance(one, torch.nn.BatchNorm2d))
    seen = []
    first.register_forward_pre_hook(lambda _, given: seen.append(given[0].double()))
    data = choose_data("soup", pair[0], []).module
    with torch.inference_mode():
        for batch in data.make_evaluation_dataloader("train"):
            module(batch["image"])
    means = torch.stack([one.mean((0, 2, 3)) for one in seen]).mean(0)
    torch.testing.assert_close(first.running_mean.double(), means, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(("images", "seen"), [(9, 8), (8, 8), (3, 3)])
def test_copies_that_fill_a_batch_are_not_seen(images: int, seen: int) -> None:
    """One image would otherwise weigh as much as a whole batch."""
    data = SyntheticDataModule(train=images, val=4, size=(32, 32), batch_size=2, eval_batch_size=4, num_workers=0)
    souping = soup.Souping(torch.nn.Identity(), data, torch.device("cpu"))
    assert sum(len(batch) for batch in souping._iterate_images()) == seen


@pytest.mark.parametrize(
    ("weight", "ignored", "message"), [(float("nan"), False, "not all finite"), (1.0, True, "is ignored")]
)
def test_scores_of_nothing_choose_no_ingredient(weight: float, ignored: bool, message: str) -> None:
    data = SyntheticDataModule(train=2, val=2, size=(32, 32), eval_batch_size=2, num_workers=0)
    network = torch.nn.Conv2d(3, data.num_classes, 1)
    torch.nn.init.constant_(network.weight, weight)
    batch = next(iter(data.val_dataloader()))
    mask = torch.full_like(batch["mask"], 255) if ignored else batch["mask"]
    souping = soup.Souping(network, data, torch.device("cpu"))
    data.val_dataloader = lambda: [{**batch, "image": batch["image"].float(), "mask": mask}]  # type: ignore[method-assign]
    with pytest.raises(UserError, match=message):
        souping.score(network.state_dict())


def test_one_network_under_two_names_is_no_soup(pair: list[Path], tmp_path: Path) -> None:
    same = shutil.copytree(pair[0].parent, tmp_path / "same") / pair[0].name
    torch.save({**torch.load(pair[0], weights_only=True), "global_step": -1}, same)
    with pytest.raises(UserError, match="hold the same weights"):
        run([pair[0], same], tmp_path / "soup" / "best.ckpt")


def test_greedy_keeps_what_does_not_harm() -> None:
    """States are numbers, a soup tastes best near 3."""
    states = [{"x": torch.tensor(float(value))} for value in (9.0, 2.0, 5.0, 0.1)]

    def score(state: dict) -> float:
        return -abs(float(state["x"]) - 3)

    selected, best = soup.select_greedily(states, [score(state) for state in states], soup.average_states, score)
    assert selected == [1, 2]  # 2, then (2 + 5) / 2, but neither with 0.1 nor with 9
    assert best == pytest.approx(-0.5)


def test_greedy_soup_is_never_worse_than_its_best(
    pair: list[Path], tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    output = run(pair, tmp_path / "greedy" / "best.ckpt", "--method=greedy")
    message = capsys.readouterr().out
    selected = read_checkpoint(output)["derived_from"][-1]["settings"]["kept"]
    scores = [float(line.split("mIoU ")[1].split(" %")[0]) for line in message.splitlines() if "mIoU" in line]
    assert float(message.split("the soup: ")[1].split(" %")[0]) >= max(scores)
    assert selected[0] == scores.index(max(scores))
    benchmark(
        [f"--checkpoint={output}", "--suite=smoke", f"--output={tmp_path / 'x.json'}", "--trainer.accelerator=cpu"]
    )
    assert read_record(tmp_path / "x.json").name == "greedy"


def test_refusals(pair: list[Path], tmp_path: Path) -> None:
    output = f"--output={tmp_path / 'out' / 'best.ckpt'}"
    assert "two checkpoints" in read_refusal("soup", "--checkpoints", pair[0], output)
    assert "same checkpoint" in read_refusal("soup", "--checkpoints", *pair, pair[0], output)
    assert "holds another training" in read_refusal("soup", "--checkpoints", *pair, f"--output={pair[1]}")
    other = tmp_path / "other"
    words = [word for word in TINY if "max_epochs" not in word]
    run_command(
        "fit", *words, "--trainer.max_epochs=1", "--model.init_args.network.init_args.dropout=0.1", f"--run={other}"
    )
    message = read_refusal("soup", "--checkpoints", pair[0], other / "best.ckpt", output)
    assert "another network.init_args.dropout" in message
    assert "'ensemble'" in message
