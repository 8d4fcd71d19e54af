"""Several tasks on one network: what is learned beside the segmentation."""

from typing import Any

import torch
from torch import Tensor

from lightning_modules.networks.multi_task import SEGMENTATION, MultiTaskNetwork
from lightning_modules.segmentation import SegmentationModule
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

    def __init__(self, weighting: Weighting | None = None, **settings: Any) -> None:
        super().__init__(**settings)
        if not isinstance(self.network, MultiTaskNetwork):
            raise UserError(
                f"{type(self.network).__name__} has no further tasks: take network/unet_multi_task.yaml, or "
                "SegmentationModule as the model"
            )
        self.tasks = self.network.tasks
        self.names = [SEGMENTATION, *self.tasks]
        self.weighting = weighting or FixedWeights()
        self.weighting.begin(self.names, [False, *(task.regression for task in self.tasks.values())])

    def compute_loss(self, batch: dict[str, Any]) -> Tensor:
        """The scalar that training minimises, for a batch of the contract and the named targets of the tasks."""
        network: Any = self.network
        outputs = network.outputs(batch["image"])
        losses = [self.loss(outputs[SEGMENTATION], batch["mask"])]
        losses += [task.loss(outputs[name], task.target(batch, self.num_classes)) for name, task in self.tasks.items()]
        total = self.weighting(torch.stack(losses), network.shared)
        number = len(batch["mask"])
        self.log_dict(
            {f"train/{name}": loss.detach() for name, loss in zip(self.names, losses, strict=True)}, batch_size=number
        )
        weights = dict(zip(self.names, self.weighting.weights, strict=True))
        self.log_dict({f"weight/{name}": weight for name, weight in weights.items()}, batch_size=number)
        return total
