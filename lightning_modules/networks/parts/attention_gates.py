"""Attention U-Net: the decoder says where a skip connection is worth a look."""

from torch import Tensor, nn
from torch.nn import functional as F

from lightning_modules.networks.smp import Part, SmpNetwork
from user_error import UserError


class AttentionGate(nn.Module):
    """Additive attention gate (Oktay et al., MIDL 2018).

    A place of the skip connection x is weighed by sigmoid(psi(relu(W_x x + W_g g))), computed on the coarser grid of
    the gating feature g and enlarged bilinearly.

    Args:
        skip: channels of x; half of them are hidden.
        gating: channels of g.
    """

    def __init__(self, skip: int, gating: int) -> None:
        super().__init__()
        hidden = max(1, skip // 2)
        self.skip = nn.Conv2d(skip, hidden, 1, bias=False)
        self.gating = nn.Conv2d(gating, hidden, 1)
        self.psi = nn.Conv2d(hidden, 1, 1)

    def compute_weights(self, x: Tensor, g: Tensor) -> Tensor:
        """Skip connection (B, C, H, W) and gating feature (B, G, h, w) to weights in (0, 1), (B, 1, H, W)."""
        coarse = F.interpolate(x, g.shape[2:], mode="bilinear")
        weights = self.psi((self.skip(coarse) + self.gating(g)).relu()).sigmoid()
        return F.interpolate(weights, x.shape[2:], mode="bilinear")

    def forward(self, x: Tensor, g: Tensor) -> Tensor:
        """Skip connection (B, C, H, W), weighed by place as the gating feature (B, G, h, w) asks."""
        return x * self.compute_weights(x, g)


class GatedBlock(nn.Module):
    """A decoder block of smp's U-Net that sees its skip connection through a gate.

    Args:
        block: of smp.
        gate: skip connection and the coarser decoder feature to the gated skip connection.
    """

    def __init__(self, block: nn.Module, gate: nn.Module) -> None:
        super().__init__()
        self.block = block
        self.gate = gate

    def forward(self, feature_map: Tensor, height: int, width: int, skip_connection: Tensor) -> Tensor:
        """Coarser decoder feature (B, G, h, w) and skip connection (B, C, H, W) to (B, D, H, W)."""
        return self.block(feature_map, height, width, skip_connection=self.gate(skip_connection, feature_map))


class AttentionGates(Part):
    """Attention U-Net (Oktay et al., MIDL 2018): attention gates on every skip connection of smp's U-Net."""

    def build_into(self, network: SmpNetwork) -> None:
        """Gate the blocks of the decoder.

        Raises:
            UserError: an architecture other than Unet.
        """
        architecture = type(network.model).__name__
        if architecture != "Unet":
            raise UserError(f"attention gates stand in a Unet, not in {architecture!r}: set architecture to Unet")
        blocks = network.model.decoder.blocks
        gating, *skips = reversed(network.encoder.out_channels[1:])
        for index, (block, skip) in enumerate(zip(list(blocks), skips, strict=False)):  # the last block has none
            if skip:  # encoders may leave a stage out
                blocks[index] = GatedBlock(block, AttentionGate(skip, gating))
            gating = block.conv2[0].out_channels
