"""One encoder and decoder for several tasks."""

from collections.abc import Mapping, Sequence
from typing import Any

from torch import Tensor, nn
from torch.nn import functional as F

from lightning_modules.networks.network import SEGMENTATION
from lightning_modules.networks.smp import SmpNetwork, get_only_head
from lightning_modules.tasks.base import Task
from lightning_modules.tasks.classification import Classification
from user_error import UserError


class PooledHead(nn.Sequential):
    """The head of a classifier of images: the coarsest map is pooled over all places, and one layer is fully connected to it.

    Args:
        in_channels: of the coarsest map.
        out_channels: F.
    """

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(in_channels, out_channels))


class MultiTaskNetwork(SmpNetwork):
    """An encoder-decoder with a head for each further task (Caruana, "Multitask Learning", Machine Learning 1997).

    Dense tasks read the decoder's features through one convolution each, beside that of the segmentation; tasks about the
    whole image read the pooled coarsest map of the encoder. Called as a network it returns the logits of the segmentation;
    `compute_outputs` returns the outputs of all tasks, which the objective `MultiTask` trains together. Under an objective
    of the segmentation alone the further heads would get no gradients, for which DistributedDataParallel would wait: the
    module refuses such an objective.

    Args:
        num_classes: K; the command line takes it from the data.
        in_channels: C; the command line takes it from the data.
        tasks: further ones, see `lightning_modules.tasks`; classification if null.
        **settings: of `SmpNetwork`.

    Raises:
        UserError: no tasks or one twice, an architecture whose head is not one convolution, or a wrong setting of
            `SmpNetwork`.
    """

    unprunable = (
        "its further tasks read maps that a trace of the segmentation does not see; prune a plain network instead"
    )

    def __init__(
        self,
        num_classes: int,
        in_channels: int = 3,
        tasks: Sequence[Task] | None = None,
        **settings: Any,
    ) -> None:
        chosen = (Classification(),) if tasks is None else tuple(tasks)
        if not chosen:
            raise UserError(
                "the network is given no further tasks: name one such as lightning_modules.tasks.boundary.Boundary, or take "
                "SmpNetwork"
            )
        by_name = {task.name: task for task in chosen}
        if len(by_name) < len(chosen):
            raise UserError(f"the network is given a task twice ({', '.join(task.name for task in chosen)}): keep one")
        super().__init__(num_classes, in_channels, **settings)
        self._tasks: dict[str, Task] = by_name
        head = get_only_head(self.model, str(settings.get("architecture")))
        decoded, coarsest = head[0].in_channels, [count for count in self.encoder.out_channels if count][-1]
        self.heads = nn.ModuleDict(
            {
                name: nn.Conv2d(decoded, task.count_channels(num_classes, in_channels), 3, padding=1)
                if task.dense
                else PooledHead(coarsest, task.count_channels(num_classes, in_channels))
                for name, task in self.tasks.items()
            }
        )

    @property
    def tasks(self) -> Mapping[str, Task]:
        """The further tasks, by name."""
        return self._tasks

    @property
    def shared(self) -> nn.Parameter:
        """The weight of the last convolution that every task depends on: the encoder's last."""
        return [parameter for parameter in self.encoder.parameters() if parameter.ndim == 4][-1]

    def compute_training_outputs(self, image: Tensor) -> dict[str, list[Tensor]]:
        """What every task says, of the one member that the network is."""
        return {name: [output] for name, output in self.compute_outputs(image).items()}

    def compute_outputs(self, image: Tensor) -> dict[str, Tensor]:
        """What every task says, in one pass.

        Args:
            image: (B, C, H, W), uint8 or float in [0, 1].

        Returns:
            ``segmentation``, logits (B, K, H, W), and by name (B, F, H, W) of a dense task or (B, F) of another.
        """
        height, width = image.shape[-2:]
        x = self.pad(self.normalise(image))
        features = self.model.encoder(x)
        decoded = self.model.decoder(features)
        found = {SEGMENTATION: self.model.segmentation_head(decoded)}
        for name, head in self.heads.items():
            output = head(decoded if self.tasks[name].dense else features[-1])
            if self.tasks[name].dense and output.shape[2:] != x.shape[2:]:
                output = F.interpolate(output, x.shape[2:], mode="bilinear")
            found[name] = output
        return {name: output[..., :height, :width] if output.ndim == 4 else output for name, output in found.items()}
