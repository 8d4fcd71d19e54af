"""Checkpoints made of others: ordinary files that load, sweep and predict like those of a training."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import yaml
from pytorch_lightning import __version__ as lightning_version
from torch import Tensor

from experiments.checkpoints.checkpoint import MODULE, data_state, read_checkpoint
from experiments.checkpoints.opened_checkpoint import CheckpointFile, require_checkpoint
from experiments.checkpoints.settings import differences, read_settings
from experiments.checkpoints.written_checkpoint import write_checkpoint
from experiments.evaluation.recipe import entry
from experiments.files.whole import require_writable, whole_file
from plain_values import find_problem
from user_error import UserError

LASTING = ("pytorch-lightning_version", "state_dict", "hparams_name", "hyper_parameters")
"""What a checkpoint holds besides the state of a training in progress, which does not belong to other weights."""

DERIVED = "derived_from"
"""The entry of a checkpoint that says how it was made of others: a list of steps, the first one first."""

VERBS = ("ensemble", "soup", "tta", "prune", "calibrate", "svm", "onnx")
"""Verbs that make a checkpoint of others."""

SOURCES = ("from", "members", "of")
"""How facts of earlier versions called the digests of what a checkpoint was made of."""

INSTANTIATOR = "pytorch_lightning.cli.instantiate_module"
NETWORK = "network."


def component(kind: type, settings: Mapping[str, Any]) -> dict[str, Any]:
    """A class and its settings, as a YAML and a checkpoint name them."""
    return {"class_path": f"{kind.__module__}.{kind.__qualname__}", "init_args": dict(settings)}


def network_state(content: Mapping[str, Any]) -> dict[str, Tensor]:
    """Weights and buffers of the network alone."""
    return {
        name.removeprefix(NETWORK): value for name, value in content["state_dict"].items() if name.startswith(NETWORK)
    }


def named(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Weights and buffers of a network as those of the module that holds it."""
    return {f"{NETWORK}{name}": value for name, value in state.items()}


def make_content(
    network: Mapping[str, Any],
    state: Mapping[str, Tensor],
    num_classes: int,
    in_channels: int,
    data: Mapping[str, Any],
) -> dict[str, Any]:
    """A checkpoint as Lightning writes them, of a plain `SegmentationModule`.

    Args:
        network: its class and settings; see `component`.
        state: its weights and buffers.
        num_classes: K.
        in_channels: C.
        data: further entries, the state of the data module by the name of its class.
    """
    return {
        "pytorch-lightning_version": lightning_version,
        "state_dict": named(state),
        "hparams_name": "kwargs",
        "hyper_parameters": {
            "_class_path": MODULE,
            "_instantiator": INSTANTIATOR,
            "network": dict(network),
            "num_classes": num_classes,
            "in_channels": in_channels,
        },
        **data,
    }


def wrapped(content: Mapping[str, Any], kind: type, settings: Mapping[str, Any]) -> dict[str, Any]:
    """The checkpoint of a network within another one, such as `TemperatureScaled`, which holds it as ``network``.

    Args:
        content: of the checkpoint of the inner network.
        kind: class of the outer network.
        settings: of the outer network, beside ``network``.
    """
    hyper = content["hyper_parameters"]
    return make_content(
        component(kind, {"network": hyper["network"], **settings}),
        {f"network.{name}": value for name, value in network_state(content).items()},
        hyper["num_classes"],
        hyper["in_channels"],
        data_state(content),
    )


def lasting(content: Mapping[str, Any]) -> dict[str, Any]:
    """The entries of a checkpoint without those of a training in progress, such as the state of its optimiser."""
    return {key: content[key] for key in LASTING if key in content} | data_state(content)


def require_own_folder(output: Path, sources: Sequence[Path], kind: str) -> None:
    """Refuse an output that would pass for another training, before any work is done.

    Args:
        output: checkpoint to write.
        sources: checkpoints that it is made of.
        kind: entry of the settings that says how such a checkpoint was made.

    Raises:
        UserError: its folder holds another training, or a source is no file.
    """
    for source in sources:
        require_checkpoint(source)
    if output.suffix != ".ckpt":
        raise UserError(f"the output {str(output)!r} must be named *.ckpt")
    taken = read_settings(output)
    ours = taken is None or (kind in (taken.get("model") or {}) and output.is_file())
    if not ours or output.parent.resolve() in {source.parent.resolve() for source in sources}:
        raise UserError(
            f"{str(output.parent)!r} holds another training, whose records would pass for this one's: pass an --output in "
            "a folder of its own"
        )
    require_writable(output)


class Source(NamedTuple):
    """A file that a checkpoint was made of, and how it was itself made of others."""

    sha256: str
    history: list[dict[str, Any]]


def describe_source(sha256: str, content: Mapping[str, Any]) -> Source:
    """A checkpoint that another is made of, by its digest and content."""
    return Source(sha256, find_history(content))


def find_history(content: Mapping[str, Any]) -> list[dict[str, Any]]:
    """How a checkpoint was derived, step by step: empty for one of a training.

    An earlier version kept the last step alone, under the name of its verb. What a stranger's file says in another form is
    passed over.
    """
    stated = content.get(DERIVED)
    if isinstance(stated, list) and all(isinstance(one, dict) for one in stated) and not find_problem(stated):
        return [*stated]
    for verb in VERBS:
        facts = content.get(verb)
        if isinstance(facts, dict) and not find_problem(facts):
            known: Any = next((facts[key] for key in SOURCES if key in facts), [])
            settings = {key: value for key, value in facts.items() if key not in SOURCES}
            return [{"verb": verb, "settings": settings, "sources": [known] if isinstance(known, str) else known}]
    return []


def describe_step(verb: str, facts: Mapping[str, Any], sources: Sequence[Source]) -> list[dict[str, Any]]:
    """The history of a checkpoint that a verb makes now.

    Args:
        verb: its name.
        facts: on what it did.
        sources: what it was made of; the history of one goes on, those of several stand within the step.
    """
    step: dict[str, Any] = {"verb": verb, "settings": dict(facts), "sources": [one.sha256 for one in sources]}
    histories = [one.history for one in sources]
    if len(histories) == 1:
        return [*histories[0], step]
    return [step | ({"histories": histories} if any(histories) else {})]


def write(
    output: Path,
    content: Mapping[str, Any],
    verb: str,
    facts: Mapping[str, Any],
    sources: Sequence[Source],
    settings: Mapping[str, Any],
) -> None:
    """Write a checkpoint, and beside it the settings from which 'benchmark' knows data and recipe.

    Args:
        output: the file.
        content: of it; what belongs to a training in progress is left out.
        verb: that makes it.
        facts: on what that did, for whoever opens the file.
        sources: what it was made of.
        settings: ``config.yaml``.
    """
    write_checkpoint({**lasting(content), DERIVED: describe_step(verb, facts, sources)}, output)
    with whole_file(output.parent / "config.yaml") as file:
        yaml.safe_dump(dict(settings), file, sort_keys=False)


def shared_settings(sources: Sequence[Path]) -> dict[str, Any]:
    """The settings of the trainings that all sources agree on, entry by entry: data above all."""
    found = [read_settings(source) or {} for source in sources]
    return {key: value for key, value in found[0].items() if all(one.get(key) == value for one in found[1:])}


def read_alike(files: Sequence[CheckpointFile]) -> list[dict[str, Any]]:
    """The contents of checkpoints whose networks tell the same classes apart in the same images.

    Raises:
        UserError: one is no checkpoint, or knows other classes, channels or windows than the first.
    """
    contents = [read_checkpoint(file) for file in files]
    paths = [file.path for file in files]
    first = _facts(paths[0], contents[0])
    for path, content in zip(paths[1:], contents[1:], strict=True):
        for what, value in _facts(path, content).items():
            if value != first[what]:
                raise UserError(
                    f"{str(path)!r} has the {what} {value}, but {str(paths[0])!r} has {first[what]}: combine networks of one "
                    "task"
                )
    return contents


def require_one_architecture(paths: Sequence[Path], contents: Sequence[Mapping[str, Any]], why: str) -> None:
    """Refuse networks whose weights do not correspond.

    Raises:
        UserError: their settings or the shapes of their weights differ; it ends with `why` that matters.
    """
    networks = [content["hyper_parameters"]["network"] for content in contents]
    shapes = [{name: value.shape for name, value in network_state(content).items()} for content in contents]
    for path, network, shape in zip(paths[1:], networks[1:], shapes[1:], strict=True):
        found = differences(networks[0], network, "network") or (["weights"] if shape != shapes[0] else [])
        if found:
            raise UserError(f"{str(path)!r} has another {found[0]} than {str(paths[0])!r}: {why}")


def _facts(path: Path, content: Mapping[str, Any]) -> dict[str, Any]:
    settings = content["hyper_parameters"]
    states = list(data_state(content).values())
    data = (read_settings(path) or {}).get("data")
    return {
        "number of classes": settings["num_classes"],
        "number of channels": settings["in_channels"],
        "classes": states[0].get("classes") if states else None,
        "channels": states[0].get("channels") if states else None,
        "window": states[0].get("window") if states else None,
        "input size": entry(data, "init_args", "size"),
        "aspect": states[0].get("aspect", "squash") if states else "squash",
    }
