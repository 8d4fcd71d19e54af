"""The loss of the segmentation against the masks."""

from torch import nn

from lightning_modules.networks.network import SEGMENTATION, as_network
from lightning_modules.objectives.base import Objective, ObjectiveLoss, StepContext, average_over_members
from lightning_modules.training_batch import MASK, TrainingBatch


class Supervised(Objective):
    """The mean of the members' losses against the masks; of several weighted sets of targets, their weighted mean."""

    def forward(self, network: nn.Module, batch: TrainingBatch, context: StepContext) -> ObjectiveLoss:
        """See `Objective`."""
        members = as_network(network).compute_training_outputs(batch.image)[SEGMENTATION]
        loss = average_over_members(
            members, lambda logits: batch.compute_mean_loss(lambda targets: context.mask_loss(logits, targets[MASK]))
        )
        return ObjectiveLoss(loss, {})
