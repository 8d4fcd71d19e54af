"""Checkpoints derived from others: ordinary files that load, sweep and predict like those of a training."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import yaml
from pytorch_lightning import __version__ as lightning_version
from torch import Tensor

from experiments.checkpoints.checkpoint import MODULE, extract_data_state, read_checkpoint
from experiments.checkpoints.opened_checkpoint import CheckpointFile, require_checkpoint
from experiments.checkpoints.settings import find_differences, read_settings
from experiments.checkpoints.written_checkpoint import write_checkpoint
from experiments.evaluation.recipe import find_entry
from experiments.files.atomic_write import atomic_write, require_writable
from experiments.files.digest import compute_sha256
from plain_values import find_problem
from user_error import UserError

PERSISTENT = ("pytorch-lightning_version", "state_dict", "hparams_name", "hyper_parameters")
"""Entries of a checkpoint that are not the state of a training in progress, which is meaningless for derived weights."""

DERIVED = "derived_from"
"""Entry of a checkpoint with its derivation from others: a list of steps, the earliest first."""

VERBS = ("ensemble", "soup", "tta", "slide", "prune", "calibrate", "svm", "onnx", "convert")
"""Verbs that derive a checkpoint from others."""

SOURCES = ("from", "members", "of")
"""Keys of earlier versions for the digests of the sources of a checkpoint."""

INSTANTIATOR = "pytorch_lightning.cli.instantiate_module"
NETWORK = "network."


def make_component(kind: type, settings: Mapping[str, Any]) -> dict[str, Any]:
    """A class and its settings in the form of YAMLs and checkpoints."""
    return {"class_path": f"{kind.__module__}.{kind.__qualname__}", "init_args": dict(settings)}


def extract_network_state(content: Mapping[str, Any]) -> dict[str, Tensor]:
    """Parameters and buffers of the network in a checkpoint, without the prefix of the module."""
    return {
        name.removeprefix(NETWORK): value for name, value in content["state_dict"].items() if name.startswith(NETWORK)
    }


def add_network_prefix(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Parameters and buffers of a network with the prefix of the module that holds it."""
    return {f"{NETWORK}{name}": value for name, value in state.items()}


def make_content(
    network: Mapping[str, Any],
    state: Mapping[str, Tensor],
    num_classes: int,
    in_channels: int,
    data: Mapping[str, Any],
) -> dict[str, Any]:
    """The content of a checkpoint of a plain `SegmentationModule`, in Lightning's form.

    Args:
        network: its class and settings; see `make_component`.
        state: its weights and buffers.
        num_classes: K.
        in_channels: C.
        data: further entries, the state of the data module by the name of its class.
    """
    return {
        "pytorch-lightning_version": lightning_version,
        "state_dict": add_network_prefix(state),
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


def wrap_content(content: Mapping[str, Any], kind: type, settings: Mapping[str, Any]) -> dict[str, Any]:
    """The checkpoint of a network wrapped by another, such as `TemperatureScaled`, which holds it as ``network``.

    Args:
        content: checkpoint of the inner network.
        kind: class of the outer network.
        settings: of the outer network, beside ``network``.
    """
    hyper = content["hyper_parameters"]
    return make_content(
        make_component(kind, {"network": hyper["network"], **settings}),
        {f"network.{name}": value for name, value in extract_network_state(content).items()},
        hyper["num_classes"],
        hyper["in_channels"],
        extract_data_state(content),
    )


def drop_training_state(content: Mapping[str, Any]) -> dict[str, Any]:
    """The entries of a checkpoint without those of a training in progress, such as the state of its optimiser."""
    return {key: content[key] for key in PERSISTENT if key in content} | extract_data_state(content)


def require_own_folder(output: Path, sources: Sequence[Path], kind: str) -> None:
    """Refuse an output in the folder of another training, before any work is done.

    Args:
        output: checkpoint to write.
        sources: checkpoints that it is derived from.
        kind: entry of the settings that marks checkpoints of this kind.

    Raises:
        UserError: its folder holds another training, or a source is no file.
    """
    for source in sources:
        require_checkpoint(source)
    if output.suffix != ".ckpt":
        raise UserError(f"the output {str(output)!r} must be named *.ckpt")
    taken = read_settings(output)
    replaceable = taken is None or (kind in (taken.get("model") or {}) and output.is_file())
    if not replaceable or output.parent.resolve() in {source.parent.resolve() for source in sources}:
        raise UserError(
            f"{str(output.parent)!r} holds another training, whose records would pass for this one's: pass an --output in "
            "a folder of its own"
        )
    require_writable(output)


class Source(NamedTuple):
    """A file that a checkpoint is derived from, and that file's own derivation."""

    sha256: str
    history: list[dict[str, Any]]


def describe_source(sha256: str, content: Mapping[str, Any]) -> Source:
    """The `Source` of a checkpoint, by its digest and content."""
    return Source(sha256, find_history(content))


def find_history(content: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The derivation of a checkpoint, step by step; empty for one of a training.

    An earlier version stored the last step alone, under the name of its verb. Entries of another form, in untrusted files,
    are ignored.
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
    """The derivation of a checkpoint that a verb writes.

    Args:
        verb: name of the verb.
        facts: settings of the step.
        sources: what it is derived from; the history of a single source is continued, those of several are stored in the step.
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
    """Write a checkpoint, and beside it the settings from which 'benchmark' reads data and recipe.

    Args:
        output: the file.
        content: of the checkpoint; the state of a training in progress is left out.
        verb: the verb that writes it.
        facts: settings of the step, stored in the file.
        sources: what it is derived from.
        settings: content of ``config.yaml``.
    """
    before = compute_sha256(output) if output.is_file() else None
    write_checkpoint({**drop_training_state(content), DERIVED: describe_step(verb, facts, sources)}, output)
    records = sorted(path.name for path in output.parent.glob("*.json"))
    if records and before is not None and compute_sha256(output) != before:
        print(
            f"note: {str(output)!r} now holds another network than before, and what was swept with that still lies beside it "
            f"({', '.join(records[:4])}): sweep anew, or move it",
            flush=True,
        )
    with atomic_write(output.parent / "config.yaml") as file:
        yaml.safe_dump(dict(settings), file, sort_keys=False)


def write_wrapped(output: Path, file: CheckpointFile, kind: type, verb: str, settings: Mapping[str, Any]) -> None:
    """Write the checkpoint of a network wrapped by another that learns nothing, such as `SlidingWindow`.

    Args:
        output: the file.
        file: the checkpoint of the inner network.
        kind: class of the outer network.
        verb: the verb that writes it.
        settings: of the outer network, beside ``network``.
    """
    inner, run = read_checkpoint(file), read_settings(file.path) or {}
    content, source = wrap_content(inner, kind, settings), describe_source(file.sha256, inner)
    write(
        output, content, verb, settings, [source], {**run, "model": {**(run.get("model") or {}), verb: dict(settings)}}
    )


def find_shared_settings(sources: Sequence[Path]) -> dict[str, Any]:
    """The entries of the settings that are equal in all sources, such as the data."""
    found = [read_settings(source) or {} for source in sources]
    return {key: value for key, value in found[0].items() if all(one.get(key) == value for one in found[1:])}


def read_alike(files: Sequence[CheckpointFile]) -> list[dict[str, Any]]:
    """Read checkpoints whose networks predict the same classes from the same kind of images.

    Raises:
        UserError: one is no checkpoint, or has other classes, channels or windows than the first.
    """
    contents = [read_checkpoint(file) for file in files]
    paths = [file.path for file in files]
    first = _read_task(paths[0], contents[0])
    for path, content in zip(paths[1:], contents[1:], strict=True):
        for what, value in _read_task(path, content).items():
            if value != first[what]:
                raise UserError(
                    f"{str(path)!r} has the {what} {value}, but {str(paths[0])!r} has {first[what]}: combine networks of one "
                    "task"
                )
    return contents


def require_one_architecture(paths: Sequence[Path], contents: Sequence[Mapping[str, Any]], why: str) -> None:
    """Refuse networks of different architectures.

    Raises:
        UserError: their settings or the shapes of their weights differ; the message ends with `why`.
    """
    networks = [content["hyper_parameters"]["network"] for content in contents]
    shapes = [{name: value.shape for name, value in extract_network_state(content).items()} for content in contents]
    for path, network, shape in zip(paths[1:], networks[1:], shapes[1:], strict=True):
        found = find_differences(networks[0], network, "network") or (["weights"] if shape != shapes[0] else [])
        if found:
            raise UserError(f"{str(path)!r} has another {found[0]} than {str(paths[0])!r}: {why}")


def _read_task(path: Path, content: Mapping[str, Any]) -> dict[str, Any]:
    settings = content["hyper_parameters"]
    states = list(extract_data_state(content).values())
    data = (read_settings(path) or {}).get("data")
    return {
        "number of classes": settings["num_classes"],
        "number of channels": settings["in_channels"],
        "classes": states[0].get("classes") if states else None,
        "channels": states[0].get("channels") if states else None,
        "window": states[0].get("window") if states else None,
        "input size": find_entry(data, "init_args", "size"),
        "aspect": states[0].get("aspect", "squash") if states else "squash",
    }
