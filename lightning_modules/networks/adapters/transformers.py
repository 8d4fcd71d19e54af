"""The semantic segmentation networks of Hugging Face Transformers."""

import copy
import importlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import timm
import torch
from huggingface_hub.errors import StrictDataclassError
from torch import Tensor, nn
from torch.nn import functional as F
from torchvision.transforms.v2 import functional as transforms

from lightning_modules.networks.adapters.base import Adapter, check_classes, choose_output, find_first_convolution
from lightning_modules.networks.adapters.mask_matching import compute_matching_loss
from lightning_modules.networks.pretrained import load_local
from user_error import UserError, shorten

MASK_CLASSIFIERS = ("maskformer", "mask2former", "oneformer", "eomt", "eomt_dinov3")
"""Networks that classify masks instead of pixels."""

LARGEST_SIDE = 65535
MOST_LAYERS = 1000
LEAST_SIDE = 32
"""Pixels below which most networks have a map without pixels, or smaller than a kernel."""
Resample = Literal["nearest", "bilinear", "bicubic", "lanczos"]
MATCHING = ("maskformer", "mask2former", "eomt", "eomt_dinov3")
"""Those of them that are trained by matching masks from the image alone."""

ONE_SIZE = ("eomt", "eomt_dinov3")
"""Those whose masks are of a grid of one size."""

DOWNLOADS = ("backbone", "use_pretrained_backbone", "use_timm_backbone", "auto_map")
"""Settings by which a constructor would fetch weights or code; older versions of Transformers obey them."""


class TransformersNetwork(Adapter):
    """A semantic segmentation network of Transformers (Wolf et al., EMNLP 2020 demonstrations).

    SegFormer (Xie et al., NeurIPS 2021), UPerNet (Xiao et al., ECCV 2018), DPT (Ranftl et al., ICCV 2021), BEiT (Bao et
    al., ICLR 2022), MobileViT (Mehta & Rastegari, ICLR 2022) and whatever else its class AutoModelForSemanticSegmentation
    knows. It is built from its configuration alone, with random weights and without the hub.

    MaskFormer (Cheng et al., NeurIPS 2021), Mask2Former (Cheng et al., CVPR 2022) and EoMT (Kerssies et al., CVPR 2025)
    classify masks: a pixel's score for a class is the sum over masks of p(class | mask) p(pixel in mask), as in these
    papers, brought to the input's size, and its logarithm is the logit. They are trained on their matching of masks by the
    objective ``experiments/configs/objective/network_loss.yaml``; by any other the loss is one on pixels. EoMT takes images of
    its configuration's ``image_size`` only: smaller ones are padded to it, larger ones refused, unless `image_size` resizes
    them. OneFormer (Jain et al., CVPR 2023) is told its task by tokens, which `convert` reads.

    Args:
        num_classes: K; the command line takes it from the data.
        in_channels: C; the command line takes it from the data.
        model: the model type of Transformers: segformer, upernet, mobilevit, mask2former, ...
        config: arguments of its configuration class, such as ``{depths: [2, 2, 2, 2]}``; a backbone stands in
            ``backbone_config`` with its own ``model_type``.
        stride: the input is padded to a multiple of it, and to 32 pixels where it is smaller.
        mean: see `SegmentationNetwork`.
        std: see `SegmentationNetwork`.
        image_size: the one size (H, W) that the network sees: images are resized to it as the library's image processors
            do, and the logits back; null for any size.
        resample: how they are resized to it.
        masks_at: the size (h, w) at which masks are scored, or "image" for that of the network's input; their own if null.
        task_inputs: the tokens of OneFormer's task.

    Raises:
        UserError: Transformers is not installed, or has no such model or setting.
    """

    task_inputs: Tensor | None

    def __init__(
        self,
        num_classes: int,
        in_channels: int = 3,
        model: str = "segformer",
        config: dict[str, Any] | None = None,
        stride: int = 32,
        mean: Sequence[float] | None = None,
        std: Sequence[float] | None = None,
        image_size: Sequence[int] | None = None,
        resample: Resample = "bilinear",
        masks_at: Sequence[int] | Literal["image"] | None = None,
        task_inputs: Sequence[int] | None = None,
    ) -> None:
        if (model == "oneformer") != (task_inputs is not None):
            raise UserError(
                "task_inputs are the tokens of OneFormer's task, and of no other model: make it by 'convert'"
            )
        built_config = _make_config(model, config or {}, num_classes, in_channels)
        super().__init__(num_classes, in_channels, _build(model, built_config), "logits", stride, mean, std)
        self.model_type = model
        self.image_size = None if image_size is None else require_size("image_size", image_size)
        self.resample = resample
        self.masks_at = masks_at if masks_at in (None, "image") else require_size("masks_at", masks_at)
        tokens = None if task_inputs is None else torch.tensor([list(task_inputs)])
        self.register_buffer("task_inputs", tokens, persistent=False)
        self.least_side = -(-max(LEAST_SIDE, self.stride) // self.stride) * self.stride
        if model in ONE_SIZE:
            self.stride = self.least_side = self.only_side = built_config.image_size
        _, first = find_first_convolution(self.model)
        if first.in_channels != in_channels:
            raise UserError(
                f"{model!r} of Transformers takes images of {first.in_channels} channels, but the data have {in_channels}: "
                "choose another model or backbone"
            )

    def forward(self, image: Tensor) -> Tensor:
        """Images (B, C, H, W), uint8 or float in [0, 1], to logits (B, K, H, W)."""
        if self.image_size is None:
            return super().forward(image)
        mode = transforms.InterpolationMode(self.resample)
        seen = transforms.resize(image, list(self.image_size), interpolation=mode, antialias=True)
        return self._compute_at(self.normalise(seen), tuple(image.shape[2:]))

    def find_fixed_size(self, x: Tensor) -> tuple[int, int] | None:
        """See `SegmentationNetwork`."""
        return None if self.image_size is None else (self.image_size[0], self.image_size[1])

    def compute_logits(self, x: Tensor) -> Tensor:
        """Normalised images (B, C, H, W) to logits (B, K, H, W)."""
        return self._compute_at(x, tuple(x.shape[2:]))

    def _compute_at(self, x: Tensor, size: tuple[int, ...]) -> Tensor:
        """Normalised images to logits (B, K, *size), resized once, as the library's post-processing does."""
        if self.model_type not in MASK_CLASSIFIERS:
            return _resize(check_classes(choose_output(self.model(x), self.output), self.num_classes), size)
        told = {} if self.task_inputs is None else {"task_inputs": self.task_inputs.expand(len(x), -1)}
        found = self.model(x, **told)
        masks = found.masks_queries_logits
        if self.masks_at is not None:
            masks = _resize(masks, tuple(x.shape[2:]) if self.masks_at == "image" else self.masks_at)
        scores = check_classes(compute_mask_scores(found.class_queries_logits, masks), self.num_classes)
        return to_logits(_resize(scores, size))

    @property
    def has_own_loss(self) -> bool:
        """Whether it classifies masks."""
        return self.model_type in MATCHING

    def compute_own_loss(self, image: Tensor, mask: Tensor) -> Tensor:
        """The loss of its matching of masks; see `compute_matching_loss`."""
        return compute_matching_loss(self.model, self.pad(self.normalise(image)), mask)

    def load_pretrained(self, weights: str) -> None:
        """Start from `weights`: what fits of them; a head for other classes starts at random.

        Those of three channels are spread over any other number, as timm does it.

        Args:
            weights: a repository of the hub, such as "nvidia/mit-b0", a folder that `save_pretrained` wrote, or the path
                of a file that holds the state dict of this network's `model`, which must fit entirely.

        Raises:
            UserError: they cannot be had, or belong to another network.
        """
        if Path(weights).is_file():
            load_local(self.model, Path(weights), self.model_type)
            return
        config = copy.deepcopy(self.model.config)
        _get_image_config(config).num_channels = 3
        loaded = _load_pretrained(self.model_type, weights, config)
        state = loaded.state_dict()
        name = f"{find_first_convolution(loaded)[0]}.weight"
        if self.in_channels != 3:
            state[name] = timm.models.adapt_input_conv(self.in_channels, state[name])
        self.model.load_state_dict(state)


def compute_mask_scores(classes: Tensor, masks: Tensor) -> Tensor:
    """Scores (B, K, h, w) of pixels, 0 or above, from the logits of Q masks.

    Args:
        classes: (B, Q, K + 1); the last is "no object".
        masks: (B, Q, h, w).
    """
    return torch.einsum("bqk,bqhw->bkhw", classes.softmax(-1)[..., :-1], masks.sigmoid())


def to_logits(scores: Tensor) -> Tensor:
    """The logarithm of scores of 0 or above, finite everywhere."""
    return scores.clamp_min(torch.finfo(scores.dtype).tiny).log()


def require_size(name: str, size: Any) -> tuple[int, int]:
    """A size (H, W).

    Raises:
        UserError: it is none.
    """
    found = tuple(size) if isinstance(size, list | tuple) else ()
    if len(found) != 2 or not all(isinstance(side, int) and 1 <= side <= LARGEST_SIDE for side in found):
        raise UserError(f"{name} is {size!r}: give a height and a width, such as [512, 512]")
    return found


def _resize(maps: Tensor, size: tuple[int, ...]) -> Tensor:
    return maps if tuple(maps.shape[2:]) == tuple(size) else F.interpolate(maps, size, mode="bilinear")


def _import_transformers() -> Any:
    try:
        return importlib.import_module("transformers")
    except ImportError as error:
        raise UserError(
            f"networks of Transformers need its package ({error}): run pip install 'transformers>=5,<6'"
        ) from error


def _get_image_config(config: Any) -> Any:
    """The part of a configuration that knows the image's channels."""
    return getattr(config, "backbone_config", None) or config


def get_auto_class(model: str) -> Any:
    """The class of Transformers that builds a network of this type."""
    kind = "Universal" if model in MASK_CLASSIFIERS else "Semantic"
    return getattr(_import_transformers(), f"AutoModelFor{kind}Segmentation")


def _make_config(model: str, settings: Mapping[str, Any], num_classes: int, in_channels: int) -> Any:
    configs = _import_transformers().AutoConfig
    require_layers(settings, repr(model))
    try:
        known = configs.for_model(model)
        unknown = [name for name in settings if not hasattr(known, name) or name in DOWNLOADS]
        if unknown:  # Transformers keeps them and does nothing
            raise UserError(
                f"the configuration of {model!r} in Transformers takes no {unknown[0]!r}: see its documentation"
            )
        config = configs.for_model(model, num_labels=num_classes, **copy.deepcopy(dict(settings)))
    except (TypeError, ValueError, KeyError, StrictDataclassError) as error:
        raise UserError(f"Transformers cannot configure {model!r}: {describe(error)}") from error
    first = _get_image_config(config)
    first.num_channels = in_channels
    if hasattr(first, "use_pretrained_backbone"):  # weights come from `load_pretrained` alone
        first.use_pretrained_backbone = False
    return config


def _build(model: str, config: Any) -> nn.Module:
    try:
        return get_auto_class(model).from_config(config, trust_remote_code=False)
    except Exception as error:  # settings that do not go together raise errors of many kinds
        raise UserError(
            f"Transformers cannot build {model!r} by this configuration ({describe(error)}): correct it"
        ) from error


def describe(error: Exception) -> str:
    """The message of a library's error; that of a missing key is the key alone."""
    return f"it knows no {shorten(error)}" if isinstance(error, KeyError) else shorten(error)


def require_layers(settings: Any, where: str) -> None:
    """Refuse a configuration, at any depth, of so many layers that building them would never end.

    Raises:
        UserError: it is one.
    """
    entries = settings.items() if isinstance(settings, Mapping) else ((None, one) for one in _as_list(settings))
    for key, value in entries:
        counts = value if isinstance(value, list | tuple) else [value]
        if isinstance(key, str) and ("depth" in key or "layers" in key or "blocks" in key):
            most = max((one for one in counts if isinstance(one, int)), default=0)
            if most > MOST_LAYERS:
                raise UserError(f"the configuration of {where} has {most} as {key}: give at most {MOST_LAYERS}")
        require_layers(value, where)


def _as_list(value: Any) -> Sequence[Any]:
    return value if isinstance(value, list | tuple) else ()


def _load_pretrained(model: str, weights: str, config: Any) -> nn.Module:
    try:
        loaded, report = get_auto_class(model).from_pretrained(
            weights,
            config=config,
            ignore_mismatched_sizes=True,
            output_loading_info=True,
            weights_only=True,
            trust_remote_code=False,
        )
    except (OSError, ValueError, RuntimeError) as error:
        raise UserError(
            f"encoder weights {weights!r} cannot be had ({shorten(error)}): pass a repository of the hub that can be "
            "reached, a folder of save_pretrained, a file, or null"
        ) from error
    if 2 * (len(report["missing_keys"]) + len(report["mismatched_keys"])) > len(loaded.state_dict()):
        raise UserError(f"encoder weights: {weights!r} does not fit {model!r}; pass those of the same model, or null")
    return loaded
