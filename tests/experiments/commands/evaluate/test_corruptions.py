"""The gallery: its tiles are what a sweep meets."""

from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from command_line import read_refusal
from PIL import Image
from typing_extensions import override

from datamodules.corruptions.base import Corruption, draw_key
from datamodules.corruptions.declaration import declare
from datamodules.corruptions.noise import GaussianNoise
from experiments.commands.evaluate.corruptions import main
from experiments.pictures.gallery import Layout, as_tile, draw, make_tiles, read_sample, resize_sample
from experiments.sweeping.suite import Suite
from experiments.sweeping.suites import find_suite, list_suites


def write_picture(height: int, width: int, channels: int = 3) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (height, width, channels), dtype=np.uint8)


class Replaced(Corruption):
    """Reads the mask."""

    name = "replaced"
    family = "occlusion"
    reads_masks = True
    severities = declare(step=(1, 2, 3, 4, 5))

    @override
    def apply(self, images, masks, severity, keys):
        return images.masked_fill(masks[:, None] == 0, 7), masks

    @override
    def corrupt(self, images, keys, *, step):
        return images


class Moved(Replaced):
    """Moves the mask along."""

    name = "moved"
    family = "geometric"
    reads_masks = False

    @override
    def apply(self, images, masks, severity, keys):
        return images.roll(severity, 3), masks.roll(severity, 2)


@pytest.mark.parametrize("channels", [1, 3, 5])
def test_tiles_are_what_a_sweep_meets(channels: int) -> None:
    clean = write_picture(40, 52, channels)
    suite = find_suite("core")
    suite.seed = 4
    tiles = make_tiles({"image": clean}, suite, "a")
    batch = torch.from_numpy(np.stack([clean, clean])).permute(0, 3, 1, 2).contiguous()
    masks = torch.zeros(2, 40, 52, dtype=torch.int64)
    for tile, condition in zip(tiles, suite.conditions[1:], strict=True):
        images, _ = condition(torch.nn.Identity(), batch, masks, ["other", "a"], suite.seed)
        assert tile.image is not None
        assert np.array_equal(tile.image, images[1].permute(1, 2, 0))
        error = np.square(tile.image.astype(float) - clean).mean()
        assert tile.psnr == pytest.approx(10 * np.log10(255**2 / error))


@pytest.mark.parametrize("order", ["corrupt_then_resize", "resize_then_corrupt"])
def test_tiles_are_resized_in_the_order_of_the_suite(order: str) -> None:
    """As OpenCV does it, before the corruption or after it."""
    picture, keys = write_picture(80, 96, 3), torch.tensor([draw_key(0, "a", "gaussian_noise", 1)])
    suite = Suite("noise", 1, [GaussianNoise()], {"gaussian_noise": [1]}, order=order)

    def corrupt(image: np.ndarray) -> np.ndarray:
        planes = torch.from_numpy(image.transpose(2, 0, 1).copy())[None]
        return GaussianNoise()(planes, 1, keys)[0].permute(1, 2, 0).numpy()

    def shrink(image: np.ndarray) -> np.ndarray:
        return cv2.resize(image, (48, 40), interpolation=cv2.INTER_AREA)

    before = order == "corrupt_then_resize"
    (tile,) = make_tiles({"image": picture}, suite, "a", (40, 48))
    assert np.array_equal(tile.image, shrink(corrupt(picture)) if before else corrupt(shrink(picture)))


def test_the_picture_holds_the_tiles(tmp_path: Path) -> None:
    Image.fromarray(write_picture(120, 150)).save(tmp_path / "name.png")
    output = tmp_path / "new" / "gallery.png"
    suite = find_suite("smoke")
    main([f"--image={tmp_path / 'name.png'}", "--suite=smoke", "--seed=3", f"--output={output}"])
    drawn = np.asarray(Image.open(output).convert("RGB"))
    planes = torch.from_numpy(write_picture(120, 150).transpose(2, 0, 1).copy())[None]
    layout = Layout((120, 150), len(suite.corruptions), 2)
    for row, corruption in enumerate(suite.corruptions, 1):
        for column, severity in enumerate((1, 5)):
            keys = torch.tensor([draw_key(3, "name", corruption.name, severity)])
            wanted = corruption(planes, severity, keys)[0].permute(1, 2, 0)
            top, left = layout.find_corner(row, column)
            assert np.array_equal(drawn[top : top + 120, left : left + 150], wanted)
    top, left = layout.find_corner(0, 0)
    assert np.array_equal(drawn[top : top + 120, left : left + 150], write_picture(120, 150))


def test_a_corruption_that_reads_the_mask_asks_for_one() -> None:
    suite = Suite("masked", 1, [Replaced(), Moved(), GaussianNoise()])
    image, mask = write_picture(40, 40), np.eye(40, dtype=np.uint8)
    tiles = make_tiles({"image": image}, suite, "a")
    assert {tile.name for tile in tiles if tile.image is None} == {"replaced"}
    figure = draw(tiles, image, "title")
    assert [text.get_text() for text in figure.texts].count("needs --mask") == 5
    replaced = make_tiles({"image": image, "mask": mask}, suite, "a")[0].image
    assert replaced is not None
    assert np.array_equal(replaced[mask == 1], image[mask == 1])
    assert (replaced[mask == 0] == 7).all()


def test_what_is_shown() -> None:
    for channels, same in ((1, [0, 0, 0]), (2, [0, 0, 0]), (3, [0, 1, 2]), (5, [0, 1, 2])):
        image = write_picture(110, 60, channels)
        assert np.array_equal(as_tile(image), image[..., same])
    assert as_tile(write_picture(500, 1000)).shape == (104, 208, 3)
    assert np.array_equal(as_tile(write_picture(32, 40))[::3, ::3], write_picture(32, 40))


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGBA", "RGB"])
def test_modes_are_read_as_grey_or_colour(mode: str, tmp_path: Path) -> None:
    Image.fromarray(write_picture(40, 50)).convert(mode).save(tmp_path / "a.png")
    assert read_sample(tmp_path / "a.png")["image"].shape == (40, 50, 1 if mode in ("1", "L", "LA") else 3)


def test_arrays_masks_and_sizes(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", write_picture(40, 50, 5).astype(np.uint16) * 16)
    Image.fromarray(write_picture(40, 50)[..., 0]).save(tmp_path / "mask.png")
    sample = read_sample(tmp_path / "a.npy", tmp_path / "mask.png", (0, 4080))
    assert np.array_equal(sample["image"], write_picture(40, 50, 5))
    smaller = resize_sample(sample, (32, 36))
    assert smaller["image"].shape == (32, 36, 5)
    assert smaller["mask"].shape == (32, 36)
    assert "mask" not in resize_sample({"image": write_picture(40, 50)}, (32, 36))


@pytest.mark.parametrize(("channels", "sets"), [(3, 6), (2, 2)])
def test_missing_channels_are_drawn(channels: int, sets: int) -> None:
    clean = write_picture(40, 52, channels)
    tiles = make_tiles({"image": clean}, find_suite("modality"), "a")
    assert len(tiles) == 3 * sets
    first = tiles[0].image
    assert first is not None
    assert not first[..., 0].any()
    assert np.array_equal(first[..., 1:], clean[..., 1:])


def test_list_names_every_suite_and_corruption(capsys: pytest.CaptureFixture[str]) -> None:
    main(["--list"])
    text = capsys.readouterr().out
    for name in list_suites():
        assert f"{name} (version " in text
        assert all(f" {one.family} " in text and f" {one.name} " in text for one in find_suite(name).corruptions)
    assert "severities 1 5\n" in text


def test_parameters_are_what_the_classes_declare(capsys: pytest.CaptureFixture[str]) -> None:
    main(["--parameters", "imagenet_c", "imagenet_c_extra", "core", "lighting", "albumentations"])
    lines = capsys.readouterr().out.splitlines()
    assert "| gaussian_noise | standard_deviation 0.08 0.12 0.18 0.26 0.38 | yes |  |" in lines
    assert "| low_light | share 0.5 0.3 0.17 0.09 0.045, photons 1500, read_noise 0.0025 |  |  |" in lines
    assert any(line.startswith("| zoom_blur | magnifications (1 to 1.11) (1 to 1.15) ") for line in lines)
    assert any(line.endswith("water 0.6 0.6 0.5 - -, mud - - - 1.5 1.5 |  |  |") for line in lines)
    assert any(line.startswith("| posterised | arguments (num_bits=5) ") for line in lines)
    assert any(line.startswith("| saturate |") and line.endswith("| stay as they are |") for line in lines)
    assert len(lines) == len(set(lines))


def test_refusals(tmp_path: Path) -> None:
    image = tmp_path / "a.png"
    Image.fromarray(write_picture(40, 50)).save(image)
    Image.fromarray(write_picture(20, 20)).save(tmp_path / "small.png")
    Image.fromarray(write_picture(20, 20)[..., 0]).save(tmp_path / "mask.png")
    (tmp_path / "broken.png").write_bytes(b"no picture")
    (tmp_path / "shift.yaml").write_text("{name: shift, version: 1, shifts: {light: [day]}}")
    np.save(tmp_path / "deep.npy", write_picture(40, 50).astype(np.float32))
    output = f"--output={tmp_path / 'out.png'}"
    sentences = {
        "--list": ["--size", "40", "40"],
        "the project has no suite": ["--parameters", "imagenet_c", tmp_path / "shift.yaml"],
        "there is no file": ["--image", tmp_path / "none.png"],
        "cannot be read": ["--image", tmp_path / "broken.png"],
        "pass a larger --size": ["--image", tmp_path / "small.png"],
        "window": ["--image", tmp_path / "deep.npy"],
        "is empty": ["--image", image, "--window", "3", "3"],
        "no suite 'none'": ["--image", image, "--suite=none"],
        "no corruptions to draw": ["--image", image, f"--suite={tmp_path / 'shift.yaml'}"],
        "to the same size": ["--image", image, "--mask", tmp_path / "mask.png"],
        "*.png": ["--image", image, "--output=out.gif"],
        "it is a folder": ["--image", image, "--output", tmp_path / "folder.png"],
    }
    (tmp_path / "folder.png").mkdir()
    for sentence, words in sentences.items():
        given = words if any("--output" in str(word) for word in words) else [*words, output]
        assert sentence in read_refusal("corruptions", *given)
    assert not (tmp_path / "out.png").exists()
