"""The protocol of a sweep: how an image becomes a prediction, and where and on which classes it is scored.

Manifests state what departs from the usual: the whole image at the size of the data, scored at that size, on all classes.
"""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field

Side = Annotated[int, Field(ge=1, le=2**20)]
Sides = tuple[Side, Side]
ScoredAt = Literal["network", "file"]
Excluding = Literal["wrong", "excluded"]

SCORED_AT: tuple[ScoredAt, ...] = get_args(ScoredAt)


class Settings(BaseModel):
    """Nothing but what is declared, and no number for a text."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class Windows(Settings):
    """Sliding windows; see `lightning_modules.networks.wrappers.sliding_window`, whose arguments these are."""

    window: Sides
    stride: Sides | None = None
    overlap: float | None = None
    weights: Literal["uniform", "gaussian"] = "uniform"
    average: Literal["logits", "probabilities"] = "logits"
    pad: bool = False


class Views(Settings):
    """Mirrored and scaled views; see `lightning_modules.networks.wrappers.test_time_augmentation`."""

    flips: Literal["none", "horizontal", "vertical", "both"] = "none"
    scales: list[Annotated[float, Field(gt=0, le=100)]] = Field(default=[1.0], min_length=1, max_length=100)
    average: Literal["logits", "probabilities"] = "probabilities"


class Protocol(Settings):
    """The settings of a protocol; each is the usual one where it is left out.

    ``source`` says where a protocol is published, and decides nothing. ``size`` ("native" for that of each file) and
    ``aspect`` stand for those of the data, ``multiple`` and ``interpolation`` go with them (see `datamodules.aspect`).
    ``scored_at`` is the size of the masks: that of the images that the network is given, or that of the files, to which its
    logits are interpolated. Only ``classes`` are in means over classes; pixels of ``ignored`` ones are not counted, and a
    prediction of such a class is ``wrong``, or the class is ``excluded`` from what the network may say.
    """

    source: str = Field(default="", max_length=2000)
    size: Sides | Literal["native"] | None = None
    aspect: Literal["squash", "pad", "crop", "keep"] | None = None
    multiple: Annotated[int, Field(ge=1, le=4096)] = 1
    interpolation: Literal["area", "linear"] = "area"
    windows: Windows | None = None
    views: Views | None = None
    scored_at: ScoredAt = "network"
    classes: list[str] | None = Field(default=None, max_length=255)
    ignored: list[str] = Field(default=[], max_length=255)
    ignored_predictions: Excluding = "wrong"


def read_protocol(manifest: Mapping[str, Any]) -> dict[str, Any]:
    """What a manifest states of its protocol; empty for the usual one."""
    stated = manifest.get("protocol")
    return dict(stated) if isinstance(stated, dict) else {}


def restate_protocol(manifest: Mapping[str, Any]) -> dict[str, Any]:
    """The settings under which a sweep has the protocol of a manifest again, with its size, be that the data's."""
    stated = read_protocol(manifest)
    return stated | ({"size": manifest.get("size")} if stated else {})


def describe_protocol(manifest: Mapping[str, Any]) -> str:
    """The protocol of a manifest in words; empty for the usual one. Settings of later versions are shown as they are."""
    return ", ".join(_describe_setting(*setting) for setting in read_protocol(manifest).items())


def find_protocol_difference(one: Mapping[str, Any], other: Mapping[str, Any]) -> str | None:
    """The first setting in which the protocols of two manifests differ, in words; `None` where they are the same."""
    left, right = read_protocol(one), read_protocol(other)
    for name in left | right:
        if left.get(name) != right.get(name):
            words = [
                _describe_setting(name, side[name]) if name in side else USUAL.get(name, "not")
                for side in (left, right)
            ]
            return f"{words[0]} and {words[1]}"
    return None


def find_unscored(manifest: Mapping[str, Any], classes: Sequence[str]) -> list[int]:
    """Places of the classes that are in no mean under the protocol of a manifest."""
    stated = read_protocol(manifest)
    scored, ignored = _as_list(stated.get("classes", [*classes])), _as_list(stated.get("ignored", []))
    return [place for place, name in enumerate(classes) if name not in scored or name in ignored]


USUAL = {
    "windows": "whole images",
    "views": "a single view",
    "aspect": "images brought to one size",
    "multiple": "any size",
    "interpolation": "images averaged over areas",
    "scored_at": "scored at the network's size",
    "classes": "all classes scored",
    "ignored": "no class ignored",
    "ignored_predictions": "predictions of ignored classes wrong",
}
"""What is meant where a protocol does not state a setting."""


def _describe_setting(name: str, value: Any) -> str:
    if name == "windows" and isinstance(value, list):
        return " and ".join(_describe_setting(name, one) for one in value)
    if name == "windows" and isinstance(value, dict):
        return _describe_windows(value)
    if name == "views" and isinstance(value, dict):
        scales = ", ".join(f"{one}" for one in _as_list(value.get("scales")))
        return f"views at scales {scales}, flips {value.get('flips')}, averaged {value.get('average')}"
    words = {
        "aspect": f"images with the aspect {value}",
        "multiple": f"sides up to multiples of {value}",
        "interpolation": f"images shrunk by {value} interpolation",
        "scored_at": f"scored at the size of the {value}",
        "ignored_predictions": f"predictions of these {value}",
    }
    if name in ("classes", "ignored"):
        listed = [str(one) for one in _as_list(value)]
        shown = ", ".join(listed) if len(listed) < 5 else f"{len(listed)} classes"
        return f"{'scored' if name == 'classes' else 'ignored'}: {shown}"
    return words.get(name, f"{name} {value}")


def _describe_windows(value: Mapping[str, Any]) -> str:
    window, stride = (" x ".join(str(side) for side in _as_list(value.get(key))) for key in ("window", "stride"))
    details = [f"{value.get('weights')} weights"] if value.get("weights") != "uniform" else []
    details += [f"averaged {value.get('average')}"] if value.get("average") != "logits" else []
    details += ["padded"] if value.get("pad") else []
    return f"windows of {window} every {stride}" + (f" ({', '.join(details)})" if details else "")


def _as_list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]
