"""What is counted of whole images to tell how sure a network is of them."""

import numpy as np
import pytest
import torch
from members import Linear, images
from scipy.stats import entropy
from sklearn.metrics import f1_score

from experiments.evaluation.image_failures import find_confidences
from experiments.evaluation.images import Images
from lightning_modules.metrics.counters.base import Prediction
from lightning_modules.metrics.counters.entropy import Entropy
from lightning_modules.metrics.counters.members import Members
from lightning_modules.metrics.fixed_point import UNIT
from lightning_modules.metrics.sweep import SweepCounts
from lightning_modules.networks.ensembles.combination import watch_members
from lightning_modules.networks.ensembles.ensemble import Ensemble
from lightning_modules.networks.wrappers.temperature import TemperatureScaled
from lightning_modules.networks.wrappers.test_time_augmentation import TestTimeAugmentation

CLASSES = 4
IGNORED = 255


def see(members: int = 3) -> Prediction:
    """Predictions of members for three images, of which the last has no labelled pixels and the second no class 3."""
    random = np.random.default_rng(0)
    logits = torch.from_numpy(random.normal(0, 2, (3, CLASSES, 9, 10)).astype(np.float32))
    mask = torch.from_numpy(random.integers(0, CLASSES, (3, 9, 10)))
    mask[torch.from_numpy(random.random((3, 9, 10)) < 0.2)] = IGNORED
    mask[2] = IGNORED
    drawn = torch.from_numpy(random.integers(0, CLASSES, (members, 3, 9, 10)))
    drawn[:, 1] %= 3
    return Prediction(logits, logits.argmax(1), mask, CLASSES, list(drawn))


def test_entropy_is_that_of_scipy() -> None:
    seen = see()
    found = Entropy().count(seen)["entropy"][:, 0] / UNIT
    each = entropy(seen.logits.double().softmax(1).numpy(), axis=1)
    wanted = [one[kept != IGNORED].sum() for one, kept in zip(each, seen.mask.numpy(), strict=True)]
    assert found.tolist() == pytest.approx(wanted, abs=90 * 0.6 / UNIT)


def test_a_diverged_prediction_has_the_entropy_of_equal_chances() -> None:
    logits, mask = torch.full((1, CLASSES, 2, 2), torch.nan), torch.zeros(1, 2, 2, dtype=torch.long)
    found = Entropy().count(Prediction(logits, mask, mask, CLASSES))["entropy"]
    assert found[0, 0] / UNIT == pytest.approx(4 * np.log(CLASSES), abs=4 / UNIT)


def test_dice_of_two_members_is_that_of_scikit_learn() -> None:
    seen = see()
    found = Members().count(seen)["pairwise_dice"].numpy()
    for image in range(2):
        kept = seen.mask[image].numpy() != IGNORED
        first, second, third = (one[image].numpy()[kept] for one in seen.members)
        scores = [
            f1_score(one, other, labels=range(CLASSES), average=None, zero_division=0)
            for one, other in ((first, second), (first, third), (second, third))
        ]
        pairs = 3 * np.isin(range(CLASSES), np.concatenate([first, second, third]))
        assert found[image, :, 0] / UNIT == pytest.approx(np.sum(scores, 0), abs=3 / UNIT)
        assert found[image, :, 1].tolist() == pairs.tolist()
    assert not found[2].any()


def test_confidences_of_images_follow_from_the_counts() -> None:
    """The mean over classes of the foreground; where no member sees any of them, they agree entirely."""
    seen = see()
    metric = SweepCounts(CLASSES, counters=[*SweepCounts(CLASSES).counters, Entropy(), Members()])
    counts = metric.count(seen.logits, seen.predicted, seen.mask, members=seen.members)
    per_image = {name: part.numpy()[:, None] for name, part in counts.items()}
    found = find_confidences(Images(list("abc"), per_image), [1, 2, 3])
    assert [*found] == ["mean confidence", "mean entropy", "pairwise Dice"]
    pairs = counts["pairwise_dice"].double().numpy()
    wanted = [np.mean(one[kept, 0] / one[kept, 1]) / UNIT for one, kept in ((pairs[0], [1, 2, 3]), (pairs[1], [1, 2]))]
    assert found["pairwise Dice"][:2, 0] == pytest.approx(wanted)
    labelled = (seen.mask[0] != IGNORED).sum()
    assert found["mean entropy"][0, 0] == pytest.approx(-float(counts["entropy"][0, 0] / UNIT / labelled))
    assert all(np.isnan(values[2, 0]) for values in found.values())
    background = [torch.zeros_like(one) for one in seen.members]
    alike = Members().count(Prediction(seen.logits, seen.predicted, seen.mask, CLASSES, background))["pairwise_dice"]
    agreed = find_confidences(Images(list("abc"), {"pairwise_dice": alike.numpy()[:, None]}), [1, 2, 3])
    assert agreed["pairwise Dice"][:2, 0].tolist() == [1, 1]


def test_a_single_network_has_no_pairs() -> None:
    counts = Members().count(see(members=0))["pairwise_dice"]
    assert counts.shape == (3, CLASSES, 2)
    assert not counts.any()
    assert find_confidences(Images(list("abc"), {"pairwise_dice": counts.numpy()[:, None]}), [1]) == {}


def test_members_are_seen_through_wrappers_in_the_pass_that_predicts() -> None:
    image = images(size=(6, 7))
    ensemble = Ensemble(CLASSES, 3, [Linear], copies=3)
    scaled = TemperatureScaled(CLASSES, 3, lambda *_: ensemble, 2.0)
    wanted = [member(image).argmax(1) for member in ensemble.members]
    for network in (ensemble, scaled):
        with watch_members(network) as members:
            network(image)
            network(image)  # the last pass alone
        assert len(members) == 3
        assert all(torch.equal(one, other) for one, other in zip(members, wanted, strict=True))
    network(image)
    assert len(members) == 3  # no longer watched
    with watch_members(TestTimeAugmentation(CLASSES, 3, Linear)) as members:
        TestTimeAugmentation(CLASSES, 3, Linear)(image)
    assert members == []
    flips = TestTimeAugmentation(CLASSES, 3, Linear).eval()
    with watch_members(flips) as members:
        flips(image)
    assert len(members) == 2
    with watch_members(Linear(CLASSES, 3)) as members:
        pass
    assert members == []
