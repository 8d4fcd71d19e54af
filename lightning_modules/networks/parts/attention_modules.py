"""Attention over channels, places, all pixels, or rows and columns: (B, C, H, W) to the same shape."""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F


def _count_hidden(channels: int, reduction: int) -> int:
    """A shallow stage keeps a few hidden units: a single one behind a ReLU easily dies."""
    return max(4, channels // reduction)


class SqueezeExcitation(nn.Module):
    """Weighs channels by a small network on their means (Hu et al., CVPR 2018).

    Args:
        channels: C.
        reduction: C over the hidden units.
    """

    def __init__(self, channels: int, reduction: int = 16) -> None:
        super().__init__()
        hidden = _count_hidden(channels, reduction)
        self.squeeze = nn.Conv2d(channels, hidden, 1)
        self.excite = nn.Conv2d(hidden, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) to (B, C, H, W)."""
        mean = x.mean((2, 3), keepdim=True)
        return x * self.excite(self.squeeze(mean).relu()).sigmoid()


class ECA(nn.Module):
    """Efficient channel attention: weighs a channel by its neighbours' means alone (Wang et al., CVPR 2020).

    Args:
        channels: C; the kernel grows with its logarithm.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        size = int((math.log2(channels) + 1) / 2)  # gamma = 2 and b = 1 of the paper
        size += 1 - size % 2
        self.conv = nn.Conv1d(1, 1, size, padding=size // 2, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) to (B, C, H, W)."""
        mean = x.mean((2, 3)).unsqueeze(1)
        return x * self.conv(mean).sigmoid().view(*x.shape[:2], 1, 1)


class CBAM(nn.Module):
    """Convolutional block attention: first weighs channels, then places (Woo et al., ECCV 2018).

    Args:
        channels: C.
        reduction: C over the hidden units.
    """

    def __init__(self, channels: int, reduction: int = 16) -> None:
        super().__init__()
        hidden = _count_hidden(channels, reduction)
        self.channel = nn.Sequential(nn.Conv2d(channels, hidden, 1), nn.ReLU(), nn.Conv2d(hidden, channels, 1))
        self.place = nn.Conv2d(2, 1, 7, padding=3)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) to (B, C, H, W)."""
        mean, most = x.mean((2, 3), keepdim=True), x.amax((2, 3), keepdim=True)
        x = x * (self.channel(mean) + self.channel(most)).sigmoid()
        over_channels = torch.cat([x.mean(1, keepdim=True), x.amax(1, keepdim=True)], dim=1)
        return x * self.place(over_channels).sigmoid()


class NonLocal(nn.Module):
    """Every pixel attends to every pixel: the embedded Gaussian of Wang et al., CVPR 2018.

    The last convolution is zero at first, so that a network starts as it was without the block.

    Args:
        channels: C; the embeddings have half of it.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        inner = max(1, channels // 2)
        self.query, self.key, self.value = (nn.Conv2d(channels, inner, 1) for _ in range(3))
        self.out = nn.Conv2d(inner, channels, 1)
        nn.init.zeros_(self.out.weight)
        nn.init.zeros_(self.out.bias)  # type: ignore[arg-type]

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) to (B, C, H, W)."""
        query, key, value = (
            embed(x).flatten(2).transpose(1, 2) for embed in (self.query, self.key, self.value)
        )  # (B, HW, C/2)
        context = F.scaled_dot_product_attention(query, key, value, scale=1.0)  # the embedded Gaussian has no scale
        return x + self.out(context.transpose(1, 2).unflatten(2, x.shape[2:]))


class CrissCross(nn.Module):
    """Every pixel attends to its row and its column; a second pass reaches all pixels (Huang et al., ICCV 2019).

    Costs HW (H + W) instead of (HW)^2. All passes share weights. What is attended to is weighed by a scalar that is
    zero at first, as in the authors' code, so that a network starts as it was without the block.

    Args:
        channels: C; queries and keys have an eighth of it.
        recurrence: number of passes.
    """

    unprunable = "every place attends to its row and column by maps reshaped to matrices"

    def __init__(self, channels: int, recurrence: int = 2) -> None:
        super().__init__()
        inner = max(1, channels // 8)
        self.recurrence = recurrence
        self.query = nn.Conv2d(channels, inner, 1)
        self.key = nn.Conv2d(channels, inner, 1)
        self.value = nn.Conv2d(channels, channels, 1)
        self.weight = nn.Parameter(torch.zeros(1))

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) to (B, C, H, W)."""
        for _ in range(self.recurrence):
            x = x + self.weight * self.compute_context(x)
        return x

    def compute_context(self, x: Tensor) -> Tensor:
        """What the pixels of (B, C, H, W) gather from their rows and columns in one pass, (B, C, H, W)."""
        query, key, value = self.query(x), self.key(x), self.value(x)
        height, width = x.shape[2:]
        column = torch.einsum("bdhw,bdgw->bhwg", query, key)
        row = torch.einsum("bdhw,bdhv->bhwv", query, key)
        place = torch.arange(height, device=x.device)
        itself = (place[:, None] == place).unsqueeze(1)  # counted once, with the row
        column = column.masked_fill(itself, -torch.inf)
        column, row = torch.cat([column, row], dim=-1).softmax(-1).to(value.dtype).split([height, width], dim=-1)
        return torch.einsum("bhwg,bcgw->bchw", column, value) + torch.einsum("bhwv,bchv->bchw", row, value)
