from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from torch import nn

from datamodules.reading.image_reading import ImageReading
from experiments.checkpoints.matching import Mapped, describe_framing_change, match_data, require_same_names
from lightning_modules.networks.wrappers.reordered import Reordered
from user_error import UserError

FILE = Path("best.ckpt")
KNOWN = {"classes": ["background", "polyp", "tool"], "channels": ["t1", "flair"], "window": [0, 4095]}


def make_data(
    classes=("background", "polyp", "tool"), channels=("t1", "flair"), window=(0.0, 4095.0)
) -> SimpleNamespace:
    return SimpleNamespace(classes=classes, channels=channels, reading=ImageReading(tuple(channels), window))


def test_the_names_of_the_training():
    match = match_data(FILE, KNOWN, make_data())
    assert match.in_order
    assert match_data(FILE, {}, make_data()) == match  # a checkpoint of an early version


def test_names_in_another_order_are_found():
    match = match_data(FILE, KNOWN, make_data(("tool", "background", "polyp"), ("flair", "t1")))
    assert (match.classes, match.channels) == ([2, 0, 1], [1, 0])
    network = nn.Conv2d(2, 3, 1)
    image = torch.rand(1, 2, 4, 4)
    logits = Reordered(network, match.classes, match.channels)(image[:, [1, 0]])
    assert torch.equal(logits, network(image)[:, [2, 0, 1]])
    with pytest.raises(UserError, match="in another order"):
        require_same_names(FILE, KNOWN, make_data(("tool", "background", "polyp")))


def test_three_channels_go_where_they_belong():
    known = {"channels": ["a", "b", "c"]}
    match = match_data(FILE, known, make_data(channels=("c", "a", "b"), window=None))
    data = torch.tensor([3.0, 1.0, 2.0]).view(1, 3, 1, 1)  # c, a, b
    assert data[:, match.channels].flatten().tolist() == [1, 2, 3]


def test_other_names_are_refused_or_mapped():
    data = make_data(("background", "lesion", "tool"))
    with pytest.raises(
        UserError, match=r"class 'polyp', and the data have 'lesion' .*--map\.classes '\{polyp: lesion\}'"
    ):
        match_data(FILE, KNOWN, data, Mapped())
    with pytest.raises(UserError, match=r"pass the --data it was trained for$"):  # a verb that maps nothing
        match_data(FILE, KNOWN, data)
    mapped = Mapped({"polyp": "lesion"})
    assert match_data(FILE, KNOWN, data, mapped).classes == [0, 1, 2]
    assert mapped.as_json() == {"classes": {"polyp": "lesion"}}
    with pytest.raises(
        UserError, match=r"--map\.classes has 'cat': 'lesion', but the checkpoint knows background, polyp"
    ):
        match_data(FILE, KNOWN, data, Mapped({"cat": "lesion"}))
    with pytest.raises(UserError, match="channel 'flair', and the data have 't2'"):
        match_data(FILE, KNOWN, make_data(channels=("t1", "t2")))


def test_another_window_is_refused_unless_it_is_meant():
    with pytest.raises(UserError, match=r"the window \[0\.0, 4095\.0\], and these data have \[0\.0, 255\.0\]"):
        match_data(FILE, KNOWN, make_data(window=(0.0, 255.0)))
    assert match_data(FILE, KNOWN, make_data(window=(0.0, 255.0)), Mapped(window=True)).in_order


def test_what_a_record_says_of_the_mapping():
    mapped = Mapped({"polyp": "lesion"}, {"t1": "t2"}, True)
    assert Mapped.from_json(mapped.as_json()) == mapped
    for content in (None, [], {"classes": [1], "channels": "x", "window": "yes", "more": 1}):
        assert Mapped.from_json(content) == Mapped()


def test_another_framing_is_said():
    known = {"size": [32, 64]}
    for size, aspect, expected in (
        ((32, 64), "squash", ""),
        ((64, 64), "squash", "is for images brought to 32 x 64 (squash), and now sees them brought to 64 x 64"),
        ((32, 64), "pad", "brought to 32 x 64 (pad)"),
        (None, "squash", "now sees them of their own sizes"),
    ):
        note = describe_framing_change(Path("a.ckpt"), known, SimpleNamespace(size=size, aspect=aspect))
        assert expected in note
        assert bool(note) == bool(expected)
    assert describe_framing_change(Path("a.ckpt"), {}, SimpleNamespace(size=None, aspect="pad")) == ""
