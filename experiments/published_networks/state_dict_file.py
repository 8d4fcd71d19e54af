"""Plain state dicts: of a network of this repository, or of a network of mmsegmentation that Transformers knows."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from jsonargparse import ArgumentParser
from torch import Tensor, nn

from experiments.command_line.parser_errors import describe_parser_error
from experiments.published_networks.mmsegmentation import is_mmsegmentation, read_names, translate
from experiments.published_networks.published import Asked, Published, choose_levels, hash_files, list_some
from lightning_modules.networks.adapters.mmseg_segformer import MmsegSegformerNetwork
from lightning_modules.networks.adapters.transformers import TransformersNetwork
from lightning_modules.networks.base import IMAGENET_MEAN, IMAGENET_STD
from lightning_modules.networks.pretrained import read_weights
from user_error import UserError, find_user_error

CONTAINERS = ("state_dict", "model_state_dict", "model_state", "model", "network", "ema_state_dict")
"""Keys under which training loops keep a state dict beside other things."""

PREFIXES = ("module.", "_orig_mod.", "network.", "model.", "net.")
"""What wrappers write before every name."""


def read_state_dict(file: Path, where: str, asked: Asked) -> Published:
    """The network of a file of weights.

    Args:
        file: a ``.safetensors`` file, or one of PyTorch that holds tensors and plain data.
        where: its name, for messages.
        asked: see `Asked`; its `network` names the YAML of a network of this repository.

    Raises:
        UserError: the file holds no weights, or those of another network.
    """
    content = read_weights(file, "weights")
    state, meta = extract_state(content, where)
    if asked.network is None:
        if not is_mmsegmentation(state):
            raise UserError(
                f"{where} is a plain state dict, which names no network: pass --network with the YAML of its network, such "
                "as experiments/configs/network/unet.yaml"
            )
        return _read_mmsegmentation(state, meta, file, where, asked)
    classes = read_names(meta) if asked.classes is None else None
    number = len(classes) if classes is not None and not asked.in_order else asked.count_classes()
    network, settings = build_network(asked.network, number, asked)
    load_state(network, strip_prefixes(state, network), where)
    return Published(
        network, settings, number, asked.channels, classes, hash_files([file]), {"model": type(network).__name__}
    )


def extract_state(content: Mapping[str, Any], where: str) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """The tensors by name in a file's content, and the plain data beside them.

    Raises:
        UserError: there are no tensors, or other things among them.
    """
    key = next((one for one in CONTAINERS if isinstance(content.get(one), Mapping)), None)
    state = content if key is None else content[key]
    meta: dict[str, Any] = {} if key is None else {name: value for name, value in content.items() if name != key}
    wrong = next((name for name, value in state.items() if not isinstance(value, Tensor)), None)
    if wrong is not None or not state:
        raise UserError(
            f"{where} is no plain state dict ({'it is empty' if wrong is None else f'{wrong!r} is no tensor'}): save "
            "`network.state_dict()` alone, or under the key 'state_dict'"
        )
    return {str(name): value.float() if value.is_floating_point() else value for name, value in state.items()}, meta


def strip_prefixes(state: Mapping[str, Tensor], network: nn.Module) -> dict[str, Tensor]:
    """The state without what wrappers wrote before every name, where the network's own names lack it."""
    own = set(network.state_dict())
    found = dict(state)
    while not own & set(found):
        prefix = next((one for one in PREFIXES if all(name.startswith(one) for name in found)), None)
        if prefix is None:
            break
        found = {name.removeprefix(prefix): value for name, value in found.items()}
    inner = {name.removeprefix("model.") for name in own if name.startswith("model.")}
    if not own & set(found) and inner & set(found):  # of the other library's network itself
        found = {f"model.{name}": value for name, value in found.items()}
    return found


def load_state(network: nn.Module, state: Mapping[str, Tensor], where: str) -> None:
    """Load weights entirely; the normalisation of the input stays that of the network's settings.

    Raises:
        UserError: they do not fit; the message names some of what is missing, unknown or of another shape.
    """
    own = network.state_dict()
    state = _drop_unused(network, state)
    kept: dict[str, Tensor] = {name: own[name] for name in ("mean", "std") if name in own}
    given: dict[str, Tensor] = {**state, **kept}
    missing = [name for name in own if name not in given]
    shapes = [name for name in given if name in own and given[name].shape != own[name].shape]
    try:
        unexpected = list(
            network.load_state_dict({**given, **{name: own[name] for name in shapes}}, strict=False).unexpected_keys
        )
    except Exception as error:  # sparse and quantised tensors fail in other ways
        raise UserError(
            f"the weights of {where} do not fit the network ({error}): pass those of the same network"
        ) from error
    found = {"lack": missing, "have the unknown": unexpected, "have another shape of": shapes}
    problems = [f"{verb} {list_some(sorted(names), 4)}" for verb, names in found.items() if names]
    if problems:
        raise UserError(
            f"the weights of {where} do not fit its network: they {', and '.join(problems)}; pass weights and settings of one "
            "network"
        )
    wrong = next((name for name, one in given.items() if one.is_floating_point() and bool(one.isnan().any())), None)
    if wrong is not None:
        raise UserError(
            f"the weights of {where} are no finite numbers ({wrong!r} the first): take another copy of them"
        )


def _drop_unused(network: nn.Module, state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Without the attention of a U-Net's last block, which smp makes and never calls, and `SmpNetwork` removes."""
    removed = tuple(
        f"{name}." for name, one in network.named_modules() if name.endswith(".attention1") and type(one) is nn.Identity
    )
    return {name: value for name, value in state.items() if not name.startswith(removed)}


def build_network(yaml: str, number: int, asked: Asked) -> tuple[nn.Module, dict[str, Any]]:
    """The network of a YAML, with random weights, and the settings of its class.

    Raises:
        UserError: the YAML is none of a network.
    """
    parser = ArgumentParser(exit_on_error=False)
    parser.add_argument("--network", type=Callable[[int, int], nn.Module], enable_path=True)
    words = [f"--network={yaml}"]
    for key, levels in (("mean", asked.mean), ("std", asked.std)):
        words += [f"--network.{key}={levels}"] if levels else []
    try:
        parsed = parser.parse_args(words)
        network = parser.instantiate_classes(parsed).network(number, asked.channels)
    except Exception as error:  # of the parser, or of a class that the user names
        raise find_user_error(error) or UserError(
            f"--network {yaml!r} makes no network ({describe_parser_error(ValueError(str(error)))}): pass a YAML of "
            "experiments/configs/network"
        ) from error
    return network, dict(parsed.network.as_dict().get("init_args") or {})


def _read_mmsegmentation(
    state: Mapping[str, Tensor], meta: Mapping[str, Any], file: Path, where: str, asked: Asked
) -> Published:
    translated = translate(state, where)
    levels = choose_levels(asked, {"mean": list(IMAGENET_MEAN), "std": list(IMAGENET_STD)}, where)
    settings: dict[str, Any] = {"config": translated.config, "stride": 1, **levels}
    if translated.openmmlab:
        network: TransformersNetwork = MmsegSegformerNetwork(translated.classes, 3, **settings)
    else:
        settings["model"] = "segformer"
        network = TransformersNetwork(translated.classes, 3, **settings)
    load_state(network.model, translated.state, where)
    return Published(
        network,
        settings,
        translated.classes,
        3,
        read_names(meta),
        hash_files([file]),
        {"model": "segformer", "keys": "mmsegmentation"},
        [
            "mean and std are those of ImageNet, mmsegmentation's default; pass --mean and --std where its config has others"
        ]
        if not asked.mean
        else [],
    )
