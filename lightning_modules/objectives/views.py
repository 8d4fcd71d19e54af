"""Views of a batch, which objectives of consistency compare pixel by pixel."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from lightning_modules.batch_transforms.base import BatchTransform
from lightning_modules.images import to_unit_range
from lightning_modules.networks.ensembles.batch_ensemble import BatchEnsemble
from lightning_modules.objectives.base import Objective
from lightning_modules.objectives.outer import OuterObjective
from lightning_modules.training_batch import TrainingBatch
from user_error import UserError


def require_comparable(views: Sequence[BatchTransform], objective: str) -> None:
    """Refuse transforms whose views have other targets than the batch.

    Args:
        views: that make a view, one after the other.
        objective: its name, for the message.

    Raises:
        UserError: one of them moves the targets.
    """
    for transform in views:
        if not transform.keeps_targets:
            name = type(transform).__name__
            raise UserError(
                f"{name} changes the targets with the images, so that the views of {objective} could not be compared pixel by "
                f"pixel: pass {name} in --model.init_args.batch_transforms, and as views transforms that keep the targets"
            )


def require_one_member_for_an_image(network: nn.Module, objective: str) -> None:
    """Refuse networks in which the views of an image would go through different members.

    Args:
        network: to be trained.
        objective: its name, for the message.

    Raises:
        UserError: there is a `BatchEnsemble` in it.
    """
    if any(isinstance(part, BatchEnsemble) for part in network.modules()):
        raise UserError(
            f"BatchEnsemble assigns each image of a pass to one of its members, so that {objective} would compare different "
            "members: take an Ensemble or MultiHead, or another objective"
        )


class ViewObjective(OuterObjective):
    """An objective around another one that compares what the network says of views of a batch.

    Args:
        views: batch transforms that keep the targets, and make a view one after the other.
        inner: see `OuterObjective`.

    Raises:
        UserError: a transform moves the targets.
    """

    def __init__(self, views: Sequence[BatchTransform], inner: Objective | None) -> None:
        super().__init__(inner)
        require_comparable(views, type(self).__name__)
        self.views = list(views)

    def begin(self, network: nn.Module) -> None:
        """Set up the inner objective.

        Raises:
            UserError: the network does not suit it, or is a `BatchEnsemble`.
        """
        require_one_member_for_an_image(network, type(self).__name__)
        super().begin(network)

    @property
    def transforms(self) -> Sequence[BatchTransform]:
        """Those of the views, and those of the inner objective."""
        return [*self.views, *super().transforms]


def make_view(batch: TrainingBatch, views: Sequence[BatchTransform], generator: torch.Generator) -> Tensor:
    """The images (B, C, H, W) of a new view, floats in [0, 1]; those of the batch themselves where nothing makes a view.

    Args:
        batch: which is left as it is.
        views: that make the view, one after the other.
        generator: from which each transform gets one of its own.
    """
    if not views:
        return batch.image
    for transform in views:
        seed = int(torch.randint(2**62, (1,), generator=generator))
        batch = transform(batch, torch.Generator().manual_seed(seed))
    return to_unit_range(batch.image)
