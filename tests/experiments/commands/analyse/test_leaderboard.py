import csv
import io
import json
import re
import statistics
from pathlib import Path

import pytest
from command_line import read_refusal, run_command
from cost_files import make_costs, set_checkpoint
from records import make_record

from experiments.commands.analyse import leaderboard
from experiments.commands.analyse.leaderboard import format_markdown, make_board
from experiments.evaluation.ranking import make_ranked_rows
from experiments.files.tables import as_csv
from experiments.record_files.measured_records import measure_records
from experiments.record_files.record_file import read_record
from user_error import UserError


@pytest.fixture
def paths(tmp_path: Path) -> list[Path]:
    names = ("one", "two|2", "three")
    return [make_record(tmp_path / f"{name}.json", name, seed, images=24) for seed, name in enumerate(names)]


def test_ranks_fall(paths: list[Path]) -> None:
    rows = make_ranked_rows([read_record(path) for path in paths])
    scores = [row["mean_corrupted_miou"] for row in rows]
    assert scores == sorted(scores, reverse=True)
    assert [row["rank"] for row in rows] == [1, 2, 3]
    for row in rows:
        assert row["mean_corrupted_miou_low"] <= row["mean_corrupted_miou"] <= row["mean_corrupted_miou_high"]


def test_markdown_is_a_table_whatever_the_names(paths: list[Path]) -> None:
    table = format_markdown(make_board(measure_records(paths)))
    assert len({line.replace("\\|", "").count("|") for line in table.splitlines()[:6]}) == 1
    assert "two\\|2" in table


def test_formats_agree(paths: list[Path], tmp_path: Path) -> None:
    rows = make_board(measure_records(paths)).rows
    read_back = list(csv.DictReader(io.StringIO(as_csv(rows))))
    assert [float(row["clean_miou"]) for row in read_back] == [row["clean_miou"] for row in rows]
    saved = tmp_path / "board.json"
    printed = run_command("leaderboard", *paths, "--format=json", f"--output={saved}").stdout
    assert json.loads(printed) == json.loads(saved.read_text()) == rows


def test_a_column_for_each_family(paths: list[Path]) -> None:
    records = [read_record(path) for path in paths]
    table = format_markdown(make_board(measure_records(paths), by="family"))
    families = list(records[0].summary.families)
    assert families
    assert table.splitlines()[0].endswith("| " + " | ".join(families) + " |")
    best = max(records, key=lambda record: record.summary.mean_corrupted_miou or 0)
    shown = [f"{100 * (best.summary.families[name] or 0):.1f}" for name in families]
    assert table.splitlines()[2].endswith("| " + " | ".join(shown) + " |")


def test_a_narrow_table_has_the_headlines_alone(paths: list[Path]) -> None:
    words = ["leaderboard", *paths, "--by=none", "--published=cityscapes_c_segformer_table5"]
    titles = [line for line in run_command(*words).stdout.splitlines() if line.startswith("| #")]
    assert titles[0] == "| # | name | clean mIoU | corrupted mIoU | retention | retention above floor |"
    assert titles[1].endswith("| rCD of sums |")


@pytest.mark.parametrize("what", ["suite_hash", "data"])
def test_other_conditions_do_not_rank_side_by_side(paths: list[Path], what: str) -> None:
    records = [read_record(path) for path in paths[:2]]
    if what == "suite_hash":
        records[1].suite_hash = "other"
    else:
        records[1].data.hash = "other"
    with pytest.raises(UserError, match="--allow-mixed"):
        make_ranked_rows(records)
    assert len(make_ranked_rows(records, allow_mixed=True)) == 2


@pytest.mark.parametrize(
    ("one", "other", "why"),
    [
        ({"size": [64, 64]}, {"size": "native"}, r"size \[64, 64\] and native"),
        (
            {"conditions": [{"corruption": "frost", "severity": 1, "parameters": {"source": "photos"}}]},
            {"conditions": [{"corruption": "frost", "severity": 1, "parameters": {"source": "drawn"}}]},
            r"frost at severity 1 \(source photos\) and frost at severity 1 \(source drawn\)",
        ),
        (
            {"conditions": [{"corruption": "clean", "severity": 0, "parameters": {}}]},
            {"conditions": []},
            "clean at severity 0 and no further condition",
        ),
    ],
)
def test_says_in_what_two_manifests_differ(tmp_path: Path, one: dict, other: dict, why: str) -> None:
    records = [read_record(make_record(tmp_path / f"{k}.json", **what)) for k, what in enumerate((one, other))]
    with pytest.raises(UserError, match=why):
        make_ranked_rows(records)


def test_real_shifts_have_a_column_and_rank_by_clean_where_nothing_is_corrupted(tmp_path: Path) -> None:
    conditions = [("clean", 0), ("light=day", 0), ("light=dusk", 0)]
    paths = [make_record(tmp_path / f"{k}.json", str(k), k, cells=conditions) for k in range(3)]
    board = make_board(measure_records(paths))
    rows = board.rows
    assert [row["clean_miou"] for row in rows] == sorted((row["clean_miou"] for row in rows), reverse=True)
    assert rows[0]["miou_light=dusk"] > 0


def test_degradation_against_a_reference(paths: list[Path]) -> None:
    records = [read_record(path) for path in paths]
    rows = {row["name"]: row for row in make_ranked_rows(records, reference=records[0])}
    assert {rows["one"][key] for key in ("mcd", "mrcd", "mce", "cd_of_sums", "rcd_of_sums")} == {1.0}
    worse = [1 - cell.miou for cell in records[2].cells if cell.severity]
    other = [1 - cell.miou for cell in records[0].cells if cell.severity]
    assert rows["three"]["mcd"] == pytest.approx(sum(worse) / sum(other))  # one corruption: the ratio of its sums
    fallen = [
        sum(cells) - 2 * (1 - record.summary.clean_miou) for cells, record in ((worse, records[2]), (other, records[0]))
    ]
    assert rows["three"]["mrcd"] == pytest.approx(fallen[0] / fallen[1])
    errors = [
        sum(1 - cell.scores["pixel_accuracy"] for cell in record.cells if cell.severity)
        for record in (records[2], records[0])
    ]
    assert rows["three"]["mce"] == pytest.approx(errors[0] / errors[1])
    table = format_markdown(make_board(measure_records(paths), reference=records[0]))
    assert "| mCD | mrCD |" in table


def test_seeds_of_a_recipe_are_pooled(tmp_path: Path) -> None:
    recipes = [{"seed_everything": seed, "model": {"network": "a"}} for seed in range(3)]
    recipes += [{"seed_everything": 0, "model": {"network": "b"}}, {}]
    paths = [make_record(tmp_path / f"{k}.json", f"net {k}", k, recipe=one) for k, one in enumerate(recipes)]
    board = make_board(measure_records(paths))
    rows = board.rows
    of_recipe = [row for row in rows if row["name"] in ("net 0", "net 1", "net 2")]
    scores = [row["clean_miou"] for row in of_recipe]
    for row in of_recipe:
        assert row["seeds"] == "0, 1, 2"
        assert row["clean_miou_seed_mean"] == pytest.approx(statistics.mean(scores))
        assert row["clean_miou_seed_sd"] == pytest.approx(statistics.stdev(scores))
    assert not any("seeds" in row for row in rows if row not in of_recipe)
    assert "| 0, 1, 2 |" in format_markdown(board)


def test_published_tables_stand_by_themselves(paths: list[Path]) -> None:
    words = ("leaderboard", *paths, "--published=cityscapes_c_segformer_table5")
    rows = json.loads(run_command(*words, "--format=json").stdout)
    assert [row["rank"] for row in rows] == [1, 2, 3, *range(1, 14)]
    assert [row["source"] for row in rows] == ["record"] * 3 + ["cityscapes_c_segformer_table5"] * 13
    text = run_command(*words, "--reference=one").stdout
    assert "Kamann & Rother" in text
    assert text.index("three") < text.index("SegFormer-B5")


def test_the_command_of_the_paper() -> None:
    words = ("leaderboard", "--published", "cityscapes_c_segformer_table5", "--reference", "DLv3+ (MBv2)")
    rows = {row["name"]: row for row in json.loads(run_command(*words, "--format", "json").stdout)}
    assert rows["SegFormer-B5"]["mcd"] == pytest.approx(0.506, abs=5e-4)
    assert {"name", "clean_miou", "mean_corrupted_miou", "retention", "mcd", "mrcd"} <= set(rows["GSCNN"])


def test_networks_are_ranked_on_each_data_set_by_itself() -> None:
    rows = json.loads(run_command("leaderboard", "--published=semsegbench_2025", "--format=json").stdout)
    assert [row["rank"] for row in rows] == [*range(1, 33), *range(1, 27), *range(1, 19)]
    assert list(dict.fromkeys(row["data"] for row in rows)) == ["cityscapes", "ade20k", "voc"]
    unet = next(row for row in rows if row["name"] == "unet custom 512x1024")
    assert unet["mean_corrupted_miou"] == pytest.approx(0.4252, abs=5e-5)
    assert (unet["recomputed_gam"], unet["recomputed_rem_l2"]) == (0.0922, 0.489)
    assert unet["miou_acdc_fog"] == 0.3812


def test_rows_that_do_not_agree_with_their_cells_are_named() -> None:
    text = run_command("leaderboard", "--published=semsegbench_2025", "--by=none").stdout
    assert sum(line.startswith("| # | published model, ") for line in text.splitlines()) == 3
    findings = [line for line in text.splitlines() if line.startswith("- ")]
    assert findings[0] == (
        "- 'segformer mit-b0 512x1024' (cityscapes) does not agree with its own cells: GAM is stated as 31.24, and is 25.02 "
        "by them; 'segformer mit-b0 1024x1024' states the same."
    )
    assert sum("not agree" in line for line in findings) == 5
    assert sum("under every corruption" in line for line in findings) == 1
    assert len(findings) == 6


def test_a_table_of_ones_own_is_named_by_its_path(tmp_path: Path) -> None:
    (tmp_path / "own.csv").write_text(
        "model,corruption,score\none,clean,0.8\none,fog,0.6\ntwo,clean,0.7\ntwo,fog,0.65\n"
    )
    (tmp_path / "own.yaml").write_text("{title: t, source: s, metric: miou, scale: 1, severities: all}")
    words = ("leaderboard", f"--published={tmp_path / 'own.csv'}", "--reference=one", "--format=json")
    rows = json.loads(run_command(*words).stdout)
    assert [(row["rank"], row["name"]) for row in rows] == [(1, "two"), (2, "one")]
    assert rows[0]["mcd"] == pytest.approx(0.35 / 0.4)
    (tmp_path / "own.yaml").unlink()
    assert "own.yaml" in read_refusal(*words)


def test_an_altered_record_does_not_rank(paths: list[Path]) -> None:
    content = json.loads(paths[1].read_text())
    content["cells"][2]["scores"]["miou"] += 0.01
    paths[1].write_text(json.dumps(content))
    assert "noise, severity 5" in read_refusal("leaderboard", *paths)


def test_refusals(tmp_path: Path) -> None:
    assert "no record" in read_refusal("leaderboard", tmp_path / "none.json")
    (tmp_path / "x.json").write_text("{}")
    assert "is not a record" in read_refusal("leaderboard", tmp_path / "x.json")
    assert "--published" in read_refusal("leaderboard")
    assert "cityscapes_c" in read_refusal("leaderboard", "--published=imaginary")
    named = read_refusal("leaderboard", "--published=cityscapes_c_segformer_table5", "--reference=nobody")
    assert "'SegFormer-B5'" in named


def test_costs_stand_beside_their_records(paths: list[Path], tmp_path: Path) -> None:
    plain = run_command("leaderboard", *paths).stdout
    set_checkpoint(paths[0], "a" * 64)
    set_checkpoint(paths[2], "b" * 64)
    assert run_command("leaderboard", *paths).stdout == plain
    measured = make_costs(tmp_path / "costs.json", ["c" * 64, "b" * 64, "a" * 64])
    shown = run_command("leaderboard", *paths, f"--costs={measured}").stdout.splitlines()
    before = plain.splitlines()
    assert all(line.startswith(known) for line, known in zip(shown, before, strict=True))
    assert shown[0] == before[0] + " parameters (M) | multiply-adds (G) | latency ratio |"
    added = {
        known.split(" | ")[1]: line.removeprefix(known) for line, known in zip(shown[2:5], before[2:5], strict=True)
    }
    assert added == {"one": " 4.50 | 7.02 | 3.50 |", "two\\|2": " - | - | - |", "three": " 3.00 | 4.68 | 2.50 |"}
    assert "48 x 64" in shown[-1]
    assert "'net 0' at batch size 4 on a processor, 2 threads" in shown[-1]
    rows = json.loads(run_command("leaderboard", *paths, f"--costs={measured}", "--format=json").stdout)
    found = {row["name"]: [row[key] for key in ("parameters", "multiply_adds", "latency_ratio")] for row in rows}
    assert found == {
        "one": [4_500_000, 7_020_000_000, 3.5],
        "two|2": [None] * 3,
        "three": [3_000_000, 4_680_000_000, 2.5],
    }


def test_costs_of_other_checkpoints_are_refused(paths: list[Path], tmp_path: Path) -> None:
    measured = make_costs(tmp_path / "costs.json", ["c" * 64])
    assert "none of the records was swept with" in read_refusal("leaderboard", *paths, f"--costs={measured}")
    set_checkpoint(paths[0], "a" * 64)
    assert "none of the records was swept with" in read_refusal("leaderboard", *paths, f"--costs={measured}")
    assert "no costs" in read_refusal("leaderboard", *paths, f"--costs={tmp_path / 'none.json'}")


def test_costs_of_two_machines_stand_in_one_column(paths: list[Path], tmp_path: Path) -> None:
    """Ratios to one network, which each machine measured; a network's weights make no difference."""
    set_checkpoint(paths[0], "a" * 64)
    set_checkpoint(paths[2], "b" * 64)
    one = make_costs(tmp_path / "costs.json", ["c" * 64, "a" * 64])
    other = make_costs(tmp_path / "further.json", ["d" * 64, "e" * 64, "b" * 64], device="another")
    shown = run_command("leaderboard", *paths, f"--costs={one}", f"--costs={other}").stdout.splitlines()
    added = {line.split(" | ")[1]: line.split(" | ")[-1] for line in shown[2:5]}
    assert added == {"one": "2.50 |", "two\\|2": "- |", "three": "3.50 |"}
    assert "on a processor, 2 threads, medians of 3 rounds, or on another, 2 threads, medians of 3 rounds." in shown[-1]

    content = json.loads(other.read_text())
    content["reference"] = "e" * 64
    other.write_text(json.dumps(content))
    assert "ratios to different networks" in read_refusal("leaderboard", *paths, f"--costs={one}", f"--costs={other}")


def test_a_file_that_is_named_twice_counts_once(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    """Two patterns of a shell may meet the same file, which are no two seeds."""
    path = make_record(tmp_path / "a.json", recipe={"seed_everything": 0, "model": {"network": "one"}})
    texts = []
    for paths in ([path], [path, tmp_path / "." / "a.json"]):
        leaderboard.main([str(one) for one in paths])
        texts.append(capsys.readouterr().out)
    assert texts[0] == texts[1]


def test_the_floor_stands_below_and_the_metric_of_the_data_first(tmp_path: Path) -> None:
    """Of two classes the foreground's IoU, which an answer without a look at the image scores higher than zero."""
    paths = [make_record(tmp_path / f"{k}.json", str(k), k, images=24, classes=["wall", "crack"]) for k in range(2)]
    lines = run_command("leaderboard", *paths, "--by=none").stdout.splitlines()
    assert lines[0].startswith(
        "| # | name | clean foreground IoU | corrupted foreground IoU | retention | retention above floor |"
    )
    assert "clean foreground Dice per image" in lines[0]
    assert re.match(r"\|  \| floor \| \d", lines[4])
    assert "(foreground IoU: all crack;" in lines[6]
    by_dice = run_command(
        "leaderboard", *paths, "--metric=image_foreground_dice", "--empty=leave-out", "--by=none"
    ).stdout
    assert by_dice.startswith("| # | name | clean foreground Dice per image |")
    assert "mIoU" not in by_dice


def test_what_was_seen_in_training_stands_apart(tmp_path: Path) -> None:
    cells = [("clean", 0), ("gaussian_noise", 1), ("fog", 1)]
    noisy = {"data": {"init_args": {"augmentation": {"further": [{"GaussNoise": {}}]}}}}
    paths = [
        make_record(tmp_path / f"{k}.json", str(k), k, cells=cells, recipe=one) for k, one in enumerate(({}, noisy))
    ]
    board = make_board(measure_records(paths))
    assert board.seen == ["gaussian_noise"]
    for row in board.rows:
        assert row["miou_seen"] == row["miou/gaussian_noise"] != row["miou_unseen"] == row["miou/fog"]
    assert "| mIoU, seen | mIoU, unseen |" in format_markdown(board)
