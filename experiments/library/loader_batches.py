"""The batches of any loader in the form of a sweep: checked, at the size at which they are scored, and filled up."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from hashlib import blake2b
from typing import Any

import numpy as np
import torch
from torch import Tensor

from datamodules.batch_resize import BatchResize
from datamodules.dataset import IGNORED, OWN
from experiments.sweeping.gathered import select_images
from user_error import UserError

Batch = dict[str, Any]

FORM = "(images, masks), (images, masks, ids) or {'image': ..., 'mask': ..., 'id': ...}"


class LoaderBatches:
    """Batches of the contract from those of a loader, each time it is gone through.

    Args:
        loader: gives batches of `FORM`: images uint8 (B, C, H, W), or a list of (C, h, w) of several sizes; masks of whole
            numbers (B, H, W), or a list; ids texts. A mapping may hold further targets.
        resize: of images and masks to the size at which they are scored.
        own_size: whether batches keep images and masks as they were before, for corruptions before the resize.
        ignored: the value of pixels in masks that have no class.
        device: of the batches.
        needs: further targets by which images are corrupted, such as "depth": numbers of the pixels, like the masks.
    """

    def __init__(
        self,
        loader: Iterable[Any],
        resize: BatchResize,
        own_size: bool,
        ignored: int,
        device: torch.device,
        needs: Sequence[str] = (),
    ) -> None:
        self.loader = loader
        self.resize = resize
        self.own_size = own_size
        self.ignored = ignored
        self.device = device
        self.needs = tuple(needs)
        self.batch_size = 0
        """Of the first batch; later ones are filled up to it, since the size of a batch changes the last digits of logits."""
        self.ids: list[str] = []
        """Of the images that were read last time, in their order."""
        self.sizes: set[tuple[int, int]] = set()

    def __len__(self) -> int:
        """Number of batches; 0 where the loader does not know."""
        try:
            return len(self.loader)  # type: ignore[arg-type]
        except TypeError:
            return 0

    def __iter__(self) -> Iterator[Batch]:
        """The batches in their order.

        Raises:
            UserError: a batch has another form, an image of another type, or an id occurs twice; or there is none.
        """
        self.ids = []
        known: set[str] = set()
        for given in self.loader:
            batch = self._read(given)
            ids = batch["id"]
            if twice := next((name for name in ids if name in known), None) or _find_twice(ids):
                raise UserError(
                    f"the loader gives the id {twice!r} twice: ids tell images apart, and draw their corruptions"
                )
            known.update(ids)
            self.ids += ids
            self.batch_size = self.batch_size or len(ids)
            yield self._fill(batch)
        if not self.ids:
            raise UserError("the loader gives no image: check its data set; a generator can be gone through only once")

    def _read(self, given: Any) -> Batch:
        """A batch in the form of the contract, with its images at both sizes."""
        batch = _name_parts(given)
        real = [place for place, name in enumerate(batch.get("id") or ()) if name]
        if "id" in batch and len(real) < len(batch["id"]):  # a loader of this project fills its last batch up itself
            batch = select_images(batch, real)
        images = _as_tensors(batch["image"], "images")
        masks = [self._read_mask(mask) for mask in _as_tensors(batch["mask"], "masks")]
        ids = batch.get("id") or [str(len(self.ids) + place) for place in range(len(images))]
        _require_same_number(images, masks, ids)
        further = {name: self._read_further(batch, name, images) for name in self.needs}
        given_own = [_as_tensors(batch.pop(f"{OWN}{key}", ()), key) for key in ("image", "mask")]
        own_images, own_masks = given_own if len(given_own[0]) else (images, masks)
        own_further = {name: _as_tensors(batch.pop(f"{OWN}{name}", ()), name) or further[name] for name in self.needs}
        batch |= {"id": [*ids], "index": torch.arange(len(images)) + len(self.ids)}
        batch["image"] = _join([self.resize.resize_images(one[None].to(self.device))[0] for one in images])
        batch["mask"] = _join([self.resize.resize_masks(one[None].to(self.device))[0] for one in masks]).long()
        batch["digest"] = [_digest(image, mask) for image, mask in zip(batch["image"], batch["mask"], strict=True)]
        batch |= {name: _join([self._resize_further(one) for one in further[name]]) for name in self.needs}
        self.sizes.add((batch["image"].shape[2], batch["image"].shape[3]))
        if self.own_size:
            batch[f"{OWN}image"] = [one.to(self.device) for one in own_images]
            batch[f"{OWN}mask"] = [one.to(self.device) for one in own_masks]
            batch |= {f"{OWN}{name}": [one.to(self.device) for one in own] for name, own in own_further.items()}
        return {key: value.to(self.device) if isinstance(value, Tensor) else value for key, value in batch.items()}

    def _read_mask(self, mask: Tensor) -> Tensor:
        """Class ids uint8 (H, W), 255 where ignored."""
        if mask.is_floating_point() or mask.is_complex() or mask.ndim != 2:
            raise UserError(
                f"the loader gives a mask of {mask.dtype} of shape {tuple(mask.shape)}: give the class of each pixel as a whole "
                "number, (B, H, W)"
            )
        mask = mask.long()
        mask = mask.masked_fill(mask == self.ignored, IGNORED)
        if mask.numel() and not 0 <= int(mask.min()) <= int(mask.max()) <= IGNORED:
            low, high = int(mask.min()), int(mask.max())
            raise UserError(
                f"the loader gives a mask with values from {low} to {high}: classes are numbered from 0 on, and pixels without "
                "one are named by ignored="
            )
        return mask.to(torch.uint8)

    def _read_further(self, batch: Batch, name: str, images: Sequence[Tensor]) -> Sequence[Tensor]:
        """A target (H, W) of each image, in floating point."""
        if name not in batch:
            raise UserError(
                f"the suite corrupts images by the {name} of each pixel: let the loader give batches {{'image': ..., "
                f"'mask': ..., {name!r}: ...}}, or take another suite"
            )
        found = _as_tensors(batch[name], name)
        shapes = [tuple(one.shape) for one in found]
        if shapes != [tuple(one.shape[1:]) for one in images] or not all(one.is_floating_point() for one in found):
            raise UserError(
                f"the loader gives a {name} that is not one floating-point number for each pixel: give (B, H, W), or a list of "
                "(h, w), like the images"
            )
        return [one.float() for one in found]

    def _resize_further(self, numbers: Tensor) -> Tensor:
        """Numbers (h, w) by the nearest pixel, as `datamodules.transforms.Resize` does it; NaN where the image is padded."""
        known = self.resize.resize_masks(torch.zeros_like(numbers, dtype=torch.int64)[None]) != IGNORED
        return self.resize.resize_masks(numbers[None]).masked_fill(~known, torch.nan)[0].to(self.device)

    def _fill(self, batch: Batch) -> Batch:
        """A batch of full size: copies of the last image without an id and without a label fill it up."""
        number = len(batch["id"])
        missing = self.batch_size - number
        if missing <= 0:
            return batch
        filled = select_images(batch, [*range(number), *[number - 1] * missing])
        filled["id"] = [*batch["id"], *[""] * missing]
        filled["mask"][number:] = IGNORED
        return filled


def require_known_classes(batch: Batch, num_classes: int) -> None:
    """Refuse masks with a class that the model does not know.

    Raises:
        UserError: there is one; the image is named.
    """
    masks = batch["mask"]
    wrong = (masks >= num_classes) & (masks != IGNORED)
    if wrong.any():
        place = int(wrong.flatten(1).any(1).int().argmax())
        raise UserError(
            f"the mask of {batch['id'][place]!r} has class {int(masks[place][wrong[place]][0])} where the model tells "
            f"{num_classes} apart: classes are numbered from 0 on, and pixels without one are named by ignored="
        )


def _name_parts(given: Any) -> Batch:
    if isinstance(given, Mapping) and {"image", "mask"} <= given.keys():
        return {key: value for key, value in given.items() if key not in ("index", "digest")}
    if isinstance(given, list | tuple) and len(given) in (2, 3):
        return dict(zip(("image", "mask", "id"), given, strict=False))
    raise UserError(f"the loader gives a {type(given).__name__}, which is no batch: let it give {FORM}")


def _as_tensors(parts: Any, what: str) -> Sequence[Tensor]:
    """The images or masks of a batch, one by one."""
    if isinstance(parts, Tensor):
        return parts.unbind() if parts.ndim else []
    if isinstance(parts, np.ndarray):
        return [torch.from_numpy(part) for part in parts]
    if isinstance(parts, list | tuple) and all(isinstance(part, Tensor | np.ndarray) for part in parts):
        return [torch.as_tensor(part) for part in parts]
    raise UserError(f"the {what} of a batch are a {type(parts).__name__}: give a tensor, or a list of them")


def _join(parts: Sequence[Tensor]) -> Tensor:
    if len({part.shape for part in parts}) > 1:
        raise UserError(
            "the images of a batch have several sizes: pass size=(height, width), to which they are resized, or batches "
            "of one image"
        )
    return torch.stack([*parts])


def _require_same_number(images: Sequence[Tensor], masks: Sequence[Tensor], ids: Sequence[Any]) -> None:
    number = len(images)
    if (
        isinstance(ids, str)
        or len(ids) != number
        or len(masks) != number
        or not all(isinstance(name, str) for name in ids)
    ):
        raise UserError(
            f"a batch has {number} images, {len(masks)} masks and {len(ids)} ids: give one mask, and one text, for each image"
        )
    for image, mask, name in zip(images, masks, ids, strict=True):
        _require_image(image, mask, name)


def _require_image(image: Tensor, mask: Tensor, name: str) -> None:
    if image.dtype != torch.uint8 or image.ndim != 3:
        raise UserError(
            f"the loader gives an image of {image.dtype} of shape {tuple(image.shape)}: let it give 8-bit images (B, C, H, W), "
            "and say by preprocess= how they are prepared for the model; corruptions are defined for levels from 0 to 255"
        )
    if image.shape[1:] != mask.shape:
        sizes = " and ".join(" x ".join(map(str, part.shape[-2:])) for part in (image, mask))
        raise UserError(f"image and mask of {name!r} have {sizes} pixels: give them one size")


def _find_twice(ids: Sequence[str]) -> str | None:
    return next((name for place, name in enumerate(ids) if name in ids[:place]), None)


def _digest(image: Tensor, mask: Tensor) -> str:
    """Of the pixels of an image and its mask, as `datamodules.dataset.EvaluationView` takes it."""
    pixels = image.permute(1, 2, 0).contiguous().cpu().numpy().tobytes()
    return blake2b(pixels + mask.to(torch.uint8).cpu().numpy().tobytes(), digest_size=16).hexdigest()
