"""Records of different orders of corruption and resize do not compare, and it is said why in words."""

from pathlib import Path

import pytest
from command_line import read_output, read_refusal
from records import make_record

from experiments.evaluation.comparable import find_difference
from experiments.evaluation.order import ORDERS, describe_order, read_order
from experiments.record_files.record_file import read_record
from experiments.reporting.across_data import describe_orders
from experiments.reporting.origin import format_commands
from experiments.reporting.report_page import describe_records

BEFORE, AFTER = ({"size": [64, 64], "order": stated} for stated in ORDERS.values())
WORDS = "with corruption before the resize and after the resize"


def test_an_order_in_words() -> None:
    assert [read_order(one) for one in (BEFORE, AFTER, {}, {"order": 3})] == [*ORDERS, None, None]
    assert describe_order(BEFORE) == "before the resize"
    assert describe_order(AFTER) == "after the resize"
    assert describe_order({**AFTER, "size": "native"}) == "at their own size"
    assert describe_order({}) == "in an order that is not stated"


@pytest.fixture
def records(tmp_path: Path) -> list[Path]:
    return [
        make_record(tmp_path / f"{name}.json", name, seed, **manifest)
        for seed, (name, manifest) in enumerate({"a": BEFORE, "b": AFTER, "c": BEFORE}.items())
    ]


def test_the_difference_is_the_order(records: list[Path]) -> None:
    one, other, again = map(read_record, records)
    assert find_difference(one, other) == WORDS
    assert find_difference(one, again) is None


@pytest.mark.parametrize(
    ("verb", "between"),
    [("leaderboard", ()), ("compare", ()), ("recipes", ("--with",)), ("curves", ()), ("report", ())],
)
def test_verbs_refuse_both_together(records: list[Path], tmp_path: Path, verb: str, between: tuple[str, ...]) -> None:
    assert f"swept {WORDS}" in read_refusal(verb, records[0], *between, records[1])


def test_a_mixed_table_names_the_orders(records: list[Path]) -> None:
    table = read_output("leaderboard", *records, "--allow-mixed")
    assert table.count("test v1, corrupted before the resize |") == 3  # with its floor
    assert table.count("test v1, corrupted after the resize |") == 2
    assert "corrupted" not in read_output("leaderboard", records[0], records[2]).replace("corrupted mIoU", "")


def test_a_table_over_several_data_sets_names_them(records: list[Path]) -> None:
    """Records of each data set rank among themselves; in words, where they cannot be compared with those of another."""
    one, other, again = map(read_record, records)
    other.data.name = "roads"
    assert "corrupted before the resize on scenes, after the resize on roads" in describe_orders([one, other])
    assert describe_orders([one, again]) == ""


def test_a_page_names_the_order(records: list[Path]) -> None:
    assert "corrupted before the resize" in describe_records([read_record(records[0])])


def test_a_row_that_is_made_again_is_made_in_its_order(records: list[Path]) -> None:
    before, after = (format_commands(read_record(path), path, "0" * 40) for path in records[:2])
    assert "--order" not in before
    assert "add --order resize_then_corrupt" in after
