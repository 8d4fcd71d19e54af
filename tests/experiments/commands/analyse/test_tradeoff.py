"""Costs beside scores: the numbers of both files, and a surface of them."""

import csv
import io
import json
from pathlib import Path

import numpy as np
import pytest
from command_line import read_refusal, run_command
from cost_files import make_costs, set_checkpoint
from PIL import Image
from records import make_record

from experiments.commands.analyse.tradeoff import (
    average_by_severity,
    draw,
    find_networks,
    make_columns,
    make_score_row,
    summarise,
)
from experiments.evaluation.compared_metrics import find_metric
from experiments.evaluation.scores.known import find_mean_scores
from experiments.evaluation.statistics import point_estimate
from experiments.record_files.cost_file import read_costs
from experiments.record_files.record_file import read_swept

DIGESTS = ["a" * 64, "b" * 64, "c" * 64]


@pytest.fixture
def paths(tmp_path: Path) -> list[Path]:
    """Three records; the third is of the costliest network."""
    found = [
        make_record(tmp_path / f"{name}.json", name, seed, images=24)
        for seed, name in enumerate(("half", "sparse", "dense"))
    ]
    for path, digest in zip(found, DIGESTS, strict=True):
        set_checkpoint(path, digest)
    return found


@pytest.fixture
def costs(tmp_path: Path) -> Path:
    path = make_costs(tmp_path / "costs.json", DIGESTS)
    content = json.loads(path.read_text())
    content["costs"][1]["zero_weights"] = 1_500_000
    path.write_text(json.dumps(content))
    return path


def test_the_costliest_first(paths: list[Path], costs: Path) -> None:
    lines = run_command("tradeoff", *paths, f"--costs={costs}").stdout.splitlines()
    assert [line.split(" | ")[0] for line in lines[2:5]] == ["| dense", "| sparse", "| half"]
    assert lines[3].split(" | ")[1:4] == ["3.00", "50", "4.68"]
    assert "ratios of latency are to 'net 0'" in lines[-1]


def test_scores_are_those_of_the_records(paths: list[Path]) -> None:
    record, images = read_swept(paths[0])
    row = make_score_row(summarise(record, images, find_metric(None, [record])))
    assert row["clean_miou"] == pytest.approx(record.summary.clean_miou)
    assert row["mean_corrupted_miou"] == pytest.approx(record.summary.mean_corrupted_miou)
    ece = point_estimate(images.sum_by_unit(find_mean_scores()["ece"].ratio(images.counts)))
    assert row["clean_ece"] == pytest.approx(ece[0])
    assert row["clean_ece"] == pytest.approx(record.cells[0].scores["ece"])
    assert row["mean_corrupted_ece"] == pytest.approx(ece[1:].mean())
    for key in ("clean_miou", "mean_corrupted_miou", "clean_ece", "mean_corrupted_ece"):
        low, value, high = (row[f"{key}{end}"] for end in ("_low", "", "_high"))
        assert low is not None
        assert value is not None
        assert high is not None
        assert low <= value <= high


@pytest.fixture
def masked(tmp_path: Path) -> Path:
    """A record of a background and one class."""
    found = make_record(tmp_path / "masked.json", "masked", images=24, classes=["background", "polyp"])
    set_checkpoint(found, DIGESTS[0])
    return found


def test_foreground_comes_first_where_there_is_one(masked: Path, costs: Path) -> None:
    """Its IoU by hand from the sums of the records' counts, in the table, its floor and the figure."""
    _, images = read_swept(masked)
    hits, answers, truths = np.moveaxis(np.asarray(images.counts["classes"])[..., 1, :].sum(0), -1, 0)
    expected = 100 * hits / (truths + answers - hits)
    lines = run_command("tradeoff", masked, f"--costs={costs}").stdout.splitlines()
    titles, shown = (line.strip("| ").split(" | ") for line in (lines[0], lines[2]))
    assert titles[-4:] == ["clean foreground IoU", "corrupted foreground IoU", "clean ECE", "corrupted ECE"]
    assert [float(cell.split(" [")[0]) for cell in shown[-4:-2]] == pytest.approx(
        [expected[0], expected[1:].mean()], abs=0.051
    )
    everything = 100 * truths[0] / (24 * 5 * 6)
    assert f"The floor, all polyp, has a foreground IoU of {everything:.1f} clean" in lines[-1]
    (network,) = find_networks([masked], read_costs(costs))
    assert list(average_by_severity(network).values()) == pytest.approx(list(expected))
    figure = draw(make_columns([network], together=False))
    assert figure.axes[1].get_ylabel() == "foreground IoU (%)"


def test_another_metric_is_shown_if_asked_for(masked: Path, paths: list[Path], costs: Path) -> None:
    record, _ = read_swept(masked)
    (row,) = json.loads(run_command("tradeoff", masked, f"--costs={costs}", "--metric=miou", "--format=json").stdout)
    assert row["clean_miou"] == pytest.approx(record.summary.clean_miou)
    assert "clean_foreground_iou" not in row
    lines = run_command("tradeoff", masked, f"--costs={costs}", "--metric=nll").stdout.splitlines()
    assert lines[0].endswith("| clean NLL | corrupted NLL | clean ECE | corrupted ECE |")
    assert f"| {record.cells[0].scores['nll']:.4f} [" in lines[2]
    assert "Scores (NLL in number, ECE in percent)" in lines[-1]
    alone = run_command("tradeoff", masked, f"--costs={costs}", "--metric=ece").stdout.splitlines()[0]
    assert alone.count("ECE") == 2
    assert "no background" in read_refusal("tradeoff", paths[0], f"--costs={costs}", "--metric=foreground_iou")


def test_formats_agree(paths: list[Path], costs: Path, tmp_path: Path) -> None:
    words = [*map(str, paths), f"--costs={costs}"]
    as_json = json.loads(run_command("tradeoff", *words, "--format=json", f"--output={tmp_path / 'x.json'}").stdout)
    assert json.loads((tmp_path / "x.json").read_text()) == as_json
    rows = list(csv.DictReader(io.StringIO(run_command("tradeoff", *words, "--format=csv").stdout)))
    for row, known in zip(rows, as_json, strict=True):
        assert {key: str(value) if value is not None else "" for key, value in known.items()} == row
    assert [row["latency_ratio_batch_8"] for row in as_json] == [4.0, 3.0, 2.0]


def test_the_surface(paths: list[Path], costs: Path, tmp_path: Path) -> None:
    networks = find_networks(paths, read_costs(costs))
    axes = draw(make_columns(networks, together=False)).axes[0]
    shown = np.asarray(axes.get_images()[0].get_array())
    severities = sorted(average_by_severity(networks[0]))
    assert shown.shape == (len(severities), 3)
    for column, network in enumerate(networks):
        np.testing.assert_allclose(shown[:, column], list(average_by_severity(network).values()))
    labels = [label.get_text().replace("\n", " ") for label in axes.get_xticklabels()]
    assert labels == ["dense 100 %, 100 %", "sparse 33 %, 67 %", "half 33 %, 33 %"]
    picture = tmp_path / "surface.png"
    run_command("tradeoff", *paths, f"--costs={costs}", f"--figure={picture}")
    assert min(Image.open(picture).size) > 200


def test_costs_alone(costs: Path) -> None:
    lines = run_command("tradeoff", f"--costs={costs}").stdout.splitlines()
    assert [line.split(" | ")[0] for line in lines[2:5]] == ["| net 0", "| net 1", "| net 2"]
    assert "name their records" in read_refusal("tradeoff", f"--costs={costs}", "--figure=x.png")


def test_seeds_stand_together(tmp_path: Path, costs: Path) -> None:
    paths = [
        make_record(tmp_path / f"{name}.json", name, seed) for seed, name in enumerate(("half_1", "half_0", "dense"))
    ]
    for path, digest in zip(paths, DIGESTS, strict=True):
        set_checkpoint(path, digest)
    networks = find_networks(paths, read_costs(costs))
    axes = draw(make_columns(networks, together=True)).axes[0]
    labels = [label.get_text().replace("\n", " ") for label in axes.get_xticklabels()]
    assert labels == ["dense 100 %, 100 %", "half 2 trainings 33 %, 50 %"]
    shown, halves = (
        np.asarray(axes.get_images()[0].get_array())[:, 1],
        [average_by_severity(network) for network in networks[1:]],
    )
    for severity, value in zip(sorted(halves[0]), shown, strict=True):
        assert value == pytest.approx((halves[0][severity] + halves[1][severity]) / 2)
    texts = [text.get_text() for text in axes.texts]
    clean = [half[0] for half in halves]
    assert f"{np.mean(clean):.1f} ± {abs(clean[0] - clean[1]) / 2**0.5:.1f}" in texts
    assert all("±" in text for text in texts[1::2])
    assert not any("±" in text for text in texts[::2])


def test_refusals(paths: list[Path], costs: Path, tmp_path: Path) -> None:
    words = [*paths, f"--costs={costs}"]
    assert "cannot draw a .txt" in read_refusal("tradeoff", *words, "--figure=x.txt")
    other = make_record(tmp_path / "unknown.json", "unknown", 5)
    assert "not among the costs" in read_refusal("tradeoff", other, *words)
    few = make_record(tmp_path / "few.json", "few", 5, cells=[("clean", 0), ("noise", 1)])
    set_checkpoint(few, DIGESTS[0])
    assert "do not stand side by side" in read_refusal("tradeoff", few, *words)
    clean = make_record(tmp_path / "clean.json", "clean", 5, cells=[("clean", 0)])
    set_checkpoint(clean, DIGESTS[0])
    assert "share no severity" in read_refusal("tradeoff", clean, f"--costs={costs}", f"--figure={tmp_path / 'x.png'}")
    paths[0].with_suffix(".npz").unlink()
    assert read_refusal("tradeoff", *words)
