"""Support for losses of other libraries: they get the id of ignored pixels, and incompatible ones are refused."""

import copy
from collections.abc import Callable

import torch
from torch import Tensor, nn

from lightning_modules.labels import IGNORED
from user_error import UserError, shorten

UNSET = (None, -100)
"""Defaults of ``ignore_index`` in smp and in PyTorch."""
OWN = "lightning_modules."
REMEDY = "name a YAML of experiments/configs/loss/, or a module of yours that does"

LOGITS = "take experiments/configs/loss/cross_entropy.yaml, or from_logits true where the loss has that setting"


def hand_ignored(loss: nn.Module) -> nn.Module:
    """Set the ``ignore_index`` of each part of a loss to `IGNORED` where it has its default."""
    for part in loss.modules():
        if getattr(part, "ignore_index", IGNORED) in UNSET:
            part.ignore_index = IGNORED  # type: ignore[assignment]
    return loss


class LossGuard:
    """Calls a loss, and tests one of another library on the CPU before its first batch.

    A loss must map logits (B, K, H, W) and class ids (B, H, W) to a scalar with a gradient, and leave out ignored pixels.
    A loss that does not leave them out is accepted until the first mask with ignored pixels. Where all pixels are ignored,
    the loss of another library, often NaN there, is 0.
    """

    def __init__(self) -> None:
        self.tried = False
        self.unfit: str | None = None
        """Why ignored pixels are refused."""

    def __call__(self, loss: nn.Module, logits: Tensor, mask: Tensor) -> Tensor:
        """Logits (B, K, H, W) and mask (B, H, W) to a scalar.

        Raises:
            UserError: the loss is not compatible, or does not leave out ignored pixels.
        """
        if all(type(part).__module__.startswith(OWN) for part in loss.modules()):
            return loss(logits, mask)
        if not self.tried:
            self._try(copy.deepcopy(loss).cpu(), logits.detach()[:2].cpu(), mask[:2].cpu())
            self.tried = True
        if self.unfit is not None and (mask == IGNORED).any():
            raise UserError(self.unfit)
        value: Tensor = loss(logits, mask)
        if (value.numel() != 1 or not torch.isfinite(value)) and not (mask != IGNORED).any():
            return 0 * logits.sum()
        return value

    def _try(self, loss: nn.Module, logits: Tensor, mask: Tensor) -> None:
        name = f"--model.init_args.loss: {_name(loss)}"
        if any(isinstance(part, nn.NLLLoss) or getattr(part, "from_logits", True) is False for part in loss.modules()):
            raise UserError(f"{name} takes probabilities or their logarithms, and networks give logits: {LOGITS}")
        shapes = f"logits (B, {logits.shape[1]}, H, W) and class ids (B, H, W)"
        counted = mask.masked_fill(mask == IGNORED, 0)
        ignored = counted.clone()
        ignored[:, : max(1, mask.shape[1] // 4)] = IGNORED
        with torch.random.fork_rng([]), torch.enable_grad():
            refusal, found = _compute_gradient(loss, logits, counted)
            if refusal is not None:
                raise UserError(f"{name} cannot take {shapes} to a number ({refusal}): {_suggest_mode(loss) or REMEDY}")
            refusal, found = _compute_gradient(loss, logits, ignored)
        if refusal is not None or found.movedim(1, -1)[ignored == IGNORED].any():
            self.unfit = (
                f"{name} does not leave out the pixels that count nowhere, {IGNORED} in every mask"
                f"{f' ({refusal})' if refusal else ''}: {REMEDY}"
            )


def _compute_gradient(
    loss: Callable[[Tensor, Tensor], Tensor], logits: Tensor, mask: Tensor
) -> tuple[str | None, Tensor]:
    """The reason why the loss or its result is refused, `None` if it is not, and its gradient (B, K, H, W)."""
    logits = logits.clone().requires_grad_()
    try:
        value = loss(logits, mask)
    except (RuntimeError, ValueError, IndexError, TypeError, AssertionError) as error:
        return shorten(error), logits
    if not isinstance(value, Tensor) or value.ndim or not value.is_floating_point():
        shape = tuple(value.shape) if isinstance(value, Tensor) else type(value).__name__
        return f"it gives {shape}, no scalar", logits
    if not value.requires_grad:
        return "it has no gradient", logits
    return None, torch.autograd.grad(value, logits, materialize_grads=True)[0]


def _name(loss: nn.Module) -> str:
    """Names of a loss and of the losses within it."""
    return " of ".join(dict.fromkeys(type(part).__name__ for part in loss.modules() if type(part) is not nn.ModuleList))


def _suggest_mode(loss: nn.Module) -> str | None:
    """The remedy for a loss of smp with another mode than "multiclass"."""
    wrong = any(getattr(part, "mode", None) in ("binary", "multilabel") for part in loss.modules())
    return "its mode must be 'multiclass' (--model.init_args.loss.init_args.mode multiclass)" if wrong else None
