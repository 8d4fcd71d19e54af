"""Which corruptions a network has met in its training, or relatives of theirs: a gain on those says little of others."""

import re
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from experiments.evaluation.recipe import find_entry, find_training_data
from experiments.evaluation.robustness import Condition, compute_corrupted_mean

NOISE = frozenset(
    (
        "gaussian_noise",
        "shot_noise",
        "impulse_noise",
        "speckle_noise",
        "rician_noise",
        "quantum_noise",
        "ultrasound_speckle",
    )
)
BLUR = frozenset(("gaussian_blur", "defocus_blur", "glass_blur", "motion_blur", "zoom_blur", "out_of_focus"))
LIGHT = frozenset(
    (
        "brightness",
        "contrast",
        "gamma",
        "low_light",
        "over_exposure",
        "uneven_illumination",
        "contrast_shift",
        "xray_gamma",
    )
)
COLOUR = frozenset(("saturate", "colour_temperature", "stain_shift"))
SCALE = frozenset(("magnification_mask_moved", "reduction_mask_moved"))
ELASTIC = frozenset(("elastic_transform", "elastic_mask_moved"))
OCCLUSION = frozenset(("dropped_regions", "patches", "dead_lines"))
SHADOW = frozenset(("hard_shadow", "uneven_illumination"))
FROZEN = frozenset(("frost", "frost_procedural"))

RELATIVES = (NOISE, BLUR, LIGHT, COLOUR, SCALE, ELASTIC, OCCLUSION, FROZEN)
"""Corruptions of one kind: who trains on one of them is prepared for the others."""

EQUIVALENTS = {
    **dict.fromkeys(
        ("GaussNoise", "ShotNoise", "SaltAndPepper", "MultiplicativeNoise", "AdditiveNoise", "ISONoise"), NOISE
    ),
    "PixelDropout": NOISE,
    **dict.fromkeys(("GaussianBlur", "Blur", "MotionBlur", "MedianBlur", "AdvancedBlur", "Defocus", "GlassBlur"), BLUR),
    "ZoomBlur": BLUR,
    "ImageCompression": frozenset(("jpeg_compression",)),
    **dict.fromkeys(("Downscale", "Superpixels"), frozenset(("pixelate",))),
    **dict.fromkeys(("RandomBrightnessContrast", "RandomGamma", "CLAHE", "RandomToneCurve", "AutoContrast"), LIGHT),
    **dict.fromkeys(("Equalize", "PlasmaBrightnessContrast", "Illumination"), LIGHT),
    "ColorJitter": LIGHT | COLOUR,
    **dict.fromkeys(("HueSaturationValue", "RGBShift", "ToGray", "ToSepia", "FancyPCA", "ChannelShuffle"), COLOUR),
    **dict.fromkeys(("PlanckianJitter", "HEStain"), COLOUR),
    **dict.fromkeys(("RandomShadow", "PlasmaShadow"), SHADOW),
    "RandomSunFlare": frozenset(("glare",)),
    "RandomFog": frozenset(("fog", "smoke")),
    "RandomSnow": frozenset(("snow",)),
    **dict.fromkeys(("Spatter", "RandomRain"), frozenset(("spatter",))),
    **dict.fromkeys(("ElasticTransform", "GridDistortion", "OpticalDistortion", "ThinPlateSpline"), ELASTIC),
    **dict.fromkeys(
        ("CoarseDropout", "GridDropout", "Erasing", "MaskDropout", "XYMasking", "ConstrainedCoarseDropout"), OCCLUSION
    ),
    "ChannelDropout": frozenset(("missing_channels",)),
    **dict.fromkeys(("Rotate", "SafeRotate"), frozenset(("rotation_mask_moved",))),
    **dict.fromkeys(
        ("Affine", "ShiftScaleRotate"),
        SCALE | {"rotation_mask_moved", "translation_mask_moved", "shear_mask_moved"},
    ),
    **dict.fromkeys(("RandomScale", "RandomResizedCrop", "RandomSizedCrop"), SCALE),
}
"""Corruptions of ours that a transform of albumentations shows a network, or relatives of which."""


class Parts(NamedTuple):
    """Corruptions of a sweep: those that some training has met, and those that none has."""

    seen: list[str]
    unseen: list[str]


def find_seen(recipe: dict[str, Any]) -> frozenset[str]:
    """Corruptions, among ours, whose like a training has met: by its augmentation, batch transforms, and objective's views.

    Args:
        recipe: of a record; one that does not state an augmentation is taken to have none.
    """
    augmentation = find_entry(find_training_data(recipe), "init_args", "augmentation")
    batches = [find_entry(recipe, "model", "init_args", name) for name in ("batch_transforms", "objective")]
    found: set[str] = set()
    for name in _list_names([augmentation, batches]):
        found |= EQUIVALENTS.get(name, frozenset())
        own = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()
        found |= next((kind for kind in RELATIVES if own in kind), frozenset())
    if _jitters(augmentation):
        found |= LIGHT
    if _scales(augmentation):
        found |= SCALE
    return frozenset(found)


def _list_names(settings: Any) -> Iterator[str]:
    """Names of classes and transforms: the ends of import paths, and keys that begin with a capital."""
    if isinstance(settings, dict):
        for key, value in settings.items():
            if key == "class_path" and isinstance(value, str):
                yield value.rsplit(".", 1)[-1]
            elif isinstance(key, str) and key[:1].isupper() and not _is_never_applied(value):
                yield key
            yield from _list_names(value)
    elif isinstance(settings, list | tuple):
        for value in settings:
            yield from _list_names(value)


def _is_never_applied(settings: Any) -> bool:
    return isinstance(settings, dict) and settings.get("p") == 0


def _jitters(augmentation: Any) -> bool:
    """Whether `FlipScaleCrop` changes brightness and contrast, which it does unless it is told otherwise."""
    given = find_entry(augmentation, "init_args", "brightness")
    return _is_flip_scale_crop(augmentation) and given != 0


def _scales(augmentation: Any) -> bool:
    return _is_flip_scale_crop(augmentation) and find_entry(augmentation, "init_args", "scale") != [1.0, 1.0]


def _is_flip_scale_crop(augmentation: Any) -> bool:
    return str(find_entry(augmentation, "class_path")).endswith(".FlipScaleCrop")


def split_by_seen(conditions: Sequence[Condition], seen: frozenset[str]) -> Parts:
    """The corruptions of conditions, in their order, by whether they are among those that were `seen`."""
    names = list(dict.fromkeys(name for name, severity in conditions if severity))
    return Parts([name for name in names if name in seen], [name for name in names if name not in seen])


def find_met_by_one(recipes: Sequence[dict[str, Any]]) -> frozenset[str]:
    """Corruptions that some of several trainings have met and others have not: where one has an advantage."""
    met = [find_seen(recipe) for recipe in recipes]
    return frozenset.union(*met) - frozenset.intersection(*met)


def compute_part_means(
    scores: np.ndarray, conditions: Sequence[Condition], seen: frozenset[str]
) -> dict[str, np.ndarray]:
    """Mean (...) over the corruptions that were seen and over the others, of scores (..., conditions); of parts that exist.

    Returns:
        ``seen`` and ``unseen``; nothing where all corruptions are of one part.
    """
    parts = split_by_seen(conditions, seen)
    if not parts.seen or not parts.unseen:
        return {}
    found = {}
    for title, names in parts._asdict().items():
        places = [at for at, (name, severity) in enumerate(conditions) if severity and name in names]
        found[title] = compute_corrupted_mean(scores[..., places], [conditions[at] for at in places])
    return found
