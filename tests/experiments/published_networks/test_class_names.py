"""Classes are matched by name; whatever does not match is listed."""

import re

import pytest

from datamodules.datasets.cityscapes_labels import CLASSES as CITYSCAPES
from datamodules.datasets.voc import CLASSES
from experiments.published_networks.class_names import Stated, list_keys, match_classes, read_label_map, require_names
from user_error import UserError

ADE20K = [
    "wall",
    "building, edifice",
    "sky",
    "road, route",
    "person, individual, someone",
    "car, auto",
    "minibike, motorbike",
]
COCO_AS_VOC = ["__background__", "aeroplane", "tvmonitor"]


def match(own: list[str], names: list[str], **stated: object) -> list[list[int]]:
    return match_classes(own, names, Stated(**stated), "the network").sources  # type: ignore[arg-type]


def test_train_ids_in_any_order_and_spelling() -> None:
    own = [name.upper().replace(" ", "_") for name in reversed(CITYSCAPES)]
    assert match(own, CITYSCAPES) == [[18 - index] for index in range(19)]
    assert match_classes(CITYSCAPES, CITYSCAPES, Stated(), "x").is_identity


def test_synonyms_in_one_name() -> None:
    names = ["road", "sky", "building", "person", "motorcycle", "car", "wall"]
    assert match(ADE20K, names) == [[3], [2], [1], [4], [6], [5], [0]]


def test_words_of_the_common_data_sets() -> None:
    assert match(COCO_AS_VOC, ["background", "airplane", "TV"]) == [[0], [1], [2]]
    assert list_keys("traffic light") == list_keys("Traffic_Light") == list_keys("traffic-light")
    assert not list_keys("car") & list_keys("cart")
    assert len({min(list_keys(name)) for name in CLASSES}) == 21  # no synonym makes two of VOC's one
    assert len({min(list_keys(name)) for name in CITYSCAPES}) == 19


def test_everything_unmatched_is_listed() -> None:
    with pytest.raises(UserError) as raised:
        match(["road", "floor", "ceiling"], ["road", "rider", "terrain"])
    for word in ("'rider'", "'terrain'", "'floor'", "'ceiling'", "--map.classes", "--absent", "--unmatched ignore"):
        assert word in str(raised.value)


def test_what_becomes_of_the_rest() -> None:
    own, names = ["road", "floor", "sky"], ["road", "sky"]
    assert match(own, names, unmatched="ignore") == [[0], [2]]
    assert match(own, names, unmatched="other=sky") == [[0], [1, 2]]
    assert match(own, names, named={"floor": "road"}) == [[0, 1], [2]]
    assert match(own, [*names, "rider"], unmatched="ignore", absent=["rider"]) == [[0], [2], []]
    assert match_classes(own, names, Stated(unmatched="ignore"), "x").left_out == ["floor"]
    assert match_classes(own, names, Stated(unmatched="other=sky"), "x").as_json() == {
        "classes": {"road": ["road"], "sky": ["floor", "sky"]},
        "left_out": [],
    }


def test_a_number_that_fits_is_no_match() -> None:
    with pytest.raises(UserError, match="it lacks 'cat'"):
        match(["road", "sky"], ["road", "cat"], unmatched="ignore")


@pytest.mark.parametrize(
    ("own", "names", "stated", "message"),
    [
        (["screen, silver screen", "crt screen, screen"], ["screen"], {}, "'screen' may be its"),
        (["light, lamp"], ["light", "lamp"], {}, "may be 'light' or 'lamp'"),
        (["a"], ["a"], {"named": {"b": "a"}}, "the network has the classes a"),
        (["a"], ["a"], {"named": {"a": "b"}}, "the data have the classes a"),
        (["a"], ["a"], {"absent": ["b"]}, "--absent has 'b'"),
        (["a", "c"], ["a"], {"unmatched": "other=b"}, "--unmatched has 'b'"),
        (["a", "c"], ["a"], {"unmatched": "drop"}, "write ignore, or other=CLASS"),
        (["c"], ["a"], {"unmatched": "ignore", "absent": ["a"]}, "knows none of the data's classes"),
    ],
)
def test_refusals(own: list[str], names: list[str], stated: dict, message: str) -> None:
    with pytest.raises(UserError, match=re.escape(message)):
        match(own, names, **stated)


def test_a_very_name_comes_before_a_synonym() -> None:
    assert match(["screen", "crt screen, screen"], ["screen"], unmatched="ignore") == [[0]]
    assert match(["person", "someone"], ["person"], named={"someone": "person"}) == [[0, 1]]


def test_names_of_a_network() -> None:
    def ask(stated: list[str] | None, asked: list[str] | None, in_order: bool, number: int) -> list[str]:
        return require_names(stated, asked, in_order, number, ["a", "b"], "the network")

    assert ask(["x", "y"], None, False, 2) == ["x", "y"]
    assert ask(None, ["x", "y"], False, 2) == ["x", "y"]
    assert ask(None, None, True, 2) == ["a", "b"]
    assert ask(["x", "x"], None, False, 2) == ["x (0)", "x (1)"]
    for arguments, message in (
        ((None, None, False, 2), "names none of them"),
        ((None, ["x"], False, 2), "--classes has 1"),
        ((None, None, True, 3), "the data have 2"),
        ((["x"], ["x", "y"], True, 2), "pass one of them"),
    ):
        with pytest.raises(UserError, match=message):
            ask(*arguments)


@pytest.mark.parametrize(
    ("labels", "count", "gap"),
    [({0: "a", 2: "c"}, 2, 1), ({0: "a", 1: " "}, 2, 1), ({1: "b"}, 1, 0), ({0: "a", 10**18: "b"}, 2, 1)],
)
def test_label_maps_with_gaps(labels: dict[int, str], count: int, gap: int) -> None:
    with pytest.raises(UserError, match=f"but not the number {gap}:"):
        read_label_map(labels, count, "'net'")


def test_label_maps() -> None:
    assert read_label_map({1: "b ", 0: "a"}, 2, "'net'") == ["a", "b"]
    assert read_label_map({0: "LABEL_0", 1: "LABEL_1"}, 2, "'net'") is None
    assert read_label_map({}, 2, "'net'") is None
