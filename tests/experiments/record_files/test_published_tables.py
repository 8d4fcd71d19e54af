from pathlib import Path

import pytest

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
    names = [model.name for model in table.models]
    assert len(set(names)) == len(names)
    assert table.description.reference in (None, *names)


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
