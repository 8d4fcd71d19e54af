"""The operations of each method, with its ranges of strengths.

The ranges of RandAugment and TrivialAugment are those of torchvision's transforms of the same names.
"""

from collections.abc import Sequence

from lightning_modules.batch_transforms.operations import geometric, photometric
from lightning_modules.batch_transforms.operations.operation import Geometric, Operation, Photometric


def make_photometric(bits: tuple[float, float]) -> tuple[Operation, ...]:
    """Those that AugMix takes: no relative of brightness, contrast, colour or blur of ImageNet-C by its definition.

    Args:
        bits: range of those that are kept by posterize.
    """
    return (
        Photometric("autocontrast", change=photometric.stretch_contrast),
        Photometric("equalize", change=photometric.equalize),
        Photometric("posterize", *bits, change=photometric.posterize),
        Photometric("solarize", 1.0, 0.0, change=photometric.solarize),
    )


def make_enhancing(strongest: float) -> tuple[Operation, ...]:
    """Brightness, contrast, colour and sharpness, which become weaker or stronger by up to `strongest`."""
    changes = {
        "brightness": photometric.change_brightness,
        "contrast": photometric.change_contrast,
        "colour": photometric.change_colour,
        "sharpness": photometric.change_sharpness,
    }
    return tuple(Photometric(name, 0.0, strongest, True, change=change) for name, change in changes.items())


def make_geometric(degrees: float, slope: float, share: float) -> tuple[Operation, ...]:
    """Rotation, shears and translations.

    Args:
        degrees: of the strongest rotation.
        slope: of the strongest shears.
        share: of the image's width or height, of the strongest translations.
    """
    return (
        Geometric("rotate", 0.0, degrees, True, make_matrix=geometric.make_rotation),
        Geometric("shear_x", 0.0, slope, True, make_matrix=geometric.make_shear_x),
        Geometric("shear_y", 0.0, slope, True, make_matrix=geometric.make_shear_y),
        Geometric("translate_x", 0.0, share, True, make_matrix=geometric.make_translation_x),
        Geometric("translate_y", 0.0, share, True, make_matrix=geometric.make_translation_y),
    )


LEVELS = 30
"""The largest magnitude of RandAugment and TrivialAugment, which count in whole numbers from 0."""
MOST_OPERATIONS = 100
"""How many an image may be asked to go through, or to be blended of; a handful is usual."""

IDENTITY = Operation("identity")

AUGMIX_PHOTOMETRIC: Sequence[Operation] = make_photometric((4.0, 0.0))
AUGMIX_GEOMETRIC: Sequence[Operation] = make_geometric(30.0, 0.3, 1 / 3)
RANDAUGMENT: Sequence[Operation] = (
    IDENTITY,
    *make_photometric((8.0, 4.0)),
    *make_enhancing(0.9),
    *make_geometric(30.0, 0.3, 150 / 331),
)
TRIVIAL_AUGMENT: Sequence[Operation] = (
    IDENTITY,
    *make_photometric((8.0, 2.0)),
    *make_enhancing(0.99),
    *make_geometric(135.0, 0.99, 32 / 224),  # 32 pixels at the size of ImageNet
)
