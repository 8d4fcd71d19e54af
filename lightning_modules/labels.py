"""Labels of the masks of a batch."""

from user_error import UserError

IGNORED = 255
"""The value of ignored pixels, which enter neither losses nor metrics."""


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
