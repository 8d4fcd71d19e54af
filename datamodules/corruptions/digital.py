"""Digital corruptions: effects of processing and storage."""

import cv2
import numpy as np
import torch
from torch import Tensor
from typing_extensions import override

from datamodules.corruptions.base import Corruption
from datamodules.corruptions.declaration import declare
from datamodules.corruptions.kernels.elastic import draw_displacement, warp
from datamodules.corruptions.kernels.pixels import pixelate
from datamodules.corruptions.kernels.saturation import scale_saturation
from datamodules.corruptions.kernels.threads import map_in_threads
from user_error import UserError


class Contrast(Corruption):
    """Lower contrast: levels move towards the mean of their channel (Hendrycks & Dietterich, ICLR 2019).

    Identical to the reference bit for bit: the same operations in float64, in the same order, on the 256 levels.
    """

    name = "contrast"
    family = "digital"
    exact = True
    severities = declare(factor=(0.4, 0.3, 0.2, 0.1, 0.05))
    """Factor of the contrast."""

    @override
    def corrupt(self, images: Tensor, keys: Tensor, *, factor: float) -> Tensor:
        planes = images.view(-1, images.shape[2] * images.shape[3])
        # A tensor on the device, since CUDA divides by a number by multiplying with its rounded reciprocal.
        white_sum = torch.full((), 255.0 * planes.shape[1], dtype=torch.float64, device=images.device)
        mean = planes.sum(1, dtype=torch.int64)[:, None] / white_sum
        levels = (torch.arange(256, dtype=torch.float64) / 255.0).to(images.device)
        table = (((levels - mean) * factor + mean).clamp_(0, 1) * 255).to(torch.uint8)
        offsets = torch.arange(0, table.numel(), 256, dtype=torch.int32, device=images.device)
        entries = planes.to(torch.int32).add_(offsets[:, None])
        return table.view(-1).index_select(0, entries.view(-1)).view(images.shape)


class Pixelate(Corruption):
    """Fewer, larger pixels: box means, enlarged without smoothing (Hendrycks & Dietterich, ICLR 2019).

    Identical to Pillow bit for bit, at any size. Channels are processed independently.
    """

    name = "pixelate"
    family = "digital"
    exact = True
    severities = declare(factor=(0.6, 0.5, 0.4, 0.3, 0.25))
    """Number of remaining pixels along each side, relative to the original."""

    @override
    def corrupt(self, images: Tensor, keys: Tensor, *, factor: float) -> Tensor:
        height, width = images.shape[2:]
        return pixelate(images, int(height * factor), int(width * factor))


class JpegCompression(Corruption):
    """JPEG at low quality, chroma at half resolution (Hendrycks & Dietterich, ICLR 2019).

    Three channels are compressed as RGB. Of any other number each is compressed as a grey image, which gives the luma
    of the reference on a grey image. libjpeg does the work, on the CPU wherever the images are.
    """

    name = "jpeg_compression"
    family = "digital"
    exact = True
    libraries = ("opencv-python-headless",)
    in_chunks = False
    severities = declare(quality=(25, 18, 15, 10, 7))
    """Out of 100."""

    @override
    def corrupt(self, images: Tensor, keys: Tensor, *, quality: int) -> Tensor:
        options = [cv2.IMWRITE_JPEG_QUALITY, quality]
        batch = images.cpu().numpy()
        colour = batch.shape[1] == 3
        planes = batch if colour else batch.reshape(-1, 1, *batch.shape[2:])
        compress = _compress_rgb if colour else _compress_grey
        results = map_in_threads(lambda image: compress(image, options), planes)
        result = np.stack(results).reshape(batch.shape)
        return torch.from_numpy(result).to(images.device)


class ElasticTransform(Corruption):
    """A smooth random warp whose displacements grow with the image (`imagecorruptions`, Michaelis et al., 2019).

    It replaces the elastic transform of Hendrycks & Dietterich (ICLR 2019), without its affine part. As in the literature
    the masks are not warped, so that a score also reflects misaligned labels.
    """

    name = "elastic_transform"
    family = "digital"
    exact = True
    severities = declare(alpha=(12.5, 16.25, 21.25, 25.0, 30.0))
    """See `draw_displacement`."""

    @override
    def corrupt(self, images: Tensor, keys: Tensor, *, alpha: float) -> Tensor:
        height, width = images.shape[2:]
        return warp(images, draw_displacement(keys, height, width, alpha))


class Saturate(Corruption):
    """Lower saturation at severities 1 and 2, higher from 3 on (Hendrycks & Dietterich, ICLR 2019).

    The saturation S of HSV becomes S' = aS + b, at most 1; hue and value V are unchanged: a channel x becomes
    V - (V - x) S' / S. As in the reference grey has the hue of red, and turns reddish where b is not 0.

    Identical to the reference bit for bit. Exact results are integer levels so often that the rounding errors of the
    conversion to HSV decide, so every step is that of the reference, in float64 and in the same order.
    """

    name = "saturate"
    family = "digital"
    colour_only = True
    severities = declare(factor=(0.3, 0.1, 2.0, 5.0, 20.0), offset=(0.0, 0.0, 0.0, 0.1, 0.2))
    """a and b."""

    @override
    def corrupt(self, images: Tensor, keys: Tensor, *, factor: float, offset: float) -> Tensor:
        return scale_saturation(images, factor, offset)


def _compress_rgb(image: np.ndarray, options: list[int]) -> np.ndarray:
    blue, green, red = cv2.split(
        _encode_and_decode(cv2.merge((image[2], image[1], image[0])), options, cv2.IMREAD_COLOR)
    )
    return np.stack((red, green, blue))


def _compress_grey(image: np.ndarray, options: list[int]) -> np.ndarray:
    return _encode_and_decode(image[0], options, cv2.IMREAD_GRAYSCALE)[None]


def _encode_and_decode(levels: np.ndarray, options: list[int], mode: int) -> np.ndarray:
    encoded, code = cv2.imencode(".jpg", levels, options)
    decoded = cv2.imdecode(code, mode) if encoded else None
    if decoded is None:
        height, width = levels.shape[:2]
        raise UserError(f"an image of {height} x {width} pixels does not fit into JPEG: give the data a smaller size")
    return decoded
