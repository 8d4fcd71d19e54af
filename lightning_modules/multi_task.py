"""Several tasks on one network: what is learned beside the segmentation."""

from typing import Any

import torch
from torch import Tensor

from lightning_modules.networks.multi_task import SEGMENTATION, MultiTaskNetwork
from lightning_modules.segmentation import SegmentationModule
from lightning_modules.tasks.base import unknown_where
from lightning_modules.weightings.base import Weighting
from lightning_modules.weightings.fixed import FixedWeights
from user_error import UserError


class MultiTaskModule(SegmentationModule):
    """Segmentation and the further tasks of a `MultiTaskNetwork`, trained together.

    Args:
        weighting: how the tasks' losses become one; their sum if null.
        **settings: of `SegmentationModule`.

    Raises:
        UserError: the network has no further tasks.
    """

    trains_tasks = True

    def __init__(self, weighting: Weighting | None = None, **settings: Any) -> None:
        super().__init__(**settings)
        if not isinstance(self.network, MultiTaskNetwork):
            raise UserError(
                f"{type(self.network).__name__} has no further tasks: take network/unet_multi_task.yaml, or "
                "SegmentationModule as the model"
            )
        self.tasks = self.network.tasks
        self._targets: tuple[Tensor | None, dict[str, Tensor]] = (None, {})
        self.names = [SEGMENTATION, *self.tasks]
        self.weighting = weighting or FixedWeights()
        self.weighting.begin(self.names, [False, *(task.regression for task in self.tasks.values())])

    @property
    def logged(self) -> list[str]:
        """Names of what a training logs, which a callback may watch."""
        return [*super().logged, *(f"{kind}/{name}" for kind in ("train", "weight") for name in self.names)]

    def predict(self, image: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        """Logits (B, K, H, W), and what the network says of the further tasks, by name."""
        said = self.network.outputs(image)  # type: ignore[operator]
        return said.pop(SEGMENTATION), said

    def count_tasks(self, said: dict[str, Tensor], batch: dict[str, Any], mask: Tensor) -> dict[str, Tensor]:
        """Integers (B, S) of each further task under one condition; see `SegmentationModule`.

        Depth and the clean image do not move along with a mask: an image whose mask is another than the clean one counts
        nothing there.
        """
        known, targets = self._targets
        if known is not mask:  # most conditions leave the masks as they are
            moved = (mask != batch["mask"]).flatten(1).any(1)
            targets = {
                name: task.target({**batch, "mask": mask}, self.num_classes) for name, task in self.tasks.items()
            }
            for name, task in self.tasks.items():
                if not task.of_mask:
                    targets[name] = unknown_where(targets[name], moved)
            self._targets = (mask, targets)
        return {name: task.counts(said[name], targets[name]) for name, task in self.tasks.items()}

    def compute_loss(self, batch: dict[str, Any]) -> Tensor:
        """The scalar that training minimises, for a batch of the contract and the named targets of the tasks."""
        network: Any = self.network
        outputs = {name: said.float() for name, said in network.outputs(batch["image"]).items()}
        losses = [self.mask_loss(outputs[SEGMENTATION], batch["mask"])]
        losses += [task.loss(outputs[name], task.target(batch, self.num_classes)) for name, task in self.tasks.items()]
        total = self.weighting(torch.stack(losses), network.shared)
        number = len(batch["mask"])
        self.log_dict(
            {f"train/{name}": loss.detach() for name, loss in zip(self.names, losses, strict=True)}, batch_size=number
        )
        weights = dict(zip(self.names, self.weighting.weights, strict=True))
        self.log_dict({f"weight/{name}": weight for name, weight in weights.items()}, batch_size=number)
        return total
