"""The protocol of a sweep, applied to the network, the data and the masks."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from torch import nn

from datamodules.base import SegmentationDataModule
from datamodules.corruptions.base import JSON
from experiments.evaluation.protocol import Protocol, Views, Windows
from lightning_modules.networks.wrappers.sliding_window import SlidingWindow
from lightning_modules.networks.wrappers.test_time_augmentation import TestTimeAugmentation
from lightning_modules.segmentation import SegmentationModule
from user_error import UserError


@dataclass(frozen=True)
class AppliedProtocol:
    """What a protocol means for some network and data.

    Args:
        entry: what a manifest states of it; empty for the usual protocol.
        scored_at_file: whether logits are interpolated to the size of each file, and scored by its mask.
        unscored: places of the classes that are in no mean.
        ignored: places of the classes whose pixels are not counted.
        excludes: whether the network may not say these.
    """

    entry: dict[str, JSON] = field(default_factory=dict)
    scored_at_file: bool = False
    unscored: tuple[int, ...] = ()
    ignored: tuple[int, ...] = ()
    excludes: bool = False


def apply_protocol(protocol: Protocol, data: SegmentationDataModule, module: SegmentationModule) -> AppliedProtocol:
    """Bring data and network under a protocol; both are changed.

    Args:
        protocol: what is asked for.
        data: gets its size and aspect.
        module: its network gets windows and views around it.

    Raises:
        UserError: a class is unknown, too few are scored, or settings do not go together.
    """
    _apply_to_data(protocol, data)
    apply_to_network(protocol, module)
    places = _find_classes(protocol, data.classes)
    at_file = protocol.scored_at == "file" and data.resizes and data.size is not None
    if at_file and data.aspect == "crop":
        raise UserError(
            "images with the aspect 'crop' are not seen as a whole, so that they cannot be scored at the size of their files: "
            "take the aspect squash, pad or keep"
        )
    entry: dict[str, Any] = {"windows": describe_windows(module.network)}
    entry["views"] = protocol.views.model_dump(mode="json") if protocol.views else None
    entry |= {
        "aspect": "keep" if data.aspect == "keep" else None,
        "multiple": data.multiple if data.multiple != 1 else None,
        "interpolation": data.interpolation if data.interpolation != "area" else None,
        "scored_at": "file" if at_file else None,
        "classes": [data.classes[place] for place in range(data.num_classes) if place not in places.unscored]
        if protocol.classes is not None and {*places.unscored} > {*places.ignored}
        else None,
        "ignored": [data.classes[place] for place in places.ignored] or None,
        "ignored_predictions": "excluded" if places.excludes else None,
    }
    stated = {name: value for name, value in entry.items() if value is not None}
    return AppliedProtocol(stated, at_file, places.unscored, places.ignored, places.excludes)


def _apply_to_data(protocol: Protocol, data: SegmentationDataModule) -> None:
    if protocol.size is not None:
        data.size = None if protocol.size == "native" else protocol.size
        data.aspect = "squash" if data.size is None else data.aspect
    if protocol.aspect is not None:
        data.aspect = protocol.aspect
    if data.aspect != "squash" and data.size is None:
        raise UserError(
            f"the aspect is {data.aspect!r}, but images keep their own size: give the protocol a `size` that they are brought to"
        )
    if protocol.multiple != 1 and data.aspect != "keep":
        raise UserError(f"multiple {protocol.multiple} goes with the aspect keep, and the aspect is {data.aspect!r}")
    data.multiple, data.interpolation = protocol.multiple, protocol.interpolation
    _require_smaller_windows(protocol.windows, data)


def _require_smaller_windows(windows: Windows | None, data: SegmentationDataModule) -> None:
    """Refuse windows that no image is larger than; those of images of many sizes shrink to the smaller ones.

    Raises:
        UserError: all images have one size, and a window covers more than that.
    """
    if windows is None or windows.pad or data.size is None or data.aspect == "keep":
        return
    (height, width), (rows, columns) = windows.window, data.size
    if height >= rows and width >= columns and (height, width) != (rows, columns):
        raise UserError(
            f"the windows of the protocol are {height} x {width} pixels, and the images are {rows} x {columns}: no window "
            "slides over them; give the protocol a smaller window or a larger `size`, or leave its windows out"
        )


def apply_to_network(protocol: Protocol, module: SegmentationModule) -> None:
    """Put windows and views of a protocol around the network of a module.

    Raises:
        UserError: it slides other windows already, or they do not fit it.
    """
    classes, channels = module.num_classes, int(module.hparams["in_channels"])
    if protocol.windows is not None:
        around = _slide(protocol.windows, module.network, classes, channels)
        known = describe_windows(module.network)
        if known is not None and known != around.settings:
            raise UserError(
                "the checkpoint slides windows of its own, and the protocol asks for others: take the checkpoint that 'slide' "
                "made it of, or a protocol without windows"
            )
        module.network = module.network if known is not None else around
    if protocol.views is not None:
        module.network = _view(protocol.views, module.network, classes, channels)
    module.eval()


def _slide(windows: Windows, network: nn.Module, classes: int, channels: int) -> SlidingWindow:
    return SlidingWindow(classes, channels, lambda *_: network, **windows.model_dump())


def _view(views: Views, network: nn.Module, classes: int, channels: int) -> TestTimeAugmentation:
    if views.flips == "none" and views.scales == [1.0]:
        raise UserError(
            "views without flips at the scale 1 are the network as it is: leave them out, or ask for another"
        )
    return TestTimeAugmentation(classes, channels, lambda *_: network, **views.model_dump())


def describe_windows(network: nn.Module) -> Any:
    """The settings of the sliding windows within a network, a list of these where members differ; `None` without any."""
    found: list[dict[str, object]] = []
    for one in network.modules():
        if isinstance(one, SlidingWindow) and one.settings not in found:
            found.append(one.settings)
    return found[0] if len(found) == 1 else found or None


def _find_classes(protocol: Protocol, classes: Sequence[str]) -> AppliedProtocol:
    """The places of unscored and ignored classes."""
    for setting, names in (("classes", protocol.classes or []), ("ignored", protocol.ignored)):
        if unknown := next((name for name in names if name not in classes), None):
            shown = ", ".join(classes[:12]) + (", ..." if len(classes) > 12 else "")
            raise UserError(f"the protocol's `{setting}` names {unknown!r}, which is no class of the data ({shown})")
    both = [name for name in protocol.classes or [] if name in protocol.ignored]
    if both:
        raise UserError(f"the protocol scores the class {both[0]!r} and ignores it: keep one")
    ignored = tuple(place for place, name in enumerate(classes) if name in protocol.ignored)
    scored = [
        place
        for place, name in enumerate(classes)
        if place not in ignored and (protocol.classes is None or name in protocol.classes)
    ]
    if len(scored) < 2:
        raise UserError(f"the protocol scores {len(scored)} of the classes of the data: leave at least 2 of them")
    unscored = tuple(place for place in range(len(classes)) if place not in scored)
    return AppliedProtocol(
        unscored=unscored, ignored=ignored, excludes=protocol.ignored_predictions == "excluded" and bool(ignored)
    )
