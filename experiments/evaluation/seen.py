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
OCCLUSION = frozenset(("dropped_regions", "patches", "dead_lines", "checkerboard_cutout"))
SHADOW = frozenset(("hard_shadow", "uneven_illumination"))
FROZEN = frozenset(("frost", "frost_procedural"))

RELATIVES = (NOISE, BLUR, LIGHT, COLOUR, SCALE, ELASTIC, OCCLUSION, SHADOW, FROZEN)
"""Corruptions of one kind: who trains on one of them is prepared for the others. One may be of several kinds."""

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
    "PatchGaussian": NOISE,  # of the whole image where the patch is large
    "CutOut": OCCLUSION,
    # Ours. AugMix and PixMix leave out brightness, contrast and colour so that ImageNet-C stays unseen, but not autocontrast
    # and equalize: whoever stretches histograms has met other contrasts, as with the transforms of these names above.
    # Posterize and solarize have no relative among the corruptions.
    "AugMix": LIGHT,
    # A weighted sum of the image and a picture is how frost is made, and fog adds a fractal, though a smoother one; the paper,
    # by its definition, counts both as unseen.
    "PixMix": LIGHT | FROZEN | {"fog"},
    # With brightness, contrast and colour; sharpness of a negative sign is a blur of 3 x 3 pixels.
    **dict.fromkeys(
        ("RandAugment", "TrivialAugment"),
        LIGHT | COLOUR | BLUR | {"rotation_mask_moved", "translation_mask_moved", "shear_mask_moved"},
    ),
    # A kernel of one pixel is a random gain of each channel and a mixture of channels. Larger ones are no blur: they raise
    # fine detail as often as they lower it.
    "RandomConvolution": LIGHT | COLOUR,
    # The amplitude at frequency 0 is the mean of a channel, those around it are illumination and contrast over large parts.
    "FourierMixing": LIGHT | COLOUR,
    # The part MixStyle is not here: it mixes maps within a network, to which no other image is shown for that.
}
"""Corruptions of ours that a transform of albumentations or a batch transform shows a network, or relatives of which."""

CORRUPTIONS = "datamodules.corruptions."
"""Package of the corruptions of ours."""

NAMES = {"Fog3D": "fog_3d", "Motion": "mri_motion", "GammaShift": "xray_gamma"}
"""Names of corruptions of ours which their classes do not spell."""


class Parts(NamedTuple):
    """Corruptions of a sweep: those that some training has met, and those that none has."""

    seen: list[str]
    unseen: list[str]


def find_seen(recipe: dict[str, Any]) -> frozenset[str]:
    """Corruptions, among ours, whose like a training has met: by its augmentation, batch transforms, and objective's views.

    Those that a batch transform was handed (`Corrupted`) are met by their own names too, with or without relatives.
    Images that an attack found (`lightning_modules.objectives.adversarial`, `trades`) are relatives of none: the noise that
    they begin with is at most as strong as the attack, a few levels, and what is added to it follows the network.

    Args:
        recipe: of a record; one that does not state an augmentation is taken to have none.
    """
    augmentation = find_entry(find_training_data(recipe), "init_args", "augmentation")
    batches = [find_entry(recipe, "model", "init_args", name) for name in ("batch_transforms", "objective")]
    found: set[str] = set()
    for name in _list_names([augmentation, batches]):
        found |= EQUIVALENTS.get(name, frozenset()) | _find_relatives(_spell(name))
    for name in _list_corruptions([augmentation, batches]):
        found |= {name} | _find_relatives(name)
    if _jitters(augmentation):
        found |= LIGHT
    if _scales(augmentation):
        found |= SCALE
    if _blends_moved_copies(batches):
        found |= BLUR
    return frozenset(found)


def _spell(name: str) -> str:
    """The name of a class in snake_case."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()


def _find_relatives(corruption: str) -> frozenset[str]:
    return frozenset().union(*(kind for kind in RELATIVES if corruption in kind))


def _list_corruptions(settings: Any) -> Iterator[str]:
    """Names of the corruptions of ours among components, those within others included."""
    if isinstance(settings, list | tuple):
        for value in settings:
            yield from _list_corruptions(value)
    elif isinstance(settings, dict) and not _is_never_applied(settings):
        path = str(settings.get("class_path"))
        if path.startswith(CORRUPTIONS):
            kind = path.rsplit(".", 1)[-1]
            yield str(find_entry(settings, "init_args", "name") or NAMES.get(kind, _spell(kind)))
        for value in settings.values():
            yield from _list_corruptions(value)


def _list_names(settings: Any) -> Iterator[str]:
    """Names of classes and transforms: the ends of import paths, keys that begin with a capital, and what is called so."""
    if isinstance(settings, dict):
        if _is_never_applied(settings):
            return
        for key, value in settings.items():
            if key == "class_path" and isinstance(value, str):
                yield value.rsplit(".", 1)[-1]
            elif key == "transform" and isinstance(value, str):
                yield value
            elif isinstance(key, str) and key[:1].isupper() and not _is_never_applied(value):
                yield key
            yield from _list_names(value)
    elif isinstance(settings, list | tuple):
        for value in settings:
            yield from _list_names(value)


def _is_never_applied(settings: Any) -> bool:
    """Whether a transform of albumentations, or a batch transform, is applied with probability 0."""
    if not isinstance(settings, dict):
        return False
    return settings.get("p") == 0 or find_entry(settings, "init_args", "probability") == 0


def _jitters(augmentation: Any) -> bool:
    """Whether `FlipScaleCrop` changes brightness and contrast, which it does unless it is told otherwise."""
    given = find_entry(augmentation, "init_args", "brightness")
    return _is_flip_scale_crop(augmentation) and given != 0


def _scales(augmentation: Any) -> bool:
    return _is_flip_scale_crop(augmentation) and find_entry(augmentation, "init_args", "scale") != [1.0, 1.0]


def _blends_moved_copies(settings: Any) -> bool:
    """Whether images are blended with displaced copies of themselves, as a camera in motion does, in a component at any depth."""
    if isinstance(settings, list | tuple):
        return any(map(_blends_moved_copies, settings))
    if not isinstance(settings, dict):
        return False
    return bool(settings.get("geometric_severity")) or any(map(_blends_moved_copies, settings.values()))


def _is_flip_scale_crop(augmentation: Any) -> bool:
    return str(find_entry(augmentation, "class_path")).endswith(".FlipScaleCrop")


def split_by_seen(conditions: Sequence[Condition], seen: frozenset[str]) -> Parts:
    """The corruptions of conditions, in their order, by whether they are among those that were `seen`.

    One in a part of the image (`datamodules.corruptions.localised`) counts as the one of the whole image does.
    """
    names = list(dict.fromkeys(name for name, severity in conditions if severity))
    met = [name for name in names if name in seen or name.removeprefix("localised_") in seen]
    return Parts(met, [name for name in names if name not in met])


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
