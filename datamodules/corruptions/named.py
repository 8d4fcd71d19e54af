"""Corruptions by their names, for images in any loop: the pixels are those of a sweep."""

import importlib
import operator
import pkgutil
from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple, TypeVar, overload

import numpy as np
import torch
from torch import Tensor

from datamodules.corruptions.base import SEVERITIES, Corruption
from datamodules.corruptions.conditions import Corrupted
from datamodules.targets import KNOWN
from user_error import UserError

Pixels = TypeVar("Pixels", np.ndarray, Tensor)


@cache
def list_corruptions() -> Mapping[str, type[Corruption]]:
    """The classes of this package that state their name, by that name; suites list them by their import path."""
    package = __name__.rpartition(".")[0]
    for module in pkgutil.iter_modules([str(Path(__file__).parent)]):
        if not module.ispkg:
            importlib.import_module(f"{package}.{module.name}")
    found: dict[str, type[Corruption]] = {}
    waiting = [*Corruption.__subclasses__()]
    while waiting:
        one = waiting.pop()
        waiting += one.__subclasses__()
        if one.__module__.startswith(f"{package}.") and isinstance(getattr(one, "name", None), str):
            found[one.name] = one
    return dict(sorted(found.items()))


def find_corruption(name: str) -> Corruption:
    """The corruption of that name, with its default settings.

    Raises:
        UserError: there is none.
    """
    known = list_corruptions()
    if name not in known:
        near = get_close_matches(name, known, n=3) or [*known]
        raise UserError(
            f"there is no corruption {name!r}: give one of {', '.join(near)}, or an object of your own class"
        )
    return known[name]()


@overload
def corrupt(
    image: Pixels,
    corruption: str | Corruption,
    severity: int,
    *,
    seed: int = ...,
    image_id: str | Sequence[str] | None = ...,
    mask: None = ...,
    **targets: Any,
) -> Pixels: ...


@overload
def corrupt(
    image: Pixels,
    corruption: str | Corruption,
    severity: int,
    *,
    seed: int = ...,
    image_id: str | Sequence[str] | None = ...,
    mask: Pixels,
    **targets: Any,
) -> tuple[Pixels, Pixels]: ...


def corrupt(
    image: Any,
    corruption: str | Corruption,
    severity: int,
    *,
    seed: int = 0,
    image_id: str | Sequence[str] | None = None,
    mask: Any = None,
    **targets: Any,
) -> Any:
    """A corrupted copy of an image, or of a batch: the very pixels of a sweep with this seed and these ids.

    What is drawn follows from seed, id, corruption and severity alone, so the same call gives the same pixels, and two
    images of one id are given the same noise.

    Args:
        image: uint8, numpy (H, W, C), or torch (C, H, W) or (B, C, H, W) on any device.
        corruption: its name, such as "fog"; `list_corruptions` has them all. Or an object of one's own class.
        severity: 1 (light) to 5 (strong).
        seed: of the draws.
        image_id: of the image, or of each of a batch; their positions, "0", "1", ..., if `None`.
        mask: class ids, 255 where ignored, (H, W) or (B, H, W); for the corruptions that move masks or read them.
        targets: what else a corruption needs of each pixel, such as ``depth`` in metres: floats, (H, W) or (B, H, W).

    Returns:
        An image of the same type and shape; with `mask`, image and mask.

    Raises:
        UserError: there is no such corruption, or an argument has another type, shape or range.
    """
    found = find_corruption(corruption) if isinstance(corruption, str) else corruption
    if not isinstance(found, Corruption):
        raise UserError(
            f"{type(found).__name__} is no corruption: give its name, or an object of a subclass of Corruption"
        )
    condition = Corrupted(found, _read_severity(found.name, severity))
    form = _find_form(image, found.name)
    images = _as_batch(image, form)
    masks = _read_masks(mask, images, found)
    further = _read_targets(targets, images, found)
    drawn, moved = condition(images, masks, _read_ids(image_id, len(images), form), seed, further)
    changed = _restore(drawn, form, image)
    if mask is None:
        return changed
    kept = moved if form.batched else moved[0]
    return changed, kept.to(mask.dtype) if form.torch else kept.numpy().astype(mask.dtype)


class _Form(NamedTuple):
    """How a caller holds images."""

    torch: bool
    batched: bool


def _find_form(image: Any, name: str) -> _Form:
    if isinstance(image, np.ndarray) and image.dtype == np.uint8 and image.ndim == 3:
        return _Form(False, False)
    if isinstance(image, Tensor) and image.dtype == torch.uint8 and image.ndim in (3, 4):
        return _Form(True, image.ndim == 4)
    found = type(image).__name__
    if isinstance(image, np.ndarray | Tensor):
        found = f"a {found} of {image.dtype} of shape {tuple(image.shape)}"
    raise UserError(
        f"{name} met {found}: hand it 8-bit images, numpy (H, W, C), or torch (C, H, W) or (B, C, H, W), before they are "
        "normalised"
    )


def _as_batch(image: Any, form: _Form) -> Tensor:
    if not form.torch:
        return torch.from_numpy(np.ascontiguousarray(image.transpose(2, 0, 1)))[None]
    return image if form.batched else image[None]


def _restore(images: Tensor, form: _Form, given: Any) -> Any:
    images = images.clone() if form.torch and images is given else images
    if not form.torch:
        return np.ascontiguousarray(images[0].permute(1, 2, 0).numpy())
    return images if form.batched else images[0]


def _read_severity(name: str, severity: Any) -> int:
    try:
        number = operator.index(severity)
    except TypeError:
        number = 0
    if isinstance(severity, bool) or number not in SEVERITIES:
        raise UserError(f"{name} has no severity {severity!r}: choose one of 1 to 5")
    return number


def _read_ids(given: str | Sequence[str] | None, number: int, form: _Form) -> list[str]:
    if given is None:
        return [str(position) for position in range(number)]
    ids = [given] if isinstance(given, str) and not form.batched else given
    if not isinstance(ids, list | tuple) or len(ids) != number or not all(isinstance(one, str) for one in ids):
        raise UserError(f"image_id is {given!r} for {number} images: give the id of each, a text")
    return list(ids)


def _read_masks(mask: Any, images: Tensor, corruption: Corruption) -> Tensor:
    shape = (len(images), *images.shape[2:])
    if mask is None:
        if corruption.reads_masks:
            raise UserError(f"{corruption.name} depends on what the image shows: pass its mask as mask=")
        return torch.zeros(shape, dtype=torch.int64, device=images.device)
    masks = torch.as_tensor(np.ascontiguousarray(mask) if isinstance(mask, np.ndarray) else mask)
    masks = masks[None] if masks.ndim == 2 and len(images) == 1 else masks
    if masks.is_floating_point() or masks.shape != shape:
        raise UserError(
            f"{corruption.name} met a mask of {masks.dtype} of shape {tuple(masks.shape)} with images of {tuple(images.shape)}: "
            "hand it whole numbers of the size of the image"
        )
    return masks.to(images.device, torch.int64)


def _read_targets(targets: Mapping[str, Any], images: Tensor, corruption: Corruption) -> dict[str, Any]:
    """The targets that a corruption needs, (B, H, W); others that data sets are known to have are left alone."""
    if unknown := [name for name in targets if name not in (*KNOWN, *corruption.needs)]:
        known = ", ".join(("mask", *corruption.needs))
        raise UserError(f"{corruption.name} takes no {unknown[0]!r}: pass {known}")
    found = {}
    for name in corruption.needs:
        if targets.get(name) is None:
            raise UserError(f"{corruption.name} depends on the {name} of each pixel: pass it as {name}=")
        given = targets[name]
        if isinstance(given, np.ndarray) and given.dtype.kind == "f":
            given = torch.from_numpy(np.ascontiguousarray(given, np.float32))
        single = isinstance(given, Tensor) and given.ndim == 2 and len(images) == 1
        found[name] = given[None] if single else given  # whatever is no tensor is refused with what has another shape
    return found
