"""A sweep in a plain loop of PyTorch."""

import copy
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any, Literal

import torch
from torch import Tensor, nn

from datamodules.aspect import Aspect
from datamodules.base import Split
from datamodules.batch_resize import BatchResize
from experiments.command_line.device import find_device
from experiments.evaluation.images import Images
from experiments.evaluation.order import Order
from experiments.library.loader_batches import LoaderBatches
from experiments.library.loop import Loop, Meta
from experiments.library.prepared import Normalise, Preprocess, hash_weights, prepare_model
from experiments.library.result import SweptRecord
from experiments.measuring.environment import describe_environment
from experiments.sweeping.counters import find_counters
from experiments.sweeping.suite import Suite
from experiments.sweeping.suites import find_suite
from experiments.sweeping.sweep import hash_data
from experiments.sweeping.swept_record import make_record
from lightning_modules.labels import IGNORED, require_labelled
from lightning_modules.segmentation import SegmentationModule
from user_error import UserError


@dataclass(frozen=True)
class LoopData:
    """What a record says of the images of a loop, as a data module says it of its own."""

    classes: tuple[str, ...]
    size: tuple[int, int] | None
    resizes: bool
    test_split: Split
    eval_batch_size: int
    unit: str | None
    sequence: str | None = None


def sweep(
    model: nn.Module,
    loader: Iterable[Any],
    suite: str | Suite = "core",
    *,
    preprocess: Preprocess | None = None,
    output: str | int | None = None,
    classes: Sequence[str] | None = None,
    name: str = "network",
    data: str = "data",
    split: Split = "test",
    size: tuple[int, int] | Literal["native"] | None = None,
    aspect: Aspect = "squash",
    order: Order | None = None,
    seed: int = 0,
    ignored: int = IGNORED,
    channels: Sequence[str] | None = None,
    meta: Meta | None = None,
    unit: str | None = None,
    counters: Sequence[str] = (),
    device: str | None = None,
    progress: bool = True,
) -> SweptRecord:
    """Sweep a model over every condition of a suite, in one pass over a loader: the record that 'benchmark' writes.

    The same network on the same images in batches of the same size has the same counts, scores and intervals as with
    'benchmark'. The model is left as it was, and may be swept in the middle of its training.

    Args:
        model: of any library, with logits (B, K, h, w) as its output or in it; they are brought to the image's size.
        loader: gives 8-bit images and masks; see `experiments.library.loader_batches`. It must not shuffle.
        suite: a name, the path of a YAML, or a suite.
        preprocess: 8-bit images to what the model takes, such as `Normalise`; a network of this project does its own.
        output: key or index of the logits in what the model gives; the first entry if `None`.
        classes: names, in the order of the logits; numbered if `None`.
        name: of the model on the leaderboard.
        data: name of the data, on the leaderboard.
        split: which images of the data these are.
        size: (height, width) to which images are resized after they are corrupted; as the loader gives them if `None`, and
            "native" if this is the size of their files.
        aspect: how images of another aspect ratio are fitted into `size`.
        order: of corruption and resize; that of the suite if `None`.
        seed: of the corruptions.
        ignored: the value of pixels in masks that have no class.
        channels: names of the images' channels.
        meta: what is known of images, by id and column, for suites of real shifts.
        unit: column of `meta` by which images belong together, such as the patient.
        counters: counted beside the usual ones: names, or YAML files.
        device: cpu, cuda, ..., where the model is moved; where it is if `None`.
        progress: whether a progress bar is shown.

    Raises:
        UserError: an argument, a batch or an output has another form than it says; nothing was written.
    """
    started = time.perf_counter()
    _require_arguments(model, classes, unit, meta)
    if device is not None:
        model.to(find_device(device))
    on = next(chain(model.parameters(), model.buffers()), torch.empty(0)).device
    found = copy.copy(find_suite(suite) if isinstance(suite, str) else suite)
    found.order, found.seed = order or found.order, seed
    side = None if size == "native" else size
    if side is not None and not (len(side) == 2 and all(isinstance(one, int) and one > 0 for one in side)):
        raise UserError(f"size is {side!r}: give a height and a width in pixels, or 'native'")
    own_size = found.corrupts_files(side is not None)
    batches = LoaderBatches(loader, BatchResize(side, aspect), own_size, ignored, on, found.needs)
    loop = Loop(batches, found, find_counters(counters), channels, meta, progress)

    def prepare(images: Tensor) -> SegmentationModule:
        return prepare_model(model, preprocess, output, images, None if classes is None else len(classes))

    swept = loop.run(model, prepare)
    require_labelled(bool(swept.sums["confusion"][0].any()), "images of the loader")
    names = classes or [f"class {number}" for number in range(loop.module.num_classes)]
    images = Images(loop.ids, swept.counts, None if unit is None else _list_units(loop.ids, unit, meta or {}))
    scored = next(iter(batches.sizes)) if size != "native" and len(batches.sizes) == 1 else None
    record = make_record(
        swept,
        images,
        LoopData(tuple(names), scored, side is not None, split, batches.batch_size, unit),
        loop.suite,
        {"weights_sha256": hash_weights(model)},
        name=name,
        data_name=data,
        data_hash=hash_data(images.ids, swept.digests),
        recipe={"loop": _describe_loop(model, preprocess, loader)},
        environment={
            **describe_environment(on, 1, "32-true"),
            "seconds_of_last_call": round(time.perf_counter() - started, 1),
        },
    )
    return SweptRecord.join(record, images)


def _require_arguments(model: Any, classes: Sequence[str] | None, unit: str | None, meta: Meta | None) -> None:
    if not isinstance(model, nn.Module):
        raise UserError(f"a {type(model).__name__} is no torch.nn.Module: pass the model itself")
    if classes is not None and (isinstance(classes, str) or len({*classes}) != len(classes)):
        raise UserError(f"classes are {classes!r}: give a list with a name of its own for each class")
    if unit is not None and meta is None:
        raise UserError(f"images are grouped by {unit!r}, but nothing says how: pass meta={{id: {{{unit!r}: ...}}}}")


def _list_units(ids: Sequence[str], unit: str, meta: Meta) -> list[str]:
    lacking = next((name for name in ids if not meta.get(name, {}).get(unit)), None)
    if lacking is not None:
        raise UserError(f"meta does not say the {unit!r} of the image {lacking!r}: add it, or leave out unit")
    return [str(meta[name][unit]) for name in ids]


def _describe_loop(model: nn.Module, preprocess: Preprocess | None, loader: Any) -> dict[str, Any]:
    """What can be said of a network that no checkpoint describes."""
    return {
        "model": _name_class(model),
        "parameters": sum(weight.numel() for weight in model.parameters()),
        "preprocess": repr(preprocess)
        if isinstance(preprocess, Normalise)
        else getattr(preprocess, "__qualname__", None),
        "loader": _name_class(loader),
    }


def _name_class(one: Any) -> str:
    return f"{type(one).__module__}.{type(one).__qualname__}"
