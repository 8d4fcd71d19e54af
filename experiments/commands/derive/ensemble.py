"""Combine several trained networks into an ensemble, as an ordinary checkpoint."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

from experiments.checkpoints import derived_checkpoint
from experiments.checkpoints.checkpoint import extract_data_state, read_checkpoint
from experiments.checkpoints.memory import require_memory
from experiments.checkpoints.one_training import require_different_weights, require_several_trainings
from experiments.checkpoints.opened_checkpoint import CheckpointFile, find_distinct_digests
from experiments.command_line.run_verb import call
from experiments.command_line.verb_parser import Option, call_verb
from lightning_modules.networks.ensembles.combination import AVERAGES
from lightning_modules.networks.ensembles.ensemble import Ensemble
from user_error import UserError

EXAMPLES = """
--checkpoints runs/seed0/best.ckpt runs/seed1/best.ckpt runs/seed2/best.ckpt --output runs/ensemble/best.ckpt
--checkpoints runs/cycles/snapshot-*.ckpt --output runs/snapshots/best.ckpt
--seeds 0 1 2 --config experiments/configs/recipe/synthetic_unet.yaml --output runs/unet_x3/best.ckpt
"""

ONE_TRAINING = "--one-training"


def train_members(words: Sequence[str], seeds: Sequence[int], folder: Path) -> list[Path]:
    """Train one recipe with several seeds, each in a folder of its own; complete trainings are not repeated.

    Raises:
        UserError: a seed is given twice, or an option would give the trainings the same seed or folder.
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
    """The checkpoint of an ensemble of the networks of several checkpoints; `one_training` allows those of one training.

    Raises:
        UserError: they are of different tasks, cannot be batched, or do not fit into memory.
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
        for name, value in derived_checkpoint.extract_network_state(content).items()
    }
    network = derived_checkpoint.make_component(Ensemble, {"members": members, "average": average, "batched": batched})
    data = extract_data_state(contents[0])
    return derived_checkpoint.make_content(network, state, first["num_classes"], first["in_channels"], data)


def combine_networks(
    *further: str,
    checkpoints: Sequence[Path] = (),
    seeds: Sequence[int] = (),
    output: Path,
    average: Annotated[str, Option(choices=AVERAGES)] = AVERAGES[0],
    batched: bool = False,
    one_training: bool = False,
) -> None:
    """Combine trained networks into one that gives the mean of their probabilities.

    Deep ensembles (Lakshminarayanan et al., NeurIPS 2017): from checkpoints, or from the seeds of a recipe, which are
    trained first. The result is an ordinary checkpoint. Members may be of any architecture, but of one task.

    Args:
        *further: options of the training of each seed.
        checkpoints: files of the members.
        seeds: train a member of each; further options go to 'fit'.
        output: checkpoint to write, in a folder of its own.
        average: what the mean is of.
        batched: run members of one architecture at once, for more memory.
        one_training: allow checkpoints of one training; its snapshot-*.ckpt need no such option.

    Raises:
        UserError: the members are no ensemble.
    """
    if bool(checkpoints) == bool(seeds):
        raise UserError("the members are either files or trained: pass one of --checkpoints and --seeds")
    if checkpoints and further:
        raise UserError(f"unknown option {further[0]!r}: options of a training go with --seeds")
    derived_checkpoint.require_own_folder(output, checkpoints, "ensemble")
    paths = checkpoints or train_members(further, seeds, output.parent)
    if len(paths) < 2:
        raise UserError("an ensemble needs two checkpoints at least: pass more to --checkpoints")
    files = [CheckpointFile(path) for path in paths]
    digests = find_distinct_digests(files)
    content = combine(files, average, batched, one_training)
    facts = {"members": digests}
    described = {
        "class_path": derived_checkpoint.MODULE,
        "init_args": {"network": content["hyper_parameters"]["network"]},
    }
    settings = derived_checkpoint.find_shared_settings(paths) | {"model": {**described, "ensemble": facts}}
    sources = [derived_checkpoint.describe_source(file.sha256, read_checkpoint(file)) for file in files]
    made = {"average": average, "batched": batched}
    derived_checkpoint.write(output, content, "ensemble", made, sources, settings)
    print(f"ensemble of {len(paths)}: {output}", flush=True)


def main(argv: list[str]) -> None:
    """The verb."""
    call_verb("ensemble", combine_networks, EXAMPLES, argv)
