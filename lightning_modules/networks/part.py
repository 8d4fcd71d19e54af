"""An idea that is built into any encoder-decoder of smp."""

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lightning_modules.networks.smp import SmpNetwork


class Part(ABC):
    """One of the `parts` of an `SmpNetwork`: it holds the settings of an idea, and builds it into a network.

    Parts are built in one after the other: each finds the network as those before it left it.
    """

    @abstractmethod
    def build_into(self, network: "SmpNetwork") -> None:
        """Change a network that was just made, before its weights are loaded.

        Raises:
            UserError: the idea does not fit its architecture.
        """
