"""Images that do not stand for themselves."""

import pytest

from datamodules.grouping import find_grouping_columns, find_natural_places, is_grouping_column, parse_names
from user_error import UserError


def test_names_say_sequence_and_place() -> None:
    found = parse_names("{sequence}_*{place}", ["0001TP_008550", "Seq05VD_f00000", "Seq05VD_f04980"])
    assert (found.units, found.places) == (["0001TP", "Seq05VD", "Seq05VD"], [8550, 0, 4980])
    natural = parse_names("{sequence}-*", ["a-x", "b-y", "a-w"])
    assert (natural.units, natural.places) == (["a", "b", "a"], [1, 2, 0])
    assert parse_names("{sequence}.+({place})", ["a.+(3)"]).units == ["a"]  # nothing else has a meaning


@pytest.mark.parametrize(
    ("pattern", "says"),
    [("{place}", "sequence} once"), ("{sequence}{sequence}", "once"), ("{sequence}_{place}", "does not follow")],
)
def test_other_patterns_and_names_are_refused(pattern: str, says: str) -> None:
    with pytest.raises(UserError, match=says):
        parse_names(pattern, ["Seq05VD_f00000"])


def test_a_place_is_a_complete_number() -> None:
    found = parse_names("{sequence}{place}", ["drive0012", "drive0013", "drive0120"])
    assert (found.units, found.places) == (["drive"] * 3, [12, 13, 120])
    assert parse_names("{sequence}*{place}", ["a_frame_0012"]).places == [12]


def test_hostile_names_and_patterns_are_read_at_once() -> None:
    with pytest.raises(UserError, match="does not follow"):
        parse_names("{sequence}" + "*" * 150 + "{place}", ["_" * 900 + "x"])
    with pytest.raises(UserError, match="a name of 10000 letters"):
        parse_names("{sequence}_{place}", ["_" * 10_000])
    assert find_natural_places(["9" * 5000, "1" + "0" * 5000]) == [0, 1]


def test_numbers_are_ordered_as_numbers() -> None:
    assert find_natural_places(["f10", "f9", "f", "e11", "10"]) == [4, 3, 2, 1, 0]


@pytest.mark.parametrize(
    "name", ["patient", "Patient_ID", "case", "slide", "site", "Sequence", "subject id", "institution"]
)
def test_columns_that_group_are_known_by_name(name: str) -> None:
    assert is_grouping_column(name)
    assert find_grouping_columns([{name: "a", "stem": "1"}, {name: "a", "stem": "2"}]) == [name]
    assert find_grouping_columns([{name: "a"}, {name: "b"}]) == []


@pytest.mark.parametrize("name", ["stem", "time_of_day", "split", "id", "age", "showcase"])
def test_other_columns_do_not(name: str) -> None:
    assert not is_grouping_column(name)
