import torch

from datamodules.corruptions.blur import DefocusBlur
from datamodules.corruptions.noise import GaussianNoise
from datamodules.corruptions.stream import ConditionStream
from datamodules.corruptions.suite import Suite


def test_stream_is_lazy_and_reports_what_counts():
    images = torch.randint(0, 256, (3, 3, 32, 32), dtype=torch.uint8)
    masks = torch.zeros(3, 32, 32, dtype=torch.long)
    told: list[int] = []
    suite = Suite("small", 1, [DefocusBlur()])
    stream = ConditionStream(suite, images, masks, ["a", "b", ""], told.append)
    assert len(stream) == 6
    for position, (index, corrupted, same_masks) in enumerate(stream):
        assert index == position == len(told)
        assert same_masks is masks
        assert (corrupted is images) == (index == 0)
    assert told == [2] * 6


def test_stream_draws_from_seed_and_id_alone():
    images = torch.full((2, 3, 32, 32), 90, dtype=torch.uint8)
    masks = torch.zeros(2, 32, 32, dtype=torch.long)

    def pixels(ids: list[str], seed: int = 0) -> torch.Tensor:
        suite = Suite("small", 1, [GaussianNoise()], {"gaussian_noise": [2]}, seed=seed)
        return [corrupted for _, corrupted, _ in ConditionStream(suite, images, masks, ids)][1]

    assert torch.equal(pixels(["a", "b"]), pixels(["b", "a"]).flip(0))
    assert not torch.equal(pixels(["a", "b"])[0], pixels(["a", "b"])[1])
    assert not torch.equal(pixels(["a", "b"]), pixels(["a", "b"], seed=1))


def test_a_real_shift_counts_the_pixels_of_its_images_alone():
    images = torch.randint(0, 256, (3, 3, 32, 32), dtype=torch.uint8)
    masks = torch.ones(3, 32, 32, dtype=torch.long)
    suite = Suite("small", 1, shifts={"light": ["day"]})
    suite = suite.for_data(["red", "green", "blue"], {"a": {"light": "day"}, "b": {"light": "dusk"}})
    _, (index, shown, scored) = ConditionStream(suite, images, masks, ["b", "a", ""])
    assert index == 1
    assert shown is images
    assert scored.flatten(1).amin(1).tolist() == [255, 1, 255]
    assert (masks == 1).all()


def test_a_batch_of_filling_meets_one_condition():
    images = torch.zeros(2, 3, 32, 32, dtype=torch.uint8)
    masks = torch.full((2, 32, 32), 255)
    stream = ConditionStream(Suite("small", 1, [GaussianNoise()]), images, masks, ["", ""])
    assert [index for index, *_ in stream] == [0]
