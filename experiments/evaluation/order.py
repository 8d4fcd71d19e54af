"""Where a sweep corrupts images: at the size of their files, as a camera does, or at the size that the network is given."""

from collections.abc import Mapping
from typing import Any, Literal

Order = Literal["corrupt_then_resize", "resize_then_corrupt"]

ORDERS: Mapping[Order, str] = {
    "corrupt_then_resize": "corrupt, resize, normalise",
    "resize_then_corrupt": "resize, corrupt, normalise",
}
"""As manifests state them; where no image is resized both are the same, and they state the second, as they always have."""

PLACES: Mapping[Order | None, str] = {
    "corrupt_then_resize": "before the resize",
    "resize_then_corrupt": "after the resize",
    None: "in an order that is not stated",
}


def read_order(manifest: Mapping[str, Any]) -> Order | None:
    """The order that a manifest states; `None` where it states none that is known."""
    return next((order for order, stated in ORDERS.items() if manifest.get("order") == stated), None)


def describe_order(manifest: Mapping[str, Any]) -> str:
    """Where images were corrupted, in words."""
    return "at their own size" if manifest.get("size") == "native" else PLACES[read_order(manifest)]
