"""A network whose dropout stays on: each of its samples is a sub-network."""

from collections.abc import Callable, Iterator
from functools import lru_cache

import torch
from torch import Tensor, nn

from lightning_modules.networks.ensembles.combination import Combination
from lightning_modules.networks.network import SEGMENTATION, Wrapper, as_network
from user_error import UserError

KINDS = (nn.Dropout, nn.Dropout1d, nn.Dropout2d, nn.Dropout3d)


class SampledDropout(nn.Module):
    """Stands where a dropout stood: the same in training, and in evaluation the mask of one sample.

    The mask drops whole channels, the same ones in every image: it is drawn by counter from layer, sample and number of
    channels, so that an answer does not depend on what else is in the batch or was asked before.

    Args:
        dropout: what it stands for.
        layer: its number in the network.
    """

    def __init__(self, dropout: nn.Module, layer: int) -> None:
        super().__init__()
        self.dropout = dropout
        self.rate = float(dropout.p)  # type: ignore[arg-type]
        self.layer = layer
        self.sample = 0

    def forward(self, x: Tensor) -> Tensor:
        """Feature maps (B, C, H, W), or tokens (B, N, C), to as many of the same shape."""
        if self.training or not self.rate:
            return self.dropout(x)
        axis = 1 if x.ndim == 4 else x.ndim - 1
        factors = draw_channel_mask(self.layer, self.sample, int(x.shape[axis]), self.rate).to(x)
        shape = [1] * x.ndim
        shape[axis] = -1
        return x * factors.view(shape)


@torch.compiler.assume_constant_result
def draw_channel_mask(layer: int, sample: int, channels: int, rate: float) -> Tensor:
    """Factors (channels,): 0 at `rate`, and what keeps the mean elsewhere."""
    return _draw_once(layer, sample, channels, rate)


@lru_cache(maxsize=1024)  # a graph that is recorded holds the masks of the pass before, since it can hold no generator
@torch.inference_mode(False)
def _draw_once(layer: int, sample: int, channels: int, rate: float) -> Tensor:
    random = torch.Generator().manual_seed(((layer * 1_000_003 + sample) * 1_000_003 + channels) % 2**63)
    return (torch.rand(channels, generator=random) >= rate).float() / (1 - rate)


class MonteCarloDropout(Wrapper, Combination):
    """Any network with dropout, which stays on in evaluation; the answer is the mean of several samples.

    Gal & Ghahramani, "Dropout as a Bayesian Approximation", ICML 2016. There each pass draws its masks anew; here the
    masks of sample m are fixed sub-networks, as in Masksembles (Durasov et al., CVPR 2021), so that a sweep can be
    resumed and repeated. PyTorch's dropouts are sampled; stochastic depth and DropBlock stay off in evaluation.

    Args:
        num_classes: K; the command line takes it from the data.
        in_channels: C; the command line takes it from the data.
        network: makes the network from (num_classes, in_channels).
        samples: how many passes an answer takes.
        average: what the mean is of, "probabilities" or "logits".

    Raises:
        UserError: the network has no dropout, no samples are asked for, or no such average.
    """

    def __init__(
        self,
        num_classes: int,
        in_channels: int,
        network: Callable[[int, int], nn.Module],
        samples: int = 8,
        average: str = "probabilities",
    ) -> None:
        super().__init__()
        if samples < 1:
            raise UserError(f"samples is {samples}: give at least 1")
        self.require_average(average)
        self.network = network(num_classes, in_channels)
        self.samples = samples
        self.layers = _sample_dropout(self.network)
        if not self.layers:
            raise UserError(
                f"{type(self.network).__name__} has no dropout to sample from: set its 'dropout' to a rate such as 0.2"
            )

    def compute_member_logits(self, image: Tensor) -> Iterator[Tensor]:
        """The logits (B, K, H, W) of each sample."""
        if self.training:
            yield from self.compute_training_outputs(image)[SEGMENTATION]
            return
        for _ in self._draw_samples():
            yield self.network(image)

    def compute_member_outputs(self, image: Tensor) -> Iterator[dict[str, Tensor]]:
        """What each sample predicts."""
        for _ in self._draw_samples():
            yield as_network(self.network).compute_outputs(image)

    def compute_outputs(self, image: Tensor) -> dict[str, Tensor]:
        """The mean of the samples."""
        return Combination.compute_outputs(self, image)

    def _draw_samples(self) -> Iterator[int]:
        """Let all layers be those of one sample after the other."""
        for sample in range(self.samples):
            for layer in self.network.modules():
                if isinstance(layer, SampledDropout):
                    layer.sample = sample
            yield sample

    def load_pretrained(self, weights: str) -> None:
        """As the network itself does."""
        self.network.load_pretrained(weights)  # type: ignore[operator]


def _sample_dropout(network: nn.Module) -> int:
    """Let every dropout above 0 draw by sample; their number."""
    number = 0
    for parent in list(network.modules()):
        for name, child in list(parent.named_children()):
            if isinstance(child, KINDS) and child.p and not isinstance(parent, SampledDropout):
                setattr(parent, name, SampledDropout(child, number))
                number += 1
    return number
