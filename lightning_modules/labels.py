"""What the masks of the batch contract hold."""

from user_error import UserError

IGNORED = 255
"""The value of a pixel that counts nowhere: in no loss and in no metric."""


def require_labelled(labelled: bool, images: str) -> None:
    """Refuse images of which every pixel is ignored: a score of them is one of nothing.

    Args:
        labelled: whether a pixel has a label.
        images: what they are called, such as "validation images".

    Raises:
        UserError: none has.
    """
    if not labelled:
        raise UserError(
            f"every pixel of the {images} is ignored, so that there is nothing to learn from or to score by: correct the "
            "masks, or describe `ignore_index` otherwise"
        )
