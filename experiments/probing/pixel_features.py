"""Input features of the last layer of a network at single pixels, and seeded samples of them."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from segmentation_models_pytorch.base import SegmentationHead
from torch import Tensor, nn
from torch.nn import functional as F
from tqdm import tqdm

from lightning_modules.finite import find_finite, require_finite
from lightning_modules.networks.heads.max_margin import MarginConv2d, MaxMarginNetwork
from user_error import UserError


@dataclass
class LinearHead:
    """The last layer of smp's networks: a convolution and, in some, bilinear enlargement by a whole number.

    Both are linear and the weights of an interpolation sum to 1, so the logits of a pixel are ``weight @ features +
    bias``, where the features are the interpolated patches of the decoder's output that the convolution covers.
    """

    network: nn.Module
    convolution: nn.Conv2d
    scale: int

    @property
    def weight(self) -> Tensor:
        """The weights in use, (K, C, k, k)."""
        one = self.convolution
        return one.bounded_weight if isinstance(one, MarginConv2d) else one.weight

    @property
    def bias(self) -> Tensor:
        """(K,)."""
        assert self.convolution.bias is not None
        return self.convolution.bias

    @property
    def temperature(self) -> float:
        """What the network divides the head's logits by."""
        return float(self.network.temperature) if isinstance(self.network, MaxMarginNetwork) else 1.0

    @torch.no_grad()
    def load(self, weight: Tensor, bias: Tensor, temperature: float) -> None:
        """Put a linear classifier in place.

        A network without a temperature of its own keeps it in the head: weights and biases divided by it.

        Args:
            weight: (K, C, k, k).
            bias: (K,).
            temperature: what the logits are divided by.
        """
        if isinstance(self.network, MaxMarginNetwork):
            self.network.load_head(weight, bias, temperature)
        else:
            self.weight.copy_(weight / temperature)
            self.bias.copy_(bias / temperature)

    def compute_features(self, decoded: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
        """Input features of the head at pixels of the image.

        Args:
            decoded: the convolution's input for one image, (C, h, w).
            rows: (N,) int64, in the image.
            columns: (N,) int64, in the image.

        Returns:
            (N, C k k), in the order of the convolution's weights.
        """
        top, bottom, down = _find_neighbours(rows, decoded.shape[1], self.scale)
        left, right, along = _find_neighbours(columns, decoded.shape[2], self.scale)
        upper = torch.lerp(self._gather_patches(decoded, top, left), self._gather_patches(decoded, top, right), along)
        if self.scale == 1:
            return upper
        lower = torch.lerp(
            self._gather_patches(decoded, bottom, left), self._gather_patches(decoded, bottom, right), along
        )
        return torch.lerp(upper, lower, down)

    def _gather_patches(self, decoded: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
        size = self.convolution.kernel_size[0]
        steps = torch.arange(size, device=decoded.device)
        padded = F.pad(decoded, (size // 2,) * 4)
        picked = padded[:, rows[:, None, None] + steps[:, None], columns[:, None, None] + steps]
        return picked.transpose(0, 1).flatten(1)


def _find_neighbours(places: Tensor, side: int, scale: int) -> tuple[Tensor, Tensor, Tensor]:
    """The two grid points (N,) between which each place lies when corners are aligned, and how far along, (N, 1)."""
    position = places.float() * ((side - 1) / max(1, side * scale - 1))
    first = position.floor().long().clamp(max=side - 1)
    return first, (first + 1).clamp(max=side - 1), (position - first)[:, None]


def find_head(network: nn.Module) -> LinearHead:
    """The linear head of a network.

    Raises:
        UserError: it has none that is known.
    """
    heads = [module for module in network.modules() if isinstance(module, SegmentationHead)]
    if len(heads) == 1:
        convolutions = [module for module in heads[0].modules() if isinstance(module, nn.Conv2d)]
        enlargements = [module for module in heads[0].modules() if isinstance(module, nn.Upsample)]
        if len(convolutions) == 1 and convolutions[0].bias is not None:
            scale: Any = enlargements[0].scale_factor if enlargements else 1
            return LinearHead(network, convolutions[0], int(scale))
    raise UserError(
        f"{type(network).__name__} does not end in one linear head: pass a checkpoint of SmpNetwork, or of another "
        "network whose last layer is that of smp"
    )


class Reservoir:
    """A sample without replacement from a stream of unknown length: the rows with the smallest random keys.

    Vitter, "Random Sampling with a Reservoir", ACM TOMS 1985. A row is made only where it could stay.

    Args:
        size: rows to keep.
    """

    def __init__(self, size: int) -> None:
        self.size = size
        self.keys = np.empty(0)
        self.rows: np.ndarray | None = None

    def find_candidates(self, keys: np.ndarray) -> np.ndarray:
        """Indices of the keys that would stay, (n,)."""
        bound = self.keys.max() if len(self.keys) == self.size else np.inf
        found = np.flatnonzero(keys < bound)
        return found if len(found) <= self.size else found[np.argpartition(keys[found], self.size - 1)[: self.size]]

    def add(self, keys: np.ndarray, rows: np.ndarray) -> None:
        """Take in rows (n, ...) with their keys (n,); the result is in the order of the keys, however they came."""
        keys = np.concatenate([self.keys, keys])
        rows = rows if self.rows is None else np.concatenate([self.rows, rows])
        order = np.argsort(keys)[: self.size]
        self.keys, self.rows = keys[order], rows[order]


@contextmanager
def record_inputs(module: nn.Module) -> Iterator[list[Tensor]]:
    """Record the inputs of a module while the context lasts."""
    seen: list[Tensor] = []
    handle = module.register_forward_pre_hook(lambda _, given: seen.append(given[0]))
    try:
        yield seen
    finally:
        handle.remove()


def sample_features(
    head: LinearHead, loader: Iterable[dict[str, Any]], classes: int, pixels: int, seed: int
) -> dict[int, np.ndarray]:
    """Features of as many pixels of each class, as far as there are enough, drawn uniformly from all images.

    The pixels depend on the seed and the images alone, not on batches.

    Args:
        head: of the network, which is in evaluation mode.
        loader: evaluation batches.
        classes: K.
        pixels: of each class.
        seed: of the draw.

    Returns:
        Class id to features (N, C k k) float32; a class that occurs nowhere is missing.

    Raises:
        UserError: the head is not the last that happens to the logits.
    """
    reservoirs = [Reservoir(pixels) for _ in range(classes)]
    device = head.weight.device
    with record_inputs(head.convolution) as seen, torch.inference_mode():
        for batch in tqdm(loader, desc="features", unit="batch"):
            seen.clear()
            logits = head.network(batch["image"].to(device))
            for number, (mask, index) in enumerate(zip(batch["mask"].numpy(), batch["index"].tolist(), strict=True)):
                keys = np.random.default_rng([seed, index]).random(mask.shape)
                for true in range(classes):
                    rows, columns = np.nonzero(mask == true)
                    chosen = reservoirs[true].find_candidates(keys[rows, columns])
                    if not len(chosen):
                        continue
                    places = [torch.from_numpy(axis[chosen]).to(device) for axis in (rows, columns)]
                    features = head.compute_features(seen[-1][number], places[0], places[1])
                    _require_linear(head, features, logits[number][:, places[0], places[1]].T)
                    reservoirs[true].add(keys[rows[chosen], columns[chosen]], features.cpu().numpy())
    return {true: reservoir.rows for true, reservoir in enumerate(reservoirs) if reservoir.rows is not None}


def _require_linear(head: LinearHead, features: Tensor, logits: Tensor) -> None:
    """Require that the logits follow from the features by the head alone, whatever else the network contains."""
    expected = (features @ head.weight.flatten(1).T + head.bias) / head.temperature
    if not torch.allclose(expected, logits.float(), rtol=1e-3, atol=1e-3 * float(logits.abs().max())):
        raise UserError(
            f"the logits of {type(head.network).__name__} are not those of its last layer alone: pass a checkpoint of "
            "SmpNetwork, or of another network that ends in a linear layer"
        )


def sample_logits(
    network: nn.Module, loader: Iterable[dict[str, Any]], classes: int, pixels: int, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """Logits of pixels drawn uniformly from all that count, so that classes are as frequent as in the images.

    Returns:
        (N, K) float32 and class ids (N,) int64; both empty where no pixel counts.

    Raises:
        UserError: logits are no numbers.
    """
    reservoir = Reservoir(pixels)
    device = next(network.parameters()).device
    with torch.inference_mode():
        for batch in tqdm(loader, desc="temperature", unit="batch"):
            logits = network(batch["image"].to(device)).float()
            require_finite(find_finite(logits)[None], batch.get("id", ()))
            for scores, mask, index in zip(
                logits.cpu().numpy(), batch["mask"].numpy(), batch["index"].tolist(), strict=True
            ):
                rows, columns = np.nonzero(mask < classes)
                keys = np.random.default_rng([seed, index]).random(mask.shape)[rows, columns]
                chosen = reservoir.find_candidates(keys)
                rows, columns = rows[chosen], columns[chosen]
                true = mask[rows, columns].astype(np.float32)  # class ids are exact in it
                reservoir.add(keys[chosen], np.column_stack([scores[:, rows, columns].T, true]))
    sampled = reservoir.rows if reservoir.rows is not None else np.empty((0, classes + 1), np.float32)
    return sampled[:, :-1], sampled[:, -1].astype(np.int64)
