"""Views of an image and their way back, by hand."""

import pytest
import torch
from members import Linear, images, small

from lightning_modules.networks.ensembles.ensemble import Ensemble
from lightning_modules.networks.wrappers.test_time_augmentation import FLIPS, TestTimeAugmentation, resize
from user_error import UserError


@pytest.mark.parametrize("flips", FLIPS)
@torch.inference_mode()
def test_what_looks_at_single_pixels_says_the_same_of_every_mirror_image(flips: str) -> None:
    network = TestTimeAugmentation(3, 3, Linear, flips=flips).eval()
    image = images(size=(32, 48))
    assert len(list(network.compute_member_logits(image))) == len(FLIPS[flips])
    torch.testing.assert_close(network(image).softmax(1), network.network(image).softmax(1))


@torch.inference_mode()
def test_mirror_images_by_hand() -> None:
    torch.manual_seed(0)
    network = TestTimeAugmentation(3, 3, small, flips="both", average="logits").eval()
    inner, image = network.network, images()
    views = [
        inner(image),
        inner(image.flip(-1)).flip(-1),
        inner(image.flip(-2)).flip(-2),
        inner(image.flip(-1, -2)).flip(-1, -2),
    ]
    torch.testing.assert_close(network(image), torch.stack(views).mean(0))
    assert (views[0] - views[1]).abs().max() > 1e-3


@torch.inference_mode()
def test_answers_do_not_depend_on_the_mirror() -> None:
    """All four views of a mirrored image are those of the image."""
    network = TestTimeAugmentation(3, 3, small, flips="both").eval()
    image = images()
    torch.testing.assert_close(network(image.flip(-1)).flip(-1), network(image), rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("scales", [[0.5], [1.0, 1.5], [0.3, 0.75, 2.0]])
@torch.inference_mode()
def test_scales_come_back_to_the_image(scales: list[float]) -> None:
    network = TestTimeAugmentation(3, 3, small, flips="horizontal", scales=scales).eval()
    member_logits = list(network.compute_member_logits(images(size=(33, 47))))
    assert [tuple(one.shape) for one in member_logits] == [(2, 3, 33, 47)] * 2 * len(scales)


def test_sizes_of_bytes_and_floats() -> None:
    image = images(size=(30, 50))
    torch.testing.assert_close(resize(image, 0.5), resize(image.float() / 255, 0.5))
    assert resize(image, 0.5).shape[-2:] == (15, 25)
    assert resize(image, 1.0) is image
    assert resize(image, 0.001).shape[-2:] == (1, 1)


def test_training_sees_the_image_alone() -> None:
    network = TestTimeAugmentation(3, 3, Linear, flips="both", scales=[0.5, 1.0]).train()
    assert len(list(network.compute_member_logits(images()))) == 1


def test_of_an_ensemble() -> None:
    """The mean of views of the mean of members."""
    network = TestTimeAugmentation(3, 3, lambda *sizes: Ensemble(*sizes, [Linear] * 2), flips="vertical").eval()
    assert network(images()).shape == (2, 3, 64, 64)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"flips": "diagonal"}, "flips is 'diagonal'"),
        ({"scales": []}, "at least one number above 0"),
        ({"scales": [1.0, 0.0]}, "at least one number above 0"),
        ({"average": "mode"}, "average is 'mode'"),
    ],
)
def test_refusals(settings: dict, message: str) -> None:
    with pytest.raises(UserError, match=message):
        TestTimeAugmentation(2, 3, Linear, **settings)
