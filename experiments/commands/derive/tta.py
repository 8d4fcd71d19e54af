"""Test-time augmentation of a trained network, as an ordinary checkpoint."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

from torch import nn

from experiments.checkpoints import derived_checkpoint
from experiments.checkpoints.opened_checkpoint import CheckpointFile
from experiments.command_line.verb_parser import Option, call_verb
from lightning_modules.networks.ensembles.combination import AVERAGES
from lightning_modules.networks.wrappers.test_time_augmentation import FLIPS, TestTimeAugmentation
from user_error import UserError

EXAMPLES = """
--checkpoint runs/a/best.ckpt --output runs/a_flips/best.ckpt
--checkpoint runs/a/best.ckpt --flips none --scales 0.75 1 1.25 --output runs/a_scales/best.ckpt
--checkpoint runs/ensemble/best.ckpt --flips both --output runs/ensemble_flips/best.ckpt
"""


def wrap_network(
    *,
    checkpoint: Path,
    output: Path,
    flips: Annotated[str, Option(choices=FLIPS)] = "horizontal",
    scales: Sequence[float] = (1.0,),
    average: Annotated[str, Option(choices=AVERAGES)] = AVERAGES[0],
) -> None:
    """Average the predictions of a trained network over several views of an image, mirrored and scaled.

    Test-time augmentation (Krizhevsky et al., NeurIPS 2012). Nothing is trained; the result is an ordinary checkpoint,
    and costs a pass for each view.

    Args:
        checkpoint: of any network: one, an ensemble, a pruned one.
        output: checkpoint to write, in a folder of its own.
        flips: views beside the image as it is.
        scales: of the sides, each flipped.
        average: what the mean is of.

    Raises:
        UserError: no further view is asked for, or an invalid one.
    """
    settings: dict[str, Any] = {"flips": flips, "scales": list(scales), "average": average}
    if settings["flips"] == "none" and settings["scales"] == [1.0]:
        raise UserError("--flips none at --scales 1 is the network as it is: ask for another view")
    TestTimeAugmentation(1, 1, lambda classes, channels: nn.Identity(), **settings)  # raises for invalid settings
    derived_checkpoint.require_own_folder(output, [checkpoint], "tta")
    derived_checkpoint.write_wrapped(output, CheckpointFile(checkpoint), TestTimeAugmentation, "tta", settings)
    print(f"checkpoint: {output}", flush=True)


def main(argv: list[str]) -> None:
    """The verb."""
    call_verb("tta", wrap_network, EXAMPLES, argv)
