"""Small made-up data of the BRAVO challenge and of ACDC: the pixels of a network's answers, and the record of their sweep."""

import numpy as np
import torch

from experiments.evaluation.challenges import WITH_OUTLIERS, WITHOUT_CLASSES
from experiments.evaluation.images import Images
from experiments.evaluation.record import Data, Manifest, PerImage, Record, hash_manifest
from experiments.evaluation.scoring import describe_counts, find_intervals, make_cells, make_summary
from lightning_modules.labels import INLIER, OUTLIER
from lightning_modules.metrics.counters.outliers import Outliers
from lightning_modules.metrics.sweep import SweepCounts, make_default_counters

CLASSES, SIDE, PER_SUBSET = 4, 32, 8
NAMES = {"subset": ("ACDCfog", "synrain", "SMIYC", "synobjs"), "condition": ("fog", "night", "rain", "snow")}


class Pixels:
    """Logits and masks of images, whose subset is known, and the record of their sweep."""

    def __init__(self, column: str) -> None:
        draw = np.random.default_rng(0)
        self.names = [name for name in NAMES[column] for _ in range(PER_SUBSET)]
        masks = draw.integers(0, CLASSES, (len(self.names), SIDE, SIDE))
        noise = draw.normal(0, 1.2, (len(self.names), CLASSES, SIDE, SIDE))
        logits = 2 * np.eye(CLASSES)[masks].transpose(0, 3, 1, 2) + noise
        if column == "subset":
            odd = draw.random(masks.shape) < 0.1
            logits[np.broadcast_to(odd[:, None], logits.shape)] *= 0.5
            for at, name in enumerate(self.names):
                masks[at] = INLIER if name in WITHOUT_CLASSES else masks[at]
                masks[at][odd[at]] = OUTLIER if name in WITH_OUTLIERS else 255
        self.logits, self.masks, self.column = torch.from_numpy(logits), torch.from_numpy(masks), column

    def make_record(self, outliers: bool = True) -> tuple[Record, Images]:
        names = NAMES[self.column]
        conditions = [("clean", 0), *((f"{self.column}={name}", 0) for name in names)]
        counters = [*make_default_counters(), *([Outliers()] if outliers else [])]
        metric, counted = SweepCounts(CLASSES, len(conditions), counters), []
        for place, (condition, _) in enumerate(conditions):
            others = torch.tensor([condition not in ("clean", f"{self.column}={name}") for name in self.names])
            mask = self.masks.masked_fill(others[:, None, None], 255)
            counted.append(metric.count(self.logits, self.logits.argmax(1), mask, place))
        counts = {name: torch.stack([one[name] for one in counted], 1).numpy() for name in counted[0]}
        totals = {name: state.numpy() for name, state in metric.compute().items()}
        totals |= {name: part.sum(0) for name, part in counts.items()}
        images = Images([f"{at:03}" for at in range(len(self.names))], counts)
        kinds = ["clean", *["shift"] * len(names)]
        entries = [
            {"corruption": name, "severity": 0, "kind": kind} for (name, _), kind in zip(conditions, kinds, strict=True)
        ]
        suite = Manifest(name="real_shifts", version=1, conditions=entries)
        bounds, cell_bounds = find_intervals(conditions, images, suite)
        record = Record(
            format="robust-segmentation-record/3",
            name="net",
            created="now",
            classes=[f"class {k}" for k in range(CLASSES)],
            suite=suite,
            suite_hash=hash_manifest(suite.model_dump(exclude_unset=True)),
            data=Data(name="bravo", split="test", images=len(images.ids), batch_size=1, hash="0"),
            recipe={},
            checkpoint={},
            environment={},
            counts=describe_counts(totals, counts),
            cells=make_cells(conditions, totals, cell_bounds),
            summary=make_summary(conditions, totals, suite, bounds, "images"),
            per_image=PerImage(file="", sha256=""),
        )
        return record, images

    def flatten(self, name: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """True class or mark, predicted class, and confidence of all pixels of a subset."""
        chosen = [at for at, other in enumerate(self.names) if other == name]
        chance = self.logits[chosen].softmax(1)
        return (
            self.masks[chosen].numpy().ravel(),
            chance.argmax(1).numpy().ravel(),
            chance.amax(1).numpy().ravel(),
        )
