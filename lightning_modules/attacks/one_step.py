"""One step of gradient ascent from a random start."""

from lightning_modules.attacks.ball import Norm
from lightning_modules.attacks.pgd import Pgd
from lightning_modules.attacks.pixel_losses import PixelLoss
from lightning_modules.settings import require_positive


class OneStep(Pgd):
    """One step, longer than the radius, from a uniformly drawn place of the ball, projected back onto it.

    Wong et al., "Fast is Better than Free: Revisiting Adversarial Training", ICLR 2020: with the random start and a step of
    1.25 eps, training against it does not collapse into robustness against single steps alone, as it may with longer ones.

    Args:
        eps: radius of the ball, see `Attack`.
        relative_step: length of the step, as a multiple of eps.
        norm: "linf", as in the paper, or "l2".
        loss: see `Pgd`.

    Raises:
        UserError: a radius out of range, a step of no length, or an unknown norm or loss.
    """

    def __init__(
        self,
        eps: float = 4 / 255,
        relative_step: float = 1.25,
        norm: Norm = "linf",
        loss: PixelLoss = "cross_entropy",
    ) -> None:
        require_positive("relative_step of the attack", relative_step, "such as 1.25")
        super().__init__(eps, 1, relative_step * eps or None, norm, loss=loss)
