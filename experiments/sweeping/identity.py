"""The identity of a sweep: what its counts depend on. An interrupted sweep is resumed only if it is unchanged."""

from collections.abc import Mapping, Sequence
from typing import Any

from datamodules.base import SegmentationDataModule
from datamodules.fingerprint import Fingerprint, find_difference
from experiments.evaluation.record import hash_manifest
from experiments.sweeping.suite import Suite
from lightning_modules.inference.passes import EXACT, Passes
from lightning_modules.metrics.counters.base import Counter

FREE = (
    "root",
    "num_workers",
    "batch_size",
    "eval_batch_size",
    "augmentation",
    "unit",
    "sequence",
    "place",
    "aspect",
    "leaks",
)
"""Settings of the data that leave a test image as it is, or that are stated by themselves."""


COUNTING = 3
"""Version of the counts of a batch: it is raised when they change, since unfinished sweeps then lack some of them."""


def describe_identity(
    data: SegmentationDataModule,
    suite: Suite,
    content: Fingerprint,
    settings: Mapping[str, Any],
    checkpoint: str,
    precision: str,
    counters: Sequence[Counter],
    passes: Passes = EXACT,
) -> dict[str, Any]:
    """The identity of a sweep in plain values.

    Args:
        data: with the split of the sweep.
        suite: of the sweep.
        content: of that split.
        settings: class and settings of the data.
        checkpoint: SHA-256 of its file.
        precision: of the forward passes.
        counters: what is counted.
        passes: how the network is computed.
    """
    given = settings.get("init_args") or {}
    return {
        "way of counting": COUNTING,
        "split": data.test_split,
        "seed": suite.seed,
        **({"protocol": suite.protocol.entry} if suite.protocol.entry else {}),
        "suite": hash_manifest(suite.make_manifest(data.size, data.resizes)),
        "checkpoint": checkpoint,
        "batch_size": data.eval_batch_size,
        "precision": precision,
        "counters": [type(one).__qualname__ for one in counters],
        **(
            {} if passes == EXACT else {"way of computing": passes}
        ),  # unfinished sweeps of earlier versions have no such entry
        "data": {
            "class": settings["class_path"],
            "given": {key: value for key, value in given.items() if key not in FREE},
            **content.content,
        },
    }


def find_change(before: Mapping[str, Any], now: Mapping[str, Any]) -> str | None:
    """The first entry in which two identities differ, as "with another split" goes on a sentence; `None` if none does.

    Args:
        before: as it was stored; one of an earlier version lacks entries.
        now: see `describe_identity`.
    """
    changed = next((key for key in dict.fromkeys([*now, *before]) if before.get(key) != now.get(key)), None)
    if changed != "data":
        return None if changed is None else f"with another {changed.replace('_', ' ')}"
    known, found = before.get("data"), now["data"]
    if not isinstance(known, dict) or known.keys() != found.keys():
        return "with other data"
    if difference := find_difference(known, found):
        return f"of other data ({difference})"
    if known["class"] != found["class"]:
        return f"of other data ({found['class']} in place of {known['class']})"
    keys = [*dict.fromkeys([*found["given"], *known["given"]])]
    other = next(key for key in keys if known["given"].get(key) != found["given"].get(key))
    return f"of other data (the setting {other!r} changed)"
