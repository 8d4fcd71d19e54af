import pytest
import torch

from datamodules.corruptions.modality import MissingChannels
from user_error import UserError

CHANNELS = ["T1 pre-contrast", "FLAIR", "T1 post-contrast"]
IMAGES = torch.randint(0, 256, (2, 3, 32, 40), dtype=torch.uint8, generator=torch.Generator().manual_seed(1))
MASKS = torch.zeros(2, 32, 40, dtype=torch.int64)


def test_every_subset_is_a_condition():
    conditions = MissingChannels().make_conditions(CHANNELS)
    assert [(c.name, c.severity, c.parameters["channels"]) for c in conditions] == [
        ("without_t1_pre_contrast", 1, [0]),
        ("without_flair", 1, [1]),
        ("without_t1_post_contrast", 1, [2]),
        ("without_t1_pre_contrast+flair", 2, [0, 1]),
        ("without_t1_pre_contrast+t1_post_contrast", 2, [0, 2]),
        ("without_flair+t1_post_contrast", 2, [1, 2]),
    ]


def test_groups_go_missing_together():
    missing = MissingChannels({"T1": ["T1 pre-contrast", "T1 post-contrast"], "FLAIR": ["FLAIR"]}, ["zero", "noise"])
    conditions = missing.make_conditions(CHANNELS)
    assert [c.name for c in conditions] == ["without_t1", "without_flair", "without_t1_noise", "without_flair_noise"]
    assert conditions[0].parameters == {"channels": [0, 2], "fill": "zero"}


@pytest.mark.parametrize("fill", ["zero", "mean", "noise"])
def test_fills(fill):
    *_, condition = MissingChannels(fills=[fill]).make_conditions(CHANNELS)
    before = IMAGES.clone()
    found, masks = condition(IMAGES, MASKS, ["a", "b"], 0)
    assert masks is MASKS
    assert torch.equal(IMAGES, before)
    assert torch.equal(found[:, 0], IMAGES[:, 0])
    lost = found[:, 1:].double()
    if fill == "noise":
        assert abs(lost.mean() - 127.5) < 5 * 73.9 / lost.numel() ** 0.5
        assert not torch.equal(lost[0], lost[1])
        swapped, _ = condition(IMAGES.flip(0), MASKS, ["b", "a"], 0)
        assert torch.equal(swapped.flip(0), found)
        assert not torch.equal(condition(IMAGES, MASKS, ["a", "b"], 1)[0], found)
    else:
        expected = (
            IMAGES[:, 1:].double().mean((2, 3), keepdim=True).floor() if fill == "mean" else torch.zeros(1).double()
        )
        assert torch.equal(lost, expected.expand_as(lost))


@pytest.mark.parametrize(
    ("groups", "message"),
    [
        ({"T1": ["T1"], "FLAIR": ["FLAIR"]}, "no channel 'T1'"),
        ({"one": ["FLAIR"], "two": ["FLAIR"]}, "overlap"),
        ({"A b": ["FLAIR"], "a-b": ["T1 pre-contrast"]}, "overlap"),
        ({"all": CHANNELS}, "1 channel groups"),
    ],
)
def test_refuses_groups_that_are_none(groups, message):
    with pytest.raises(UserError, match=message):
        MissingChannels(groups).make_conditions(CHANNELS)


def test_refuses_too_many_groups():
    with pytest.raises(UserError, match="7 channel groups"):
        MissingChannels().make_conditions([str(number) for number in range(7)])
