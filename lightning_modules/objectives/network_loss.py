"""The loss that a network brings along."""

from torch import nn

from lightning_modules.networks.network import as_network
from lightning_modules.objectives.base import Objective, ObjectiveLoss, StepContext
from lightning_modules.training_batch import MASK, TrainingBatch
from user_error import UserError


class NetworkLoss(Objective):
    """The network's own loss against the masks, in place of ``--model.init_args.loss``.

    MaskFormer, Mask2Former and EoMT match the masks that they propose to those of the classes, and are trained on the matches.
    Of several weighted sets of targets it is the weighted mean, with a pass of the network for each.
    """

    def begin(self, network: nn.Module) -> None:
        """Check that the network has a loss.

        Raises:
            UserError: it has none.
        """
        if not as_network(network).has_own_loss:
            raise UserError(
                f"{type(network).__name__} has no loss of its own: take experiments/configs/objective/supervised.yaml, or a "
                "network that classifies masks (TransformersNetwork with mask2former, maskformer or eomt)"
            )

    def forward(self, network: nn.Module, batch: TrainingBatch, context: StepContext) -> ObjectiveLoss:
        """See `Objective`."""
        own = as_network(network)
        return ObjectiveLoss(
            batch.compute_mean_loss(lambda targets: own.compute_own_loss(batch.image, targets[MASK]).float()), {}
        )
