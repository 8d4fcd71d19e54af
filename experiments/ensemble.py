"""Make one network of several trained ones: an ensemble, as an ordinary checkpoint."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from experiments.checkpoints import derived_checkpoint
from experiments.checkpoints.checkpoint import data_state
from experiments.checkpoints.memory import require_memory
from experiments.checkpoints.one_training import require_different_weights, require_several_trainings
from experiments.checkpoints.opened_checkpoint import CheckpointFile, different
from experiments.command_line.light_parser import light_parser
from experiments.command_line.run_verb import call
from lightning_modules.networks.combination import AVERAGES
from lightning_modules.networks.ensemble import Ensemble
from user_error import UserError

EXAMPLES = """
--checkpoints runs/seed0/best.ckpt runs/seed1/best.ckpt runs/seed2/best.ckpt --output runs/ensemble/best.ckpt
--checkpoints runs/cycles/snapshot-*.ckpt --output runs/snapshots/best.ckpt
--seeds 0 1 2 --config experiments/configs/recipe/synthetic_unet.yaml --output runs/unet_x3/best.ckpt
"""

ONE_TRAINING = "--one-training"


def train_members(words: Sequence[str], seeds: Sequence[int], folder: Path) -> list[Path]:
    """Train one recipe with several seeds, each in a folder of its own; what is trained already stays.

    Raises:
        UserError: a seed twice, or options that would make the trainings one.
    """
    if len(set(seeds)) < len(seeds) or len(seeds) < 2:
        raise UserError(f"--seeds {' '.join(map(str, seeds))}: give two different ones at least")
    taken = [name for name in (word.partition("=")[0] for word in words) if name in ("--run", "--seed_everything")]
    if taken:
        raise UserError(f"{taken[0]} is set for each member: leave it out, and name the seeds by --seeds")
    runs = [folder / f"seed-{seed}" for seed in seeds]
    for seed, run in zip(seeds, runs, strict=True):
        print(f"member of seed {seed}: {run}", flush=True)
        call("fit", *words, f"--seed_everything={seed}", f"--run={run}")
    return [run / "best.ckpt" for run in runs]


def combine(files: Sequence[CheckpointFile], average: str, batched: bool, one_training: bool = False) -> dict[str, Any]:
    """The checkpoint of an ensemble of the networks of several checkpoints; of `one_training` only if that is meant.

    Raises:
        UserError: they do not belong together, cannot be batched, or need more memory than there is.
    """
    paths = [file.path for file in files]
    require_memory(paths)
    contents = derived_checkpoint.read_alike(files)
    require_different_weights(paths, contents)
    if not one_training:
        require_several_trainings(paths, contents, ONE_TRAINING)
    if batched:
        derived_checkpoint.require_one_architecture(
            paths, contents, "such members cannot run as one batch: leave '--batched' out"
        )
    members = [content["hyper_parameters"]["network"] for content in contents]
    first = contents[0]["hyper_parameters"]
    state = {
        f"members.{number}.{name}": value
        for number, content in enumerate(contents)
        for name, value in derived_checkpoint.network_state(content).items()
    }
    network = derived_checkpoint.component(Ensemble, {"members": members, "average": average, "batched": batched})
    data = data_state(contents[0])
    return derived_checkpoint.make_content(network, state, first["num_classes"], first["in_channels"], data)


def main(argv: list[str]) -> None:
    """The verb."""
    parser = light_parser(
        "ensemble",
        "Combine trained networks into one that gives the mean of their probabilities (deep ensembles, Lakshminarayanan\n"
        "et al., NeurIPS 2017): from checkpoints, or from the seeds of a recipe, which are trained first. The result is\n"
        "an ordinary checkpoint. Members may be of any architecture, but of one task.",
        EXAMPLES,
    )
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("--checkpoints", nargs="+", type=Path, help="files of the members")
    source.add_argument("--seeds", nargs="+", type=int, help="train a member of each; further options go to 'fit'")
    parser.add_argument("--output", required=True, type=Path, help="checkpoint to write, in a folder of its own")
    parser.add_argument(
        "--average", choices=AVERAGES, default=AVERAGES[0], help="what the mean is of (default: probabilities)"
    )
    parser.add_argument(
        "--batched", action="store_true", help="run members of one architecture at once, for more memory"
    )
    parser.add_argument(
        ONE_TRAINING,
        action="store_true",
        help="take checkpoints of one training; its snapshot-*.ckpt need no such word",
    )
    args, rest = parser.parse_known_args(argv)
    if args.checkpoints and rest:
        raise UserError(f"unknown option {rest[0]!r}: options of a training go with --seeds")
    derived_checkpoint.require_own_folder(args.output, args.checkpoints or [], "ensemble")
    paths = args.checkpoints or train_members(rest, args.seeds, args.output.parent)
    if len(paths) < 2:
        raise UserError("an ensemble needs two checkpoints at least: pass more to --checkpoints")
    files = [CheckpointFile(path) for path in paths]
    digests = different(files)
    content = combine(files, args.average, args.batched, args.one_training)
    facts = {"members": digests}
    described = {
        "class_path": derived_checkpoint.MODULE,
        "init_args": {"network": content["hyper_parameters"]["network"]},
    }
    settings = derived_checkpoint.shared_settings(paths) | {"model": {**described, "ensemble": facts}}
    derived_checkpoint.write(args.output, content, "ensemble", facts, settings)
    print(f"ensemble of {len(paths)}: {args.output}", flush=True)
