"""Digests of the pixels that a sweep of synthetic scenes meets; also a command, to compute them in another process."""

import json
import sys
from hashlib import blake2b
from pathlib import Path

from torch.nn import Identity

from datamodules.datasets.synthetic import SyntheticDataModule, SyntheticScenes
from experiments.sweeping.suite import Suite

SUITES = Path(__file__).parent.parent / "experiments" / "configs" / "suite"
IMAGES = 9


def compute_pixel_digests(
    suite: str,
    batch_size: int = 7,
    workers: int = 0,
    rank: int = 0,
    processes: int = 1,
    done: frozenset[int] = frozenset(),
) -> dict[str, dict[str, str]]:
    """For each image and condition, a digest of the corrupted pixels and their mask."""
    data = SyntheticDataModule(
        test=IMAGES, size=(45, 52), num_classes=4, eval_batch_size=batch_size, num_workers=workers
    )
    conditions = Suite.from_yaml(SUITES / f"{suite}.yaml").adapt_to_data(data.channels, {}).conditions
    digests: dict[str, dict[str, str]] = {}
    for loaded in data.make_evaluation_dataloader("test", (rank, processes), done):
        batch = data.on_after_batch_transfer(loaded, 0)
        for condition in conditions:
            images, masks = condition(Identity(), batch["image"], batch["mask"], batch["id"], 0, batch)
            for name, image, mask in zip(batch["id"], images, masks, strict=True):
                if name:
                    pixels = image.numpy().tobytes() + mask.numpy().tobytes()
                    digests.setdefault(name, {})[str(condition)] = blake2b(pixels).hexdigest()
    return digests


def compute_scene_digest() -> str:
    """A digest of a scene as it is drawn, its depth included."""
    scene = SyntheticScenes("val", 3, (64, 80), 5, 0.5, 7)[2]
    return blake2b(b"".join(scene[part].tobytes() for part in ("image", "mask", "depth"))).hexdigest()


if __name__ == "__main__":
    place, *names = sys.argv[1:]
    swept = {name: compute_pixel_digests(name, rank=int(place), processes=2, batch_size=2) for name in names}
    print(json.dumps({"scene": compute_scene_digest(), "swept": swept}))
