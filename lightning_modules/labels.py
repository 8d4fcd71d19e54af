"""Labels of the masks of a batch, and the classes that logits stand for."""

from torch import Tensor

from user_error import UserError

IGNORED = 255
"""The value of ignored pixels, which enter neither losses nor metrics."""

OUTLIER, INLIER = 254, 253
"""The values of pixels without a class that are known to be, or not to be, of anything that no class is meant for."""


def find_classes(logits: Tensor) -> Tensor:
    """The most likely class (B, H, W) int64 of logits (B, K, H, W), the first of several that are as likely.

    `Tensor.argmax` gives the same and is slower on a CPU, most of all for few classes that are stored one after the other.
    """
    return logits.max(1).indices


def ignore_unlabelled(mask: Tensor, num_classes: int) -> Tensor:
    """A mask in which every value outside the classes is `IGNORED`, as losses need it."""
    return mask.masked_fill((mask < 0) | (mask >= num_classes), IGNORED)


def require_labelled(labelled: bool, images: str) -> None:
    """Refuse images of which every pixel is ignored.

    Args:
        labelled: whether any pixel has a label.
        images: name of the images for the message, such as "validation images".

    Raises:
        UserError: no pixel has a label.
    """
    if not labelled:
        raise UserError(
            f"every pixel of the {images} is ignored, so that there is nothing to learn from or to score by: correct the "
            "masks, or describe `ignore_index` otherwise"
        )
