"""The reference implementation of the corruptions, and the PSNR of two images."""

from collections.abc import Callable

import numpy as np

from user_error import UserError


def import_reference() -> Callable[..., np.ndarray]:
    """Import ``imagecorruptions.corrupt``.

    Raises:
        UserError: it is not installed.
    """
    try:
        from imagecorruptions import corrupt
    except ImportError as error:
        raise UserError(
            "the reference is not installed: run pip install --no-deps -r requirements-oracle.txt"
        ) from error
    return corrupt


def psnr(one: np.ndarray, other: np.ndarray) -> float:
    """Peak signal-to-noise ratio in dB."""
    error = np.square(one.astype(np.float64) - other).mean()
    return float("inf") if error == 0 else float(10 * np.log10(255**2 / error))
