from pathlib import Path

import pytest
from doc_blocks import find_blocks

from experiments.evaluation.published_checks import find_misstated
from experiments.evaluation.ranking import make_published_rows
from experiments.record_files import published_tables as published
from experiments.record_files.published_tables import list_tables, read_table
from user_error import UserError

SEGFORMER, MASK_RCNN = "cityscapes_c_segformer_table5", "cityscapes_c_mask_rcnn_michaelis2019"


@pytest.mark.parametrize("name", list_tables())
def test_every_table_reads_and_says_where_it_is_from(name: str) -> None:
    table = read_table(name)
    assert "arXiv" in table.description.source
    assert table.description.severities
    for model in table.models:
        assert len(model.scores) == len(model.conditions)
        assert ((model.scores >= 0) & (model.scores <= 1)).all()
    names = [(model.data, model.name) for model in table.models]
    assert len(set(names)) == len(names)
    assert table.description.reference in (None, *(name for _, name in names))


def test_segformer_as_published() -> None:
    """Xie et al. print a retention of about 80 % and the means; mCD against MobileNet-V2 follows."""
    rows = {row["name"]: row for row in make_published_rows(read_table(SEGFORMER), "DLv3+ (MBv2)")}
    best = rows["SegFormer-B5"]
    assert best["rank"] == 1
    assert best["clean_miou"] == 0.824
    assert best["mean_corrupted_miou"] == pytest.approx(0.6581, abs=5e-5)
    assert best["retention"] == pytest.approx(0.799, abs=5e-4)
    assert best["mcd"] == pytest.approx(0.506, abs=5e-4)
    reference = rows["DLv3+ (MBv2)"]
    assert reference["mcd"] == reference["mrcd"] == reference["cd_of_sums"] == pytest.approx(1)


def test_mean_of_ratios_and_ratio_of_sums_rank_differently() -> None:
    """By mCD GSCNN is better than DLv3+ (R101) by more than by the ratio of sums; by rCD the two swap sides of 1."""
    rows = {row["name"]: row for row in make_published_rows(read_table(SEGFORMER))}
    assert rows["GSCNN"]["mrcd"] < 1 < rows["GSCNN"]["rcd_of_sums"]
    order = [sorted(rows, key=lambda name: rows[name][key]) for key in ("mcd", "cd_of_sums", "mrcd", "rcd_of_sums")]
    assert order[2] != order[3]


def test_mask_rcnn_as_published() -> None:
    (row,) = make_published_rows(read_table(MASK_RCNN))
    assert row["clean_ap"] == 0.327
    assert row["mpc"] == pytest.approx(0.100, abs=5e-4)
    assert row["rpc"] == pytest.approx(0.305, abs=5e-4)


def test_refusals(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UserError, match=SEGFORMER):
        read_table("imaginary")
    monkeypatch.setattr(published, "FOLDER", tmp_path)
    (tmp_path / "bad.csv").write_text("model,clean,fog\none,80,x\n")
    with pytest.raises(UserError, match="restore"):
        read_table("bad")
    (tmp_path / "bad.yaml").write_text(
        "{title: t, source: s, metric: miou, scale: 100, severities: all, layout: models}"
    )
    with pytest.raises(UserError, match="'x'"):
        read_table("bad")


def write_own(folder: Path, text: str, settings: str = "") -> str:
    (folder / "own.csv").write_text(text)
    (folder / "own.yaml").write_text(f"{{title: t, source: s, metric: miou, scale: 100, severities: all{settings}}}")
    published.read_table.cache_clear()
    return str(folder / "own.csv")


LONG = "model,data,corruption,severity,score\n"
CLEAN = "one,a,clean,0,80\n"


def test_a_long_table_of_ones_own(tmp_path: Path) -> None:
    text = LONG + CLEAN + "one,a,fog,1,60\none,a,fog,2,40\none,a,dusk,,70\none,b,clean,,50\none,b,fog,1,-\n"
    table = read_table(write_own(tmp_path, text, ", kinds: {shift: [dusk]}"))
    first, second = table.models
    assert (first.name, first.data, second.data) == ("one", "a", "b")
    assert first.conditions == [("clean", 0), ("fog", 1), ("fog", 2), ("dusk", 0)]
    assert first.kinds == ["clean", "corruption", "corruption", "shift"]
    assert first.scores.tolist() == [0.8, 0.6, 0.4, 0.7]
    assert second.conditions == [("clean", 0)]
    rows = make_published_rows(table)
    assert [(row["rank"], row["data"]) for row in rows] == [(1, "a"), (1, "b")]
    assert rows[0]["mean_corrupted_miou"] == pytest.approx(0.5)


def test_rows_of_another_metric_are_passed_over(tmp_path: Path) -> None:
    text = "model,corruption,severity,metric,error\none,clean,0,miou,20\none,fog,1,miou,40\none,fog,1,accuracy,30\n"
    (model,) = read_table(write_own(tmp_path, text)).models
    assert model.scores.tolist() == [0.8, 0.6]


@pytest.mark.parametrize(
    ("text", "settings", "message"),
    [
        (LONG + CLEAN + CLEAN, "", "'clean' twice"),
        (LONG + "one,a,fog,1,60\n", "", "no score of the condition 'clean'"),
        (LONG + CLEAN + "one,a,fog,1,160\n", "", "not between 0 and the scale"),
        (LONG + CLEAN + "one,a,fog,0,60\n", "", "below 1"),
        (LONG + CLEAN + "one,a,fog,1,nan0\n", "", "nan0"),
        (LONG, "", "no cells"),
        ("model,corruption,colour,score\n", "", "'colour'"),
        ("model,corruption,severity\n", "", "score and error"),
        ("model,severity,score\none,0,80\n", "", "no column 'corruption'"),
        (LONG + CLEAN, ", layout: square", "layout"),
        (LONG + CLEAN, ", stated: {x: median}", "median"),
        (LONG + CLEAN, ", scale_of: 1", "scale_of"),
    ],
)
def test_a_malformed_table_of_ones_own(tmp_path: Path, text: str, settings: str, message: str) -> None:
    with pytest.raises(UserError, match=message) as raised:
        read_table(write_own(tmp_path, text, settings))
    assert "docs/published.md" in str(raised.value)


def test_a_table_needs_its_description(tmp_path: Path) -> None:
    (tmp_path / "own.csv").write_text(LONG + CLEAN)
    with pytest.raises(UserError, match=r"own\.yaml"):
        read_table(str(tmp_path / "own.csv"))
    with pytest.raises(UserError, match=r"absent\.csv"):
        read_table(str(tmp_path / "absent.csv"))


def test_the_table_that_the_page_shows(tmp_path: Path) -> None:
    page = Path(__file__).parents[3] / "docs" / "published.md"
    text, (described,) = page.read_text().split("```text\n")[1].split("```")[0], find_blocks(page, "yaml")
    (tmp_path / "mine.csv").write_text(text)
    (tmp_path / "mine.yaml").write_text(described)
    table = read_table(str(tmp_path / "mine.csv"))
    assert find_misstated(table) == []
    (mine,) = [row for row in make_published_rows(table) if row["name"] == "mine"]
    assert mine["mcd"] == pytest.approx(0.687, abs=5e-4)
