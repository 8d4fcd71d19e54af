"""Files of costs for tests."""

import json
from pathlib import Path

from experiments.evaluation.costs import FORMAT


def make_costs(path: Path, digests: list[str], device: str = "a processor") -> Path:
    """Costs of checkpoints, the first the reference; a number is told from its neighbours' by its place."""
    entries = [
        {
            "name": f"net {place}",
            "sha256": digest,
            "network": "lightning_modules.networks.smp.SmpNetwork",
            "in_channels": 3,
            "num_classes": 2,
            "size": [48, 64],
            "parameters": 1_500_000 * (place + 1),
            "trainable_parameters": 0,
            "buffers": 0,
            "weight_bytes": 0,
            "file_bytes": 0,
            "multiply_adds": 2_340_000_000 * (place + 1),
            "batches": [
                {
                    "batch_size": size,
                    "milliseconds_per_image": 1.0,
                    "latency_ratio": 1 + place + size / 8,
                    "latency_ratio_least": 0.5,
                    "latency_ratio_most": 2.5,
                    "peak_memory_bytes": 0,
                }
                for size in (4, 8)
            ],
        }
        for place, digest in enumerate(digests)
    ]
    measured = {"reference": digests[0], "rounds": 3, "environment": {"device": device, "threads": 2}}
    path.write_text(json.dumps({"format": FORMAT, "created": "", **measured, "costs": entries}))
    return path


def set_checkpoint(path: Path, digest: str) -> None:
    """Make a record one of the checkpoint of this sha256."""
    content = json.loads(path.read_text())
    content["checkpoint"] = {"file": "best.ckpt", "sha256": digest}
    path.write_text(json.dumps(content))
