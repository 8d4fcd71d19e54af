"""Which format a source is in, and the network that its reader makes of it."""

import re
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal, get_args

from experiments.published_networks.folder import CONFIG, read_config
from experiments.published_networks.graph_files import read_onnx, read_torchscript
from experiments.published_networks.hub import fetch_repository
from experiments.published_networks.published import Asked, Published
from experiments.published_networks.smp_folder import read_smp
from experiments.published_networks.state_dict_file import read_state_dict
from experiments.published_networks.torchvision_weights import find_name, read_torchvision
from experiments.published_networks.transformers_folder import read_transformers
from safe_files.roots import find_weights
from user_error import UserError

Format = Literal["transformers", "smp", "torchvision", "state_dict", "torchscript", "onnx"]
FORMATS: tuple[Format, ...] = get_args(Format)
FOLDERS = ("transformers", "smp")
REPOSITORY = re.compile(r"[\w.-]+/[\w.-]+|[\w.-]+")
OF_TORCHVISION = re.compile(r"\w+_Weights\.\w+")
ENDINGS = (".pth", ".pt", ".ckpt", ".bin", ".safetensors", ".onnx", ".torchscript", ".ts", ".jit")


def read_source(source: str, kind: Format | None, asked: Asked) -> tuple[Format, Published]:
    """The network of a source, and its format.

    Args:
        source: a folder, a file, a repository of the hub, or the name of torchvision's weights.
        kind: its format; guessed if null.
        asked: see `Asked`.

    Raises:
        UserError: there is no such source, or see the reader of its format.
    """
    found = _read_by_format(source, kind, asked)
    if asked.network is not None and found[0] != "state_dict":
        raise UserError(
            f"--network is for a plain state dict, and {source!r} is of the format {found[0]}: leave it out"
        )
    return found


def _read_by_format(source: str, kind: Format | None, asked: Asked) -> tuple[Format, Published]:
    where = repr(source)
    path = find_weights(source)
    name = find_name(source) if kind in (None, "torchvision") else None
    if name is not None:
        local = path if path.is_file() else None
        given = asked if local is None or asked.weights is not None else replace(asked, weights=local)
        return "torchvision", read_torchvision(name, where, given)
    if kind == "torchvision" or (kind is None and OF_TORCHVISION.fullmatch(source)):
        return "torchvision", read_torchvision(source, where, asked)
    if path.exists() and asked.revision is not None:
        raise UserError("--revision is of a repository of the hub, and --source is a local path: leave it out")
    if asked.weights is not None:
        raise UserError("--weights is a local file for the weights of torchvision that --source names: leave it out")
    if path.is_dir():
        found = _guess_folder(path, where) if kind is None else kind
        return found, _read_folder(path, where, found, asked, {})
    if path.is_file():
        found = _guess_file(path) if kind is None else kind
        return found, _read_file(path, where, found, asked)
    return _read_repository(source, where, kind, asked)


def _guess_folder(folder: Path, where: str) -> Format:
    config = read_config(folder)
    if "_model_class" in config:
        return "smp"
    if "model_type" in config:
        return "transformers"
    raise UserError(
        f"{where} holds a {CONFIG} with neither `model_type` (Transformers) nor `_model_class` (smp): say by --from what it is"
    )


def _read_folder(folder: Path, where: str, kind: Format, asked: Asked, facts: dict[str, Any]) -> Published:
    if kind not in FOLDERS:
        raise UserError(f"{where} is a folder, and --from {kind} is of a file: pass the file")
    found = read_smp(folder, where, asked) if kind == "smp" else read_transformers(folder, where, asked)
    return replace(found, facts={**found.facts, **facts})


def _guess_file(path: Path) -> Format:
    if path.suffix == ".onnx":
        return "onnx"
    return "torchscript" if path.suffix != ".safetensors" and is_torchscript(path) else "state_dict"


def is_torchscript(path: Path) -> bool:
    """Whether a file is an archive of TorchScript, which holds code beside its tensors."""
    try:
        with zipfile.ZipFile(path) as archive:
            return any(
                name.count("/") >= 1 and name.split("/")[1] in ("code", "constants.pkl") for name in archive.namelist()
            )
    except (zipfile.BadZipFile, OSError):
        return False


def _read_file(path: Path, where: str, kind: Format, asked: Asked) -> Published:
    if kind in FOLDERS:
        raise UserError(
            f"{where} is a file, and a network of {kind} is a folder: pass the folder that holds its {CONFIG}"
        )
    if kind == "onnx":
        return read_onnx(path, asked)
    if kind == "torchscript":
        return read_torchscript(path, asked)
    return read_state_dict(path, where, asked)


def _read_repository(source: str, where: str, kind: Format | None, asked: Asked) -> tuple[Format, Published]:
    is_path = source.endswith(ENDINGS) or source.startswith((".", "/", "~")) or not REPOSITORY.fullmatch(source)
    if is_path or (kind is not None and kind not in FOLDERS):
        raise UserError(
            f"there is no file or folder {where}, nor is it a repository's name or that of torchvision's weights: correct "
            "--source"
        )
    snapshot = fetch_repository(source, asked.revision)
    found = _guess_folder(snapshot.folder, where) if kind is None else kind
    return found, _read_folder(snapshot.folder, where, found, asked, {"commit": snapshot.commit})
