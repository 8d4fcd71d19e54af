"""Conditions that depend on the network: their own kind, the same counts however they are met, and nothing leaks."""

import weakref
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from command_line import ROOT, run_command
from own_conditions import GradientSign, Learning
from torch import nn

from datamodules.corruptions.noise import GaussianNoise
from datamodules.datasets.synthetic import SyntheticDataModule
from experiments.checkpoints.checkpoint import load_module
from experiments.commands.analyse.leaderboard import format_markdown, make_board
from experiments.evaluation.compared_metrics import COMPARED
from experiments.evaluation.comparison import compare
from experiments.evaluation.metric_summary import measure_metric
from experiments.evaluation.record import Record
from experiments.files.tables import format_interval
from experiments.record_files.measured_records import MeasuredRecords
from experiments.record_files.record_file import open_record
from experiments.reporting.tables import Ranked, make_leaderboard_table
from experiments.sweeping import sweep_loop
from experiments.sweeping.suite import Suite
from experiments.sweeping.sweep import sweep_temporarily
from lightning_modules.conditions.base import NetworkCondition

SUITE = """
name: asked
version: 1
corruptions: [{class_path: datamodules.corruptions.noise.GaussianNoise}]
severities: {gaussian_noise: [2, 4]}
network_conditions:
  - {class_path: own_conditions.GradientSign, init_args: {levels: 2, severity: 1}}
  - {class_path: own_conditions.GradientSign, init_args: {levels: 16, severity: 2}}
  - {class_path: own_conditions.Learning, init_args: {rate: 0.05, log: LOG}}
"""
PLACES = 8  # clean, two noises, two attacks, and the learning network under clean and both noises


@pytest.fixture(scope="module")
def suite(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("suite")
    (folder / "asked.yaml").write_text(SUITE.replace("LOG", str(folder / "log.txt")))
    return folder / "asked.yaml"


def sweep(run: Path, suite: Path, output: Path, *words: str) -> tuple[Record, Any]:
    (suite.parent / "log.txt").unlink(missing_ok=True)
    path = f"{ROOT}:{ROOT / 'tests'}"
    words = (f"--checkpoint={run / 'best.ckpt'}", f"--suite={suite}", f"--output={output}", "--pictures=1", *words)
    run_command("benchmark", *words, PYTHONPATH=path, OMP_NUM_THREADS="1")
    return open_record(output)


@pytest.fixture(scope="module")
def swept(tiny_run: Path, suite: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Record, Any, list[str]]:
    found = sweep(tiny_run, suite, tmp_path_factory.mktemp("one") / "record.json")
    return *found, (suite.parent / "log.txt").read_text().splitlines()


def test_each_kind_has_its_own_mean(swept: tuple[Record, Any, list[str]]) -> None:
    record = swept[0]
    miou = {(cell.corruption, cell.severity): cell.miou for cell in record.cells}
    assert len(miou) == PLACES
    assert record.kinds == ["clean", *["corruption"] * 2, *["attack"] * 2, *["adaptation"] * 3]
    assert record.summary.mean_corrupted_miou == pytest.approx(
        np.mean([miou["gaussian_noise", severity] for severity in (2, 4)])
    )
    attacks = [miou["gradient_sign", severity] for severity in (1, 2)]
    assert record.summary.means["attack"] == pytest.approx(np.mean(attacks))
    assert record.summary.rem == pytest.approx(min(attacks))
    assert attacks[1] < attacks[0] < record.summary.clean_miou
    assert set(record.summary.means) == {"attack", "adaptation"}
    assert {"means.attack", "means.adaptation"} < set(record.summary.intervals)
    assert set(record.summary.corruptions) == {"gaussian_noise"}
    low, high = record.summary.intervals["means.attack"].percentile
    assert low < record.summary.means["attack"] < high


def test_tables_show_the_mean_of_each_kind(swept: tuple[Record, Any, list[str]]) -> None:
    record, images, _ = swept
    means = record.summary.means
    edges = record.summary.intervals["means.attack"].edges
    miou = COMPARED["miou"]
    measured = MeasuredRecords([record], [[measure_metric(record, images, miou)]])
    table = format_markdown(make_board(measured, by="none"))
    assert "| attack mIoU | adaptation mIoU |" in table
    assert format_interval(means["attack"], *edges) in table
    columns, rows = make_leaderboard_table([Ranked(1, record, measured.summarise()[0])], mixed=False)
    (place,) = [at for at, column in enumerate(columns) if column.title == "attack mIoU"]
    assert rows[0].entries[place].value == pytest.approx(means["attack"])
    found = compare((record, images), (record, images), miou, permutations=10)
    overall = {line.name: line.a for line in found.overall}
    assert list(overall) == ["clean", "mean corrupted", "retention", "mean attack", "mean adaptation"]
    assert overall["mean attack"] == pytest.approx(means["attack"])
    assert overall["mean corrupted"] == pytest.approx(record.summary.mean_corrupted_miou)
    assert len(found.conditions) == PLACES


def test_no_filling_is_shown_to_what_learns(swept: tuple[Record, Any, list[str]]) -> None:
    """13 images in batches of 4, three times over, in the order of the data."""
    assert [int(line.split()[1]) for line in swept[2]] == [4, 4, 4, 1] * 3


def test_two_processes_count_the_same(tiny_run: Path, suite: Path, tmp_path: Path, swept: tuple) -> None:
    """The conditions that learn are shared out; each stays on one process."""
    words = ("--trainer.devices=2", "--trainer.accelerator=cpu")
    record, images = sweep(tiny_run, suite, tmp_path / "record.json", *words)
    for name, part in swept[1].counts.items():
        assert np.array_equal(part, images.counts[name])
    assert [cell.counts for cell in record.cells] == [cell.counts for cell in swept[0].cells]
    shown = (suite.parent / "log.txt").read_text().splitlines()
    assert len(shown) == 12
    assert sorted(sum(line.startswith(process) for line in shown) for process in {one.split()[0] for one in shown}) == [
        4,
        8,
    ]


def test_nothing_leaks_from_a_condition_into_another(tiny_run: Path, swept: tuple) -> None:
    """Swept without the others, each has the counts that it had among them."""
    module = load_module(tiny_run / "best.ckpt")
    before = {name: value.clone() for name, value in module.state_dict().items()}
    data = SyntheticDataModule(train=24, val=9, test=13, size=(64, 64), eval_batch_size=4, num_workers=0)
    torch.set_num_threads(1)
    alone = Suite("alone", 1, [GaussianNoise()], {"gaussian_noise": [4]}, network_conditions=[Learning(0.05)])
    found = sweep_temporarily(module, data, alone, "cpu", "32-true")
    assert np.array_equal(found.counts["classes"][:, 3], swept[1].counts["classes"][:, 7])
    assert not np.array_equal(found.counts["classes"][:, 3], found.counts["classes"][:, 1])  # it has learned
    assert all(torch.equal(value, before[name]) for name, value in module.state_dict().items())


def test_an_interrupted_sweep_goes_on_in_both_orders(
    tiny_run: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Stopped in the second condition that learns: batches and the first such condition are done, and stay so."""
    data = SyntheticDataModule(train=24, val=9, test=13, size=(64, 64), eval_batch_size=4, num_workers=0)
    suite = Suite(
        "asked", 1, [GaussianNoise()], {"gaussian_noise": [2]}, network_conditions=[GradientSign(), Learning()]
    )
    module = load_module(tiny_run / "best.ckpt")
    wanted = sweep_temporarily(module, data, suite, "cpu", "32-true")
    stepped, step = [], sweep_loop.SweepLoop.test_step

    def stop(self: Any, batch: dict, batch_idx: int, dataloader_idx: int = 0) -> None:
        stepped.append((dataloader_idx, batch_idx))
        if stopping and (dataloader_idx, batch_idx) == (2, 1):
            raise KeyboardInterrupt
        step(self, batch, batch_idx, dataloader_idx)

    monkeypatch.setattr(sweep_loop.SweepLoop, "test_step", stop)
    monkeypatch.setattr("experiments.sweeping.sweep.TemporaryDirectory", lambda: Kept(tmp_path))
    monkeypatch.setattr("experiments.sweeping.sweep.token_bytes", lambda number: b"k" * number)
    stopping = True
    with pytest.raises((KeyboardInterrupt, SystemExit)):
        sweep_temporarily(module, data, suite, "cpu", "32-true")
    files = sorted(path.name for path in (tmp_path / "sweep").iterdir())
    assert files == [*(f"batch-{place:06d}.npz" for place in range(4)), "condition-000003.npz", "identity.json"]
    stopping, stepped[:] = False, []
    found = sweep_temporarily(module, data, suite, "cpu", "32-true")
    assert stepped == [(1, place) for place in range(4)]
    for name, part in wanted.counts.items():
        assert np.array_equal(part, found.counts[name])
    assert np.array_equal(wanted.changed, found.changed)


class Kept:
    """A temporary folder that stays."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __enter__(self) -> str:
        return str(self.folder)

    def __exit__(self, *_: object) -> None:
        pass


def test_a_condition_may_not_stand_twice() -> None:
    with pytest.raises(Exception, match="gradient_sign at severity 1 twice"):
        Suite("twice", 1, network_conditions=[GradientSign(), GradientSign(levels=8)])


def test_a_condition_without_a_state_may_answer_by_itself(tiny_run: Path) -> None:
    """Its outputs are counted, and those of the next condition are the module's again."""

    class Zeros(NetworkCondition):
        name, kind, parameters = "zeros", "defence", {}

        def predict(self, network: nn.Module, images: torch.Tensor) -> dict[str, torch.Tensor]:
            return {name: torch.zeros_like(output) for name, output in super().predict(network, images).items()}

    data = SyntheticDataModule(train=1, val=1, test=5, size=(64, 64), eval_batch_size=4, num_workers=0)
    suite = Suite("answers", 1, network_conditions=[Zeros(), GradientSign(levels=0)])
    counts = sweep_temporarily(load_module(tiny_run / "best.ckpt"), data, suite, "cpu", "32-true").counts["classes"]
    assert not counts[:, 1, 1:, 1].any()  # all is of the first class
    assert np.array_equal(counts[:, 0], counts[:, 2])


@pytest.mark.parametrize("state", [False, True])
def test_a_condition_begins_once_and_its_copy_is_let_go(tiny_run: Path, state: bool) -> None:
    """Of 76 conditions that learn, each would hold a network to the end."""
    begun: list[weakref.ref] = []
    alive: list[int] = []

    class Counting(Learning if state else GradientSign):  # type: ignore[misc]
        def begin(self, network: nn.Module) -> nn.Module:
            alive.append(sum(one() is not None for one in begun))
            begun.append(weakref.ref(network))
            return super().begin(network)

    data = SyntheticDataModule(train=1, val=1, test=5, size=(64, 64), eval_batch_size=2, num_workers=0)
    first, second = Counting(), Counting()
    second.name = "other"
    module = load_module(tiny_run / "best.ckpt")
    suite = Suite("counting", 1, [GaussianNoise()], {"gaussian_noise": [1]}, network_conditions=[first, second])
    sweep_temporarily(module, data, suite, "cpu", "32-true")
    assert len(begun) == (4 if state else 2)  # that which learns is met under clean and noise
    assert alive == ([0, 0, 0, 0] if state else [0, 1])  # without a state it is the network itself
