"""Procedural scenes with exact masks, depth and labels, which need no download."""

from typing import Any

import cv2
import numpy as np

from datamodules.base import SegmentationDataModule, Split
from datamodules.dataset import Sample, SegmentationDataset
from user_error import UserError

_STREAM: dict[Split, int] = {"train": 0, "val": 1, "test": 2}
_TEXTURES = ("stripes", "dots", "ripples", "marble", "plain")
_SHAPES = ("blob", "bar", "star", "ring")
_MOST_CLASSES = 12
_FAR, _NEAR = 7.0, 2.0  # metres to the farthest and the nearest shape; the background lies behind
_MARGIN = 1.35  # how far a shape's shadow reaches, in shape radii


def _hsv_to_rgb(hue: float, saturation: float, value: float) -> np.ndarray:
    """RGB in [0, 1], shape (3,)."""
    turns = (hue * 6 + np.array([5.0, 3.0, 1.0])) % 6
    ramp = np.clip(np.minimum(turns, 4 - turns), 0, 1)
    return (value * (1 - saturation * ramp)).astype(np.float32)


def _draw_field(rng: np.random.Generator, size: tuple[int, int], cells: int) -> np.ndarray:
    """Smooth noise of unit variance, shape (H, W), about `cells` bumps along the shorter side."""
    short = min(size)
    knots = rng.standard_normal((2 + cells * size[0] // short, 2 + cells * size[1] // short), dtype=np.float32)
    return cv2.resize(knots, (size[1], size[0]), interpolation=cv2.INTER_CUBIC)


def _compute_hue(number: int, num_classes: int) -> float:
    """The typical hue of foreground class `number`, evenly spread."""
    return (number - 1) / (num_classes - 1)


def name_classes(num_classes: int) -> list[str]:
    """Names of the classes: the background, then texture and shape of every class."""
    pairs = [f"{_get_texture(number)}_{_get_shape(number)}" for number in range(1, num_classes)]
    return ["background", *pairs]


def _get_texture(number: int) -> str:
    return _TEXTURES[(number - 1) % len(_TEXTURES)]


def _get_shape(number: int) -> str:
    return _SHAPES[(number - 1) % len(_SHAPES)]


def _draw_outline(rng: np.random.Generator, kind: str, angle: np.ndarray) -> np.ndarray:
    """Distance of the outline from the centre at each `angle`, about 1."""
    outline = np.ones_like(angle)
    for order in (2, 3, 4):
        strength = 0.0 if kind == "bar" else {"blob": 0.16, "star": 0.04, "ring": 0.06}[kind]
        outline += strength * rng.uniform(0.3, 1.0) * np.cos(order * angle + rng.uniform(0, 2 * np.pi))
    if kind == "star":
        outline += rng.uniform(0.24, 0.34) * np.cos(int(rng.integers(5, 8)) * angle)
    return np.clip(outline, 0.35, _MARGIN)


def _draw_pattern(rng: np.random.Generator, kind: str, u: np.ndarray, v: np.ndarray, period: float) -> np.ndarray:
    """A texture in [-1, 1] over the shape's own coordinates `u`, `v` (pixels), with the given period in pixels."""
    wave = np.float32(2 * np.pi / period)
    if kind == "stripes":
        return np.tanh(3 * np.sin(wave * u))
    if kind == "dots":
        return np.tanh(5 * (np.sin(wave * u) * np.sin(wave * v) - 0.2))
    if kind == "ripples":
        return np.tanh(2 * np.sin(wave * np.hypot(u, v)))
    if kind == "marble":
        size = (u.shape[0], u.shape[1])
        return np.tanh(1.5 * _draw_field(rng, size, max(2, round(min(size) / period))))
    return np.zeros_like(u)


class _Canvas:
    """The canvas of one scene, which is drawn from back to front.

    Args:
        rng: generator of all random draws.
        size: (height, width) in pixels.
        num_classes: classes, the background included.
        difficulty: 0 to 1.
    """

    def __init__(self, rng: np.random.Generator, size: tuple[int, int], num_classes: int, difficulty: float) -> None:
        self.rng = rng
        self.size = size
        self.num_classes = num_classes
        self.difficulty = difficulty
        self.unit = float(min(size))
        self.rows, self.columns = np.mgrid[: size[0], : size[1]].astype(np.float32)
        self.mask = np.zeros(size, np.uint8)
        self.depth = (11 - 3 * self.rows / size[0]).astype(np.float32)
        self.image: np.ndarray = self._draw_background()

    def _draw_background(self) -> np.ndarray:
        """A muted texture of random kind, (H, W, 3) float32."""
        rng, hard = self.rng, self.difficulty
        dark, light = sorted(rng.uniform(0.25, 0.75, 2))
        colours = [_hsv_to_rgb(rng.uniform(), rng.uniform(0.02, 0.12 + 0.35 * hard), value) for value in (dark, light)]
        kind = rng.choice(["noise", "stripes", "gradient", "patches"])
        tilt = rng.uniform(0, np.pi)
        along = (self.columns * np.cos(tilt) + self.rows * np.sin(tilt)) / self.unit
        if kind == "stripes":
            blend = np.sin(along * rng.uniform(12, 40) + 0.8 * _draw_field(rng, self.size, 3))
        elif kind == "gradient":
            blend = 2 * along / max(1e-3, float(np.abs(along).max())) - 1
        elif kind == "patches":
            blend = np.tanh(6 * _draw_field(rng, self.size, int(rng.integers(3, 7))))
        else:
            blend = sum(_draw_field(rng, self.size, 2 * 2**octave) / 2**octave for octave in range(4))
        blend = 0.5 + 0.35 * blend + 0.08 * (0.5 + hard) * _draw_field(rng, self.size, 24)
        return colours[0] + np.clip(blend, 0, 1)[..., None] * (colours[1] - colours[0])

    def draw_clutter(self) -> None:
        """Draw thin strokes and specks in the colours of classes, which belong to the background."""
        rng = self.rng
        for _ in range(int(rng.integers(0, 2 + round(12 * self.difficulty)))):
            start = rng.uniform(0, 1, 2) * self.size[::-1]
            end = start + rng.normal(0, 0.12 * self.unit, 2)
            ends = [[int(value) for value in point] for point in (start, end)]
            colour = _hsv_to_rgb(rng.uniform(), rng.uniform(0.1, 0.6), rng.uniform(0.2, 0.9))
            width = max(1, round(self.unit * rng.uniform(0.008, 0.02)))
            cv2.line(self.image, ends[0], ends[1], [float(level) for level in colour], width)

    def draw_shape(self, number: int, distance: float) -> None:
        """Draw one shape of class `number` at `distance` metres in front of the earlier shapes."""
        rng = self.rng
        kind = _get_shape(number)
        radius = self.unit * rng.uniform(0.11, 0.23)
        centre = rng.uniform(0.06, 0.94, 2) * self.size
        aspect = rng.uniform(0.3, 0.45) if kind == "bar" else rng.uniform(0.75, 1.0)
        reach = radius * _MARGIN * _MARGIN * (1.25 if kind == "bar" else 1.0)
        low = np.maximum(np.floor(centre - reach), 0).astype(int)
        high = np.minimum(np.ceil(centre + reach) + 1, self.size).astype(int)
        window = (slice(low[0], high[0]), slice(low[1], high[1]))
        turn = rng.uniform(0, np.pi)
        y, x = self.rows[window] - np.float32(centre[0]), self.columns[window] - np.float32(centre[1])
        u = x * np.float32(np.cos(turn)) + y * np.float32(np.sin(turn))
        v = y * np.float32(np.cos(turn)) - x * np.float32(np.sin(turn))
        long = radius * (1.25 if kind == "bar" else 1.0)
        outline = _draw_outline(rng, kind, np.arctan2(v / np.float32(aspect), u))
        power = 4.0 if kind == "bar" else 2.0  # a rounded rectangle, or an ellipse
        rho = (np.abs(u / long) ** power + np.abs(v / (long * aspect)) ** power) ** (1 / power) / outline
        inside = rho < 1
        if kind == "ring":
            inside &= rho > rng.uniform(0.4, 0.58)
        self._draw_shadow(window, rho, inside)
        self._paint(window, number, (u, v, rho), inside)
        self.mask[window][inside] = number
        self.depth[window][inside] = distance + 0.2 * rho[inside] ** 2

    def _draw_shadow(self, window: tuple[slice, slice], rho: np.ndarray, inside: np.ndarray) -> None:
        """Draw the soft shadow of a shape on what is behind it."""
        dark = 0.4 * np.clip((_MARGIN - rho) / (_MARGIN - 1), 0, 1) ** 2
        self.image[window] *= 1 - np.where(inside, 0, dark)[..., None]

    def _paint(
        self, window: tuple[slice, slice], number: int, place: tuple[np.ndarray, ...], inside: np.ndarray
    ) -> None:
        """Fill the shape with varied hue and texture of its class, and shade it towards the rim."""
        rng, hard = self.rng, self.difficulty
        u, v, rho = place
        hue = _compute_hue(number, self.num_classes) + rng.normal(0, (0.08 + 0.5 * hard) / self.num_classes)
        saturation = np.clip(rng.normal(0.72 - 0.32 * hard, 0.1), 0.12, 1)
        value = rng.uniform(0.5, 0.9)
        usual = rng.uniform() >= 0.35 * hard
        texture = _get_texture(number) if usual else str(rng.choice(_TEXTURES))
        period = self.unit * rng.uniform(0.055, 0.095)
        pattern = _draw_pattern(rng, texture, u, v, period)[..., None]
        dark, light = (
            _hsv_to_rgb(hue, saturation, value * 0.62),
            _hsv_to_rgb(hue, saturation * 0.7, min(1.0, value * 1.2)),
        )
        paint = dark + (0.5 + 0.5 * pattern) * (light - dark)
        paint = paint * (1.08 - 0.33 * np.minimum(rho, 1) ** 2)[..., None]
        self.image[window][inside] = paint[inside]

    def apply_light(self) -> None:
        """Apply uneven, slightly coloured light, and the blur and noise of a camera."""
        rng, hard = self.rng, self.difficulty
        exposure = rng.uniform(0.95 - 0.25 * hard, 1.05 + 0.25 * hard)
        tint = rng.normal(1, 0.02 + 0.06 * hard, 3).astype(np.float32)
        uneven = np.exp((0.05 + 0.22 * hard) * _draw_field(rng, self.size, 1))
        self.image *= exposure * tint * uneven[..., None]
        self.image = cv2.GaussianBlur(self.image, (0, 0), 0.45 + self.unit / 640)
        noise = rng.standard_normal(self.image.shape, dtype=np.float32)
        self.image = self.image + np.float32(rng.uniform(0.006, 0.012 + 0.02 * hard)) * noise

    def make_sample(self) -> Sample:
        """The finished sample; its label is the foreground class with the most pixels, 0 where there is none."""
        seen = np.bincount(self.mask.ravel(), minlength=self.num_classes)[1:]
        return Sample(
            image=np.clip(np.rint(self.image * 255), 0, 255).astype(np.uint8),
            mask=self.mask,
            depth=self.depth,
            label=int(seen.argmax()) + 1 if seen.any() else 0,
        )


class SyntheticScenes(SegmentationDataset):
    """Scenes of textured shapes; scene `index` follows from (seed, split, index) and the settings of the drawing alone.

    The mask is exact: a pixel belongs to the nearest shape that covers its centre. The depth, float32 (H, W) in metres,
    agrees with the order of the shapes; the background is a ramp behind all of them.

    Args:
        split: train, val or test.
        length: number of scenes; a larger number does not change the first ones.
        size: (height, width) in pixels, at which the scenes are drawn.
        num_classes: classes, the background included.
        difficulty: 0 (saturated shapes, even light) to 1 (pale, varied and crowded shapes in clutter and uneven light).
        scene_seed: seed of the scenes.
    """

    def __init__(
        self, split: Split, length: int, size: tuple[int, int], num_classes: int, difficulty: float, scene_seed: int
    ) -> None:
        self.split: Split = split
        self.ids = [f"{split}_{index:06d}" for index in range(length)]
        self.size = size
        self.num_classes = num_classes
        self.difficulty = difficulty
        self.scene_seed = scene_seed

    def __getitem__(self, index: int) -> Sample:
        """Draw scene `index`: image, mask, depth and label."""
        if not 0 <= index < len(self.ids):
            raise IndexError(index)
        rng = np.random.default_rng([self.scene_seed, _STREAM[self.split], index])
        canvas = _Canvas(rng, self.size, self.num_classes, self.difficulty)
        canvas.draw_clutter()
        count = int(rng.integers(3, 5 + round(3 * self.difficulty), endpoint=True))
        step = (_FAR - _NEAR) / count
        for place in range(count):
            canvas.draw_shape(int(rng.integers(1, self.num_classes)), _FAR - step * (place + rng.uniform(0, 0.5)))
        canvas.apply_light()
        return canvas.make_sample()


class SyntheticDataModule(SegmentationDataModule):
    """Procedural scenes for first runs and for tests, with depth and a label for every image.

    Args:
        train: number of training scenes.
        val: number of validation scenes.
        test: number of test scenes.
        size: (height, width) in pixels, at which the scenes are drawn; at least 32 each.
        num_classes: 2 to 12, the background included.
        difficulty: 0 to 1, see `SyntheticScenes`.
        scene_seed: seed of the scenes, at least 0, independent of the seed of training.
        **kwargs: see `SegmentationDataModule`.

    Raises:
        UserError: an argument is out of its range.
    """

    def __init__(
        self,
        train: int = 256,
        val: int = 64,
        test: int = 64,
        size: tuple[int, int] = (128, 128),
        num_classes: int = 5,
        difficulty: float = 0.5,
        scene_seed: int = 0,
        **kwargs: Any,
    ) -> None:
        _require(min(train, val, test, scene_seed) >= 0, "train, val, test and scene_seed must not be negative")
        _require(len(size) == 2 and min(size) >= 32, f"size {list(size)} must be [height, width], each at least 32")
        _require(2 <= num_classes <= _MOST_CLASSES, f"num_classes {num_classes} must lie in 2..{_MOST_CLASSES}")
        _require(0 <= difficulty <= 1, f"difficulty {difficulty} must lie in 0..1")
        colours = [_hsv_to_rgb(_compute_hue(number, num_classes), 0.75, 0.9) * 255 for number in range(1, num_classes)]
        palette = [[40, 40, 40], *([int(level) for level in colour] for colour in colours)]
        super().__init__(classes=name_classes(num_classes), palette=palette, size=size, **kwargs)
        self.lengths: dict[Split, int] = {"train": train, "val": val, "test": test}
        self.difficulty = difficulty
        self.scene_seed = scene_seed

    @property
    def resizes(self) -> bool:
        """Never: scenes are drawn at their size."""
        return False

    def make_dataset(self, split: Split) -> SyntheticScenes:
        """The scenes of a split."""
        assert self.size is not None
        return SyntheticScenes(
            split, self.lengths[split], self.size, self.num_classes, self.difficulty, self.scene_seed
        )


def _require(holds: bool, wanted: str) -> None:
    if not holds:
        raise UserError(f"the synthetic data cannot be drawn: {wanted}")
