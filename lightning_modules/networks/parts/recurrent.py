"""Recurrence in space: a map is swept in four directions, or refined in place, step by step."""

from typing import Literal

import torch
from torch import Tensor, nn

from lightning_modules.networks.parts.decoder_inputs import find_decoder_inputs
from lightning_modules.networks.refined_encoder import StageModules
from lightning_modules.networks.smp import Part, SmpNetwork, get_only_head
from user_error import UserError

CELLS: dict[str, type[nn.GRU] | type[nn.LSTM]] = {"gru": nn.GRU, "lstm": nn.LSTM}


class FourDirections(nn.Module):
    """A ReNet layer (Visin et al., 2015): columns are read up and down, then rows of the result left and right.

    Every place of the result has seen the whole map. Sequences are laid out first and contiguous: on others torch
    rounds differently when the weights are frozen, as in a rebuilt checkpoint.
    torch.compile leaves the sweeps out (a graph break), and so does not take ``fullgraph=True``.

    Args:
        channels: C.
        hidden: size of the state in each direction.
        cell: gru or lstm.
    """

    def __init__(self, channels: int, hidden: int, cell: Literal["gru", "lstm"] = "gru") -> None:
        super().__init__()
        self.columns = CELLS[cell](channels, hidden, bidirectional=True)
        self.rows = CELLS[cell](2 * hidden, hidden, bidirectional=True)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) to (B, 2 hidden, H, W), states of the forward direction first."""
        images, _, height, width = x.shape
        columns = x.permute(2, 0, 3, 1).reshape(height, images * width, -1)
        x = self.columns(columns.contiguous())[0].view(height, images, width, -1)
        rows = x.permute(2, 1, 0, 3).reshape(width, images * height, -1)
        x = self.rows(rows.contiguous())[0].view(width, images, height, -1)
        return x.permute(1, 3, 2, 0)


class ReSeg(Part):
    """ReSeg (Visin et al., CVPR workshops 2016) for any encoder-decoder: the bottleneck is swept in four directions.

    The states take the place of the encoder's coarsest map that the decoder looks at; a 1 x 1 convolution brings them
    to its number of channels. ReSeg has no skip connections and stacks two or three such layers; here it is one.

    Args:
        cell: gru or lstm.
        hidden: size of the state in each direction.

    Raises:
        UserError: unknown cell, or no state.
    """

    def __init__(self, cell: Literal["gru", "lstm"] = "gru", hidden: int = 100) -> None:
        if cell not in CELLS:
            raise UserError(f"unknown cell {cell!r}: choose gru or lstm")
        _check_positive(hidden=hidden)
        self.cell = cell
        self.hidden = hidden

    def build_into(self, network: SmpNetwork) -> None:
        """Sweep the coarsest map that the decoder looks at."""
        coarsest, channels = max(find_decoder_inputs(network).items())
        directions = FourDirections(channels, self.hidden, self.cell)
        sweep = nn.Sequential(directions, nn.Conv2d(2 * self.hidden, channels, 1))
        network.refine_features(StageModules({coarsest: sweep}))


class ConvGruCell(nn.Module):
    """A gated recurrent unit whose products are 3 x 3 convolutions (Ballas et al., ICLR 2016).

    Args:
        channels: C of the input.
        hidden: S, channels of the state.
    """

    def __init__(self, channels: int, hidden: int) -> None:
        super().__init__()
        self.gates = nn.Conv2d(channels + hidden, 2 * hidden, 3, padding=1)
        self.candidate = nn.Conv2d(channels + hidden, hidden, 3, padding=1)

    def forward(self, x: Tensor, state: Tensor) -> Tensor:
        """Input (B, C, H, W) and state (B, S, H, W) to the next state."""
        update, reset = self.gates(torch.cat([x, state], dim=1)).sigmoid().chunk(2, dim=1)
        candidate = self.candidate(torch.cat([x, reset * state], dim=1)).tanh()
        return state + update * (candidate - state)


class ConvGruRefinement(nn.Module):
    """Looks at the same map several times with a `ConvGruCell` and corrects it by the last state.

    The state starts at zero, and so does the 1 x 1 convolution that turns it into a correction: a network starts as
    it was without the refinement.

    Args:
        channels: C.
        hidden: channels of the state.
        steps: how often the cell looks; each step widens its view by two pixels to every side.
    """

    def __init__(self, channels: int, hidden: int, steps: int) -> None:
        super().__init__()
        self.hidden = hidden
        self.steps = steps
        self.cell = ConvGruCell(channels, hidden)
        self.correct = nn.Conv2d(hidden, channels, 1)
        nn.init.zeros_(self.correct.weight)
        nn.init.zeros_(self.correct.bias)  # type: ignore[arg-type]

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) to (B, C, H, W)."""
        state = x.new_zeros(x.shape[0], self.hidden, *x.shape[2:])
        for _ in range(self.steps):
            state = self.cell(x, state)
        return x + self.correct(state)


class ConvGru(Part):
    """A convolutional GRU refines the decoder's output before the last convolution.

    The cell is that of Ballas et al., ICLR 2016, who read videos with it; here every step looks at the same map, as in
    the recurrent networks for scene labelling of Pinheiro and Collobert, ICML 2014.

    Args:
        hidden: channels of the state.
        steps: how often the cell looks.

    Raises:
        UserError: no state, or no step.
    """

    def __init__(self, hidden: int = 16, steps: int = 3) -> None:
        _check_positive(hidden=hidden, steps=steps)
        self.hidden = hidden
        self.steps = steps

    def build_into(self, network: SmpNetwork) -> None:
        """Stand before the head, and before what stands there already."""
        head = network.model.segmentation_head
        channels = get_only_head(network.model, type(network.model).__name__)[0].in_channels
        refinement = ConvGruRefinement(channels, self.hidden, self.steps)
        network.model.segmentation_head = nn.Sequential(refinement, head)


def _check_positive(**sizes: int) -> None:
    for name, size in sizes.items():
        if size < 1:
            raise UserError(f"{name} is {size}: it must be at least 1")
