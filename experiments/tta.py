"""Test-time augmentation of a trained network: several views of an image, one answer, as an ordinary checkpoint."""

from pathlib import Path
from typing import Any

from torch import nn

from experiments.checkpoints import derived_checkpoint
from experiments.checkpoints.checkpoint import read_checkpoint
from experiments.checkpoints.opened_checkpoint import CheckpointFile
from experiments.checkpoints.settings import read_settings
from experiments.command_line.light_parser import light_parser
from lightning_modules.networks.combination import AVERAGES
from lightning_modules.networks.test_time_augmentation import FLIPS, TestTimeAugmentation
from user_error import UserError

EXAMPLES = """
--checkpoint runs/a/best.ckpt --output runs/a_flips/best.ckpt
--checkpoint runs/a/best.ckpt --flips none --scales 0.75 1 1.25 --output runs/a_scales/best.ckpt
--checkpoint runs/ensemble/best.ckpt --flips both --output runs/ensemble_flips/best.ckpt
"""


def main(argv: list[str]) -> None:
    """The verb."""
    parser = light_parser(
        "tta",
        "Ask a trained network about several views of an image, mirrored and scaled, and take the mean of its answers\n"
        "(test-time augmentation, Krizhevsky et al., NeurIPS 2012). Nothing is trained; the result is an ordinary\n"
        "checkpoint, and costs a pass for each view.",
        EXAMPLES,
    )
    parser.add_argument("--checkpoint", type=Path, required=True, help="of any network: one, an ensemble, a pruned one")
    parser.add_argument("--output", type=Path, required=True, help="checkpoint to write, in a folder of its own")
    parser.add_argument(
        "--flips", choices=FLIPS, default="horizontal", help="with the image as it is (default: horizontal)"
    )
    parser.add_argument(
        "--scales", type=float, nargs="+", default=[1.0], help="of the sides, each flipped (default: 1)"
    )
    parser.add_argument(
        "--average", choices=AVERAGES, default=AVERAGES[0], help="what the mean is of (default: probabilities)"
    )
    args = parser.parse_args(argv)
    settings: dict[str, Any] = {name: getattr(args, name) for name in ("flips", "scales", "average")}
    if settings["flips"] == "none" and settings["scales"] == [1.0]:
        raise UserError("--flips none at --scales 1 is the network as it is: ask for another view")
    TestTimeAugmentation(1, 1, lambda classes, channels: nn.Identity(), **settings)  # refuses what it cannot do
    derived_checkpoint.require_own_folder(args.output, [args.checkpoint], "tta")
    file = CheckpointFile(args.checkpoint)
    content = derived_checkpoint.wrapped(read_checkpoint(file), TestTimeAugmentation, settings)
    run = read_settings(args.checkpoint) or {}
    derived_checkpoint.write(
        args.output,
        content,
        "tta",
        {**settings, "from": file.sha256},
        {**run, "model": {**(run.get("model") or {}), "tta": settings}},
    )
    print(f"checkpoint: {args.output}", flush=True)
