"""Digests of what every corruption makes of a scene, at every severity; as a command, it writes those that are held.

``python tests/golden_pixels.py`` after a corruption was changed on purpose; its place in results is then another.
"""

import json
import sys
from hashlib import blake2b
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT)] * (str(ROOT) not in sys.path)

from scenes import CORRUPTIONS, apply, keys, regions, scene  # noqa: E402

from datamodules.corruptions.base import Corruption  # noqa: E402

GOLDEN = Path(__file__).parent / "datamodules" / "corruptions" / "golden_pixels.json"
SIZE = (33, 47)


def compute_digests(corruption: Corruption) -> list[str]:
    """Of the pixels and masks of two images of three channels, one for each severity."""
    found = []
    for severity in range(1, 6):
        parts = apply(corruption, scene(2, 3, *SIZE), regions(2, *SIZE), severity, keys(2, severity))
        found.append(blake2b(b"".join(part.numpy().tobytes() for part in parts), digest_size=8).hexdigest())
    return found


if __name__ == "__main__":
    lines = [
        f"  {json.dumps(one.name)}: {json.dumps(compute_digests(one))}"
        for one in sorted(CORRUPTIONS, key=lambda one: one.name)
    ]
    GOLDEN.write_text("{\n" + ",\n".join(lines) + "\n}\n", encoding="utf-8")
