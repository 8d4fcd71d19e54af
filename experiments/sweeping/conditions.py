"""The common interface of conditions of a sweep: those that change pixels alone, and those that need the network."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from typing_extensions import override

from datamodules.corruptions.base import JSON, draw_key
from datamodules.corruptions.conditions import Condition
from datamodules.corruptions.further_targets import TargetTensors
from experiments.evaluation.kinds import CLEAN, CORRUPTION, MODALITY, SHIFT
from lightning_modules.conditions.base import NetworkCondition
from lightning_modules.networks.network import as_network

IMPLIED = (CLEAN, SHIFT, CORRUPTION, MODALITY)
"""Kinds that follow from name and family: manifests have not always stated a kind, and keep their hash."""


class SweptCondition(ABC):
    """One condition of a sweep; a record has a cell for each."""

    name: str
    severity: int
    kind: str
    family: str | None
    needs_gradients = False
    has_state = False
    predicts = False
    """Whether the outputs are its own rather than those of the module that is tested."""

    @property
    @abstractmethod
    def parameters(self) -> dict[str, JSON]:
        """What decides the pixels beside name and severity."""

    @property
    @abstractmethod
    def pixels(self) -> Condition:
        """What is done to images of any size, whatever the network; it comes before the resize if the suite says so."""

    def perturb(self, network: nn.Module, images: Tensor, masks: Tensor, ids: Sequence[str], seed: int) -> Tensor:
        """What is then done to the images for this very network, at the size that it is given; arguments as of a call."""
        return images

    def __call__(
        self,
        network: nn.Module,
        images: Tensor,
        masks: Tensor,
        ids: Sequence[str],
        seed: int,
        targets: TargetTensors | None = None,
    ) -> tuple[Tensor, Tensor]:
        """Images and masks under this condition, each drawn from (`seed`, id), all at one size.

        Args:
            network: that predicts under it.
            images: uint8 (B, C, H, W).
            masks: int64 (B, H, W), 255 where ignored.
            ids: of the images.
            seed: of the suite.
            targets: those that its `pixels` need, by name.

        Returns:
            (B, C, H, W), uint8 or float in [0, 1], and int64 (B, H, W). Where they are left as they are, the very
            tensors that came in.
        """
        images, masks = self.pixels(images, masks, ids, seed, targets)
        return self.perturb(network, images, masks, ids, seed), masks

    def begin(self, network: nn.Module) -> nn.Module:
        """The network that predicts under this condition."""
        return network

    def predict(self, network: nn.Module, images: Tensor) -> dict[str, Tensor]:
        """The outputs of that network by name."""
        return as_network(network).compute_outputs(images)

    @property
    def manifest_entry(self) -> dict[str, JSON]:
        """The condition's entry in a manifest."""
        stated: dict[str, JSON] = {} if self.kind in IMPLIED else {"kind": self.kind}
        return {
            "corruption": self.name,
            "family": self.family,
            "severity": self.severity,
            "parameters": self.parameters,
            **stated,
        }

    def __str__(self) -> str:
        return f"{self.name} at severity {self.severity}" if self.severity else self.name


@dataclass(frozen=True)
class SweptPixelCondition(SweptCondition):
    """A condition of `datamodules`: whatever the network, its images are the same."""

    condition: Condition

    @property
    def name(self) -> str:  # type: ignore[override]
        """Of the condition."""
        return self.condition.name

    @property
    def severity(self) -> int:  # type: ignore[override]
        """Of the condition."""
        return self.condition.severity

    @property
    def kind(self) -> str:  # type: ignore[override]
        """Of the condition."""
        return self.condition.kind

    @property
    def family(self) -> str | None:  # type: ignore[override]
        """Of the condition."""
        return self.condition.family

    @property
    @override
    def parameters(self) -> dict[str, JSON]:
        return self.condition.parameters

    @property
    @override
    def pixels(self) -> Condition:
        return self.condition

    def __str__(self) -> str:
        return str(self.condition)


@dataclass(frozen=True)
class SweptNetworkCondition(SweptCondition):
    """A condition that is shown the network, on clean images or on those of a condition of pixels.

    Args:
        condition: with the network.
        under: the condition that is applied to the images before it.
    """

    condition: NetworkCondition
    under: SweptPixelCondition

    predicts = True

    @property
    def name(self) -> str:  # type: ignore[override]
        """Of the condition, and of the condition that is applied before it."""
        own = self.condition.name
        return own if self.under.kind == CLEAN else f"{own}_under_{self.under.name}"

    @property
    def severity(self) -> int:  # type: ignore[override]
        """Of the condition that is applied before it; on clean images its own."""
        return self.under.severity or self.condition.severity

    @property
    def kind(self) -> str:  # type: ignore[override]
        """Of the condition."""
        return self.condition.kind

    @property
    def family(self) -> str:  # type: ignore[override]
        """Its kind."""
        return self.condition.kind

    @property
    def needs_gradients(self) -> bool:  # type: ignore[override]
        """Whether it needs gradients."""
        return self.condition.needs_gradients

    @property
    def has_state(self) -> bool:  # type: ignore[override]
        """Whether it adapts to a batch in a way that affects the next."""
        return self.condition.has_state

    @property
    @override
    def parameters(self) -> dict[str, JSON]:
        under: dict[str, JSON] = {} if self.under.kind == CLEAN else {"under": self.under.manifest_entry}
        return (
            {"class": f"{type(self.condition).__module__}.{type(self.condition).__qualname__}"}
            | under
            | {"settings": dict(self.condition.parameters)}
        )

    @property
    @override
    def pixels(self) -> Condition:
        return self.under.pixels

    @override
    def perturb(self, network: nn.Module, images: Tensor, masks: Tensor, ids: Sequence[str], seed: int) -> Tensor:
        keys = torch.tensor([draw_key(seed, one, self.name, self.severity) for one in ids], device=images.device)
        return self.condition.perturb(network, images, masks, keys)

    @override
    def begin(self, network: nn.Module) -> nn.Module:
        return self.condition.begin(network)

    @override
    def predict(self, network: nn.Module, images: Tensor) -> dict[str, Tensor]:
        return self.condition.predict(network, images)
