"""The mean of several predictions, computed by hand."""

import pytest
import torch

from lightning_modules.networks.ensembles.combination import Combination, average_logits, find_combination
from lightning_modules.networks.ensembles.ensemble import Ensemble
from lightning_modules.networks.ensembles.monte_carlo_dropout import MonteCarloDropout
from lightning_modules.networks.network import SEGMENTATION
from lightning_modules.networks.smp import SmpNetwork
from lightning_modules.networks.wrappers.pruned import PrunedNetwork
from lightning_modules.networks.wrappers.sliding_window import SlidingWindow
from lightning_modules.networks.wrappers.temperature import TemperatureScaled
from lightning_modules.networks.wrappers.test_time_augmentation import TestTimeAugmentation
from lightning_modules.segmentation import SegmentationModule
from user_error import UserError

MEMBER_LOGITS = 4 * torch.randn(3, 2, 5, 4, 4, generator=torch.Generator().manual_seed(0))


def test_a_softmax_of_the_mean_is_the_mean_probability() -> None:
    found = average_logits(iter(MEMBER_LOGITS), "probabilities").softmax(1)
    torch.testing.assert_close(found, MEMBER_LOGITS.softmax(2).mean(0))


def test_mean_of_logits() -> None:
    torch.testing.assert_close(average_logits(MEMBER_LOGITS, "logits"), MEMBER_LOGITS.mean(0))


def test_means_differ_where_one_member_is_sure() -> None:
    """Two lean to class 0 and one is sure of class 1: their probabilities say 0, their logits 1."""
    member_logits = torch.tensor([[1.0, 0.0], [1.0, 0.0], [0.0, 9.0]]).view(3, 1, 2, 1, 1)
    assert average_logits(member_logits, "probabilities").softmax(1)[0, 1] == pytest.approx(0.512, abs=1e-3)
    assert average_logits(member_logits, "logits").softmax(1)[0, 1] == pytest.approx(0.911, abs=1e-3)


def test_what_no_member_holds_possible_stays_finite() -> None:
    sure = torch.tensor([200.0, -200.0]).view(1, 2, 1, 1)
    assert torch.isfinite(average_logits([sure, sure], "probabilities")).all()


def test_half_precision_is_averaged_in_single() -> None:
    """Logits far apart: a mean of probabilities in 16 bits would lose the small ones."""
    found = average_logits(MEMBER_LOGITS.bfloat16(), "probabilities")
    assert found.dtype == torch.float32
    torch.testing.assert_close(found.softmax(1), MEMBER_LOGITS.bfloat16().float().softmax(2).mean(0))


def test_unknown_mean() -> None:
    class Nothing(Combination):
        def compute_member_logits(self, image: torch.Tensor) -> None:
            raise AssertionError

    with pytest.raises(UserError, match="'probabilities' or 'logits'"):
        Nothing().require_average("median")


def test_a_pruned_combination_is_one() -> None:
    """Its members keep losses of their own when it is trained on, and its predictions their differences."""
    image, mask = torch.rand(2, 3, 64, 64), torch.randint(0, 5, (2, 64, 64))
    ensemble = Ensemble(
        5, 3, [lambda classes, channels: SmpNetwork(classes, channels, encoder="tu-mobilenetv3_small_050")], copies=2
    )
    module = SegmentationModule(lambda *_: PrunedNetwork(5, 3, lambda *_: ensemble, {}), 5).eval()
    loss = module.compute_loss({"image": image, "mask": mask, "id": ["a", "b"]})
    own = torch.stack([module.loss(member(image), mask) for member in ensemble.members])
    torch.testing.assert_close(loss, own.mean())
    assert find_combination(module.network) is ensemble
    assert find_combination(ensemble.members[0]) is None


@pytest.mark.parametrize("wrapper", [TestTimeAugmentation, MonteCarloDropout, SlidingWindow, TemperatureScaled])
def test_members_within_another_network_are_trained_apart(wrapper: type) -> None:
    """Their mean would let them make up for each other."""
    settings = {"encoder": "tu-mobilenetv3_small_050", "dropout": 0.2}
    members = [lambda classes, channels: SmpNetwork(classes, channels, **settings)]
    network = wrapper(5, 3, lambda *_: Ensemble(5, 3, members, copies=3))
    image = torch.rand(2, 3, 64, 64)
    assert len(network.train().compute_training_outputs(image)[SEGMENTATION]) == 3
    scaled = TemperatureScaled(5, 3, lambda *_: network.network.eval(), temperature=2.0)
    outputs = scaled.compute_training_outputs(image)[SEGMENTATION]
    for one, other in zip(outputs, network.network.compute_member_logits(image), strict=True):
        torch.testing.assert_close(one, other / 2)
