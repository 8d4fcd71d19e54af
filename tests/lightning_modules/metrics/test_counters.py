"""One contract for every counter that has a YAML: its forms, and integers that add up."""

import pytest
import torch

from experiments.sweeping.counters import find_counters, list_counters
from lightning_modules.metrics.counters.base import Counter, Prediction
from lightning_modules.metrics.counters.regions import Regions
from lightning_modules.metrics.sweep import SweepCounts, make_default_counters
from user_error import UserError

CLASSES = 3


@pytest.fixture(params=list_counters())
def counter(request: pytest.FixtureRequest) -> Counter:
    (found,) = [one for one in find_counters([request.param]) if type(one).__module__.endswith(f".{request.param}")]
    return found


def predicted(images: slice = slice(None), filling: bool = False) -> Prediction:
    draw = torch.Generator().manual_seed(0)
    logits = torch.randn(4, CLASSES, 40, 48, generator=draw)[images]
    mask = torch.randint(0, CLASSES, (4, 40, 48), generator=draw)[images]
    mask = torch.full_like(mask, 255) if filling else mask.masked_fill(mask == 0, 255)
    return Prediction(logits, logits.argmax(1), mask, CLASSES)


def test_counts_have_the_form_that_is_stated(counter: Counter) -> None:
    forms, counts = counter.list_forms(CLASSES), counter.count(predicted())
    assert forms.keys() == counts.keys()
    for name, form in forms.items():
        assert name.isidentifier()
        assert name == name.lower()
        assert counts[name].dtype == torch.int64
        assert counts[name].shape == ((4, *form.shape) if form.per_image else form.shape)


def test_parts_of_a_batch_add_up(counter: Counter) -> None:
    complete = counter.count(predicted())
    parts = [counter.count(predicted(images)) for images in (slice(1), slice(1, 4))]
    for name, form in counter.list_forms(CLASSES).items():
        found = torch.cat([one[name] for one in parts]) if form.per_image else sum(one[name] for one in parts)
        assert torch.equal(found, complete[name])  # type: ignore[arg-type]


def test_a_filling_counts_nothing(counter: Counter) -> None:
    assert not any(counts.any() for counts in counter.count(predicted(filling=True)).values())


def test_regions_are_counted_by_themselves() -> None:
    seen = predicted()
    region = torch.rand(4, 40, 48, generator=torch.Generator().manual_seed(1)) < 0.3
    found = Regions().count(Prediction(seen.logits, seen.predicted, seen.mask, CLASSES, region=region))
    for name, part in (("inside", region), ("outside", ~region)):
        for image in range(4):
            there = part[image] & (seen.mask[image] < CLASSES)
            guessed, true = seen.predicted[image][there], seen.mask[image][there]
            for number, row in enumerate(found[name][image].tolist()):
                hits = int(((guessed == number) & (true == number)).sum())
                assert row == [hits, int((guessed == number).sum()), int((true == number).sum())]
    everywhere = Regions().count(seen)
    assert torch.equal(everywhere["inside"], everywhere["outside"])
    assert torch.equal(everywhere["inside"], found["inside"] + found["outside"])


def test_every_counter_has_its_yaml_and_counts_once() -> None:
    assert {type(one).__module__.rpartition(".")[2] for one in make_default_counters()} <= set(list_counters())
    assert len(find_counters(list_counters())) == len({type(one) for one in find_counters(list_counters())})
    with pytest.raises(UserError, match=r"two counters count 'classes'.*rename its counts"):
        SweepCounts(CLASSES, 1, make_default_counters() * 2)
