"""One trial of an ablation: train, then sweep."""

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

from experiments.ablation.fingerprint import split_names
from experiments.ablation.same_data import require_same_data
from experiments.ablation.sweep_file import SUITE
from experiments.ablation.trial_folder import TrialFolder
from experiments.command_line.run_verb import call
from experiments.command_line.verb_parser import CommandLine, Option, SentenceParser, call_verb
from experiments.evaluation.order import Order
from experiments.sweeping.counters import find_counter_path
from experiments.sweeping.named_protocols import find_protocol, list_protocols
from experiments.sweeping.suites import find_suite_path
from user_error import UserError

EXAMPLES = """
--config experiments/configs/recipe/synthetic_unet.yaml --run runs/a --suite smoke
--config experiments/configs/recipe/synthetic_unet.yaml --run runs/b --suite smoke --trainer.max_epochs 2
--config experiments/configs/recipe/kvasir_unet.yaml --budget experiments/configs/budget/kvasir.yaml --run runs/c
--config experiments/configs/recipe/synthetic_unet.yaml --run runs/half --start runs/a/best.ckpt --prune 0.5
"""


SHARED_OPTIONS = ("--trainer.accelerator", "--trainer.devices", "--trainer.num_nodes")
"""Options that the training and the sweep share."""


def find_shared_options(words: Sequence[str]) -> list[str]:
    """The options in `words` that the sweep shares with the training, with their values."""
    found = []
    for place, word in enumerate(words):
        key, joined, _ = word.partition("=")
        if key in SHARED_OPTIONS:
            found += [word] if joined else list(words[place : place + 2])
    return found


def sort_options(words: Sequence[str]) -> list[str]:
    """Sort options into the order that the parser needs: the recipe, then components, then their settings.

    A later option replaces what an earlier one set, and an agent of W&B passes them in arbitrary order. Options that a
    person wrote, with values as separate words, are not sorted; nor are those of one list among each other, where
    ``--parts.kind=`` is a setting of the ``--parts+=`` before it.
    """
    if not all(word.startswith("--") and "=" in word for word in words):
        return list(words)
    keys = [word.partition("=")[0] for word in words]
    lists = [key.removesuffix("+") for key in keys if key.endswith("+")]

    def find_depth(key: str) -> int:
        return next((one for one in lists if key.startswith((f"{one}+", f"{one}."))), key).count(".")

    return [
        words[place]
        for place in sorted(range(len(words)), key=lambda at: (keys[at] != "--config", find_depth(keys[at])))
    ]


def insert_budget(words: Sequence[str], budget: Path | None) -> list[str]:
    """Insert a second recipe that overrides the first, with settings that many trials share.

    Raises:
        UserError: there is no such file, or no recipe to override.
    """
    if budget is None:
        return list(words)
    if not budget.is_file():
        raise UserError(f"no budget {str(budget)!r}: pass one of experiments/configs/budget/")
    joined = next((place for place, word in enumerate(words) if word.partition("=")[0] == "--config"), None)
    if joined is None:
        raise UserError("--budget lies over a recipe: pass --config experiments/configs/recipe/NAME.yaml")
    after = joined + (1 if "=" in words[joined] else 2)
    return [*words[:after], f"--config={budget}", *words[after:]]


def prune_start(words: Sequence[str], ratio: float, criterion: str | None, keep: Sequence[str], run: Path) -> list[str]:
    """Prune the network of ``--start`` by `ratio` of its multiply-adds, and return the options to start from the result.

    Raises:
        UserError: there is no ``--start``.
    """
    finder = SentenceParser(add_help=False, allow_abbrev=False)
    finder.add_argument("--start")
    found, rest = finder.parse_known_args(list(words))
    if found.start is None:
        raise UserError("--prune prunes what the training starts from: pass --start a checkpoint")
    pruned = run / "-".join(["pruned", f"{ratio:g}", *([criterion] if criterion else []), *keep]) / "best.ckpt"
    if not pruned.exists():
        options = [f"--checkpoint={found.start}", f"--ratio={ratio}", f"--output={pruned}"]
        options += [] if criterion is None else [f"--criterion={criterion}"]
        call("prune", *options, *(["--keep", *keep] if keep else []))
    return [*rest, f"--start={pruned}"]


def train_and_sweep(
    *further: str,
    run: Path | None = None,
    budget: Annotated[Path | None, Option(metavar="YAML")] = None,
    suite: str = SUITE,
    order: Order | None = None,
    protocol: Annotated[str | None, Option(listed=list_protocols)] = None,
    name: str | None = None,
    prune: Annotated[float | None, Option(metavar="RATIO")] = None,
    criterion: str | None = None,
    keep: Annotated[Sequence[str], Option(metavar="PART", repeated=True)] = (),
    pictures: int | None = None,
    counters: list[str] | None = None,
    command_line: CommandLine,
) -> None:
    """Train and sweep: 'fit' with all further options, then 'benchmark'.

    A trial whose record is there is done; one that was interrupted goes on. 'ablate' runs many from a sweep file.
    Training and sweep are processes of their own, as if called one after the other: each may start further ones.

    Args:
        *further: options of the training.
        run: folder of checkpoints, settings and record (default: runs/trials/HASH_OF_THE_OPTIONS).
        budget: settings that lie over the recipe.
        suite: of the sweep: a name, or a YAML file.
        order: of corruption and resize in the sweep, see 'benchmark'.
        protocol: of the sweep, see 'benchmark': a YAML file, settings or one of.
        name: name on the leaderboard (default: the run folder's).
        prune: first remove so much of the multiply-adds of what --start names.
        criterion: of --prune: what is least important.
        keep: of --prune: a part that is not pruned.
        pictures: of the largest drops, beside the record.
        counters: counted beside the usual ones, see 'benchmark'.
        command_line: identifies a trial without a folder.

    Raises:
        UserError: the sweep left no record.
    """
    run = run or Path("runs") / "trials" / hashlib.blake2b(json.dumps(command_line).encode(), digest_size=6).hexdigest()
    further_counters = split_names(counters or [])
    find_suite_path(suite)  # all before hours of training
    if protocol is not None:
        find_protocol(protocol)
    for one in further_counters:
        find_counter_path(one)
    words = sort_options(insert_budget(further, budget))
    folder, restart = TrialFolder(run, command_line, None if prune is not None else words), "--restart" in further
    with folder.hold_lock() as lock:
        if not restart and folder.is_done():
            require_same_data([folder.done_trial])
            print(f"done before: {folder.record}", flush=True)
            return
        with folder.claim_for_training(restart):
            if prune is not None:
                words = prune_start(words, prune, criterion, keep, run)
            call("fit", *words, f"--run={run}", lock=lock)
        folder.note_sweep()
        options = [f"--checkpoint={run / 'best.ckpt'}", f"--suite={suite}", f"--output={folder.record}"]
        given = (("order", order), ("protocol", protocol), ("name", name), ("pictures", pictures))
        options += [f"--{key}={value}" for key, value in given if value is not None]
        options += ["--counters", *further_counters] if further_counters else []
        call("benchmark", *options, *find_shared_options(further), lock=lock)
    if not folder.record.exists():
        raise UserError(f"the sweep left no record {str(folder.record)!r}: what it printed says why")


def main(argv: list[str]) -> None:
    """The verb."""
    call_verb("trial", train_and_sweep, EXAMPLES, argv)
