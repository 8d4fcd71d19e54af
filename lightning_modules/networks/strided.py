"""Workaround for a fault of oneDNN in strided convolutions of 1 x 1."""

from torch import Tensor, nn

FEW = 16
"""Channels of a register of AVX-512, the widest there is."""


def subsample_first(network: nn.Module) -> None:
    """Subsample the input of strided 1 x 1 convolutions of few channels, and set their stride to 1.

    oneDNN as of PyTorch 2.13 writes past its memory in their gradients where tensors are channels last and the channels fill
    no register, which ends the process or alters other tensors
    (https://github.com/uxlfoundation/oneDNN/issues/6035). They read the same pixels, and their weights keep their names.

    Args:
        network: changed in place; what was changed before is left as it is.
    """
    for one in network.modules():
        if type(one) is nn.Conv2d and set(one.stride) != {1} and one.in_channels < FEW and _is_pointwise(one):
            _subsample(one)


def _is_pointwise(convolution: nn.Conv2d) -> bool:
    return set(convolution.kernel_size) == {1} and convolution.padding in ((0, 0), "valid")


def _subsample(convolution: nn.Conv2d) -> None:
    down, across = convolution.stride
    convolution.stride = (1, 1)
    convolution.register_forward_pre_hook(_Choosing(down, across))


class _Choosing:
    def __init__(self, down: int, across: int) -> None:
        self.down, self.across = down, across

    def __call__(self, _: nn.Module, given: tuple[Tensor]) -> tuple[Tensor]:
        (image,) = given
        return (image[..., :: self.down, :: self.across],)
