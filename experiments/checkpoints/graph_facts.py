"""Metadata of an exported network: the images that it expects and the classes that it predicts."""

import importlib
import json
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from datamodules.reading.image_reading import find_reading_problem
from plain_values import find_problem
from user_error import UserError

KEY = "robust_segmentation"
"""Key of the entry in the file's metadata (``metadata_props`` of its ModelProto)."""

INPUT = "float32 in [0, 1], normalised inside"

LONGEST = 2**20
DATA_KEYS = ("classes", "channels", "palette", "size", "window", "reading", "int8")


def describe_facts(described: Mapping[str, Any], channels: int) -> str:
    """The metadata of an exported network as JSON.

    Its input are floats in [0, 1], which it normalises and pads itself: their mean and standard deviation are said to be 0
    and 1, and its stride 1.

    Args:
        described: see `describe_data`; its ``size`` is that of the only images that the file takes, or `None`.
        channels: number of the images' channels.
    """
    facts = {"input": INPUT, "mean": [0.0] * channels, "std": [1.0] * channels, "stride": 1}
    known = {key: described[key] for key in DATA_KEYS if key in described}  # a window of None is stored, too
    return json.dumps({**facts, **known})


def add_facts(graph: bytes, described: Mapping[str, Any], channels: int) -> bytes:
    """Add the metadata of `describe_facts` to an ONNX file.

    Args:
        graph: content of the file.
        described: see `describe_facts`.
        channels: number of the images' channels.

    Raises:
        UserError: the package onnx is missing.
    """
    onnx = require_onnx()
    model = onnx.load_model_from_string(graph)
    onnx.helper.set_model_props(model, {KEY: describe_facts(described, channels)})
    return model.SerializeToString()


def require_onnx() -> Any:
    """The package onnx.

    Raises:
        UserError: it is missing.
    """
    try:
        return importlib.import_module("onnx")
    except ImportError as error:
        raise UserError("an ONNX file is written by the package onnx: run pip install onnx") from error


def read_facts(graph: bytes, channels: int) -> dict[str, Any]:
    """Read and validate the metadata of `add_facts`; the file may be untrusted. Empty where there is no such entry.

    Args:
        graph: content of the file.
        channels: number of channels of the data.

    Raises:
        UserError: the entry is invalid, or ONNX Runtime is missing or cannot open the file.
    """
    text = _read_metadata(graph).get(KEY)
    return {} if text is None else _parse_facts(text, channels, "ONNX")


def read_script_facts(program: Path, channels: int) -> dict[str, Any]:
    """Read and validate the metadata in the archive of a TorchScript file, none of whose code runs; see `read_facts`.

    Args:
        program: the file.
        channels: number of channels of the data.

    Raises:
        UserError: the entry is invalid.
    """
    try:
        with zipfile.ZipFile(program) as archive:
            entry = next((one for one in archive.infolist() if one.filename.endswith(f"/extra/{KEY}")), None)
            if entry is None:
                return {}
            with archive.open(entry) as file:
                text = file.read(LONGEST + 1).decode("utf-8", "replace")
    except (OSError, zipfile.BadZipFile, NotImplementedError, RuntimeError) as error:
        raise UserError(f"{str(program)!r} is no archive of torch.jit.save ({error}): pass such a file") from error
    return _parse_facts(text, channels, "TorchScript")


def _parse_facts(text: str, channels: int, kind: str) -> dict[str, Any]:
    problem = "it is too long" if len(text) > LONGEST else ""
    try:
        facts = None if problem else json.loads(text)
    except (ValueError, RecursionError):
        problem = "it is no JSON"
    else:
        problem = problem or find_problem(facts) or _find_facts_problem(facts, channels)
    if problem:
        raise UserError(f"what the {kind} file says of its images cannot be used ({problem}): export it again")
    return dict(facts or {})


def _find_facts_problem(facts: Any, channels: int) -> str:
    if not isinstance(facts, dict):
        return "it is no mapping"
    for key in ("mean", "std"):
        levels = facts.get(key)
        if not isinstance(levels, list) or not all(type(level) in (int, float) for level in levels):
            return f"its {key} is no list of numbers"
        if len(levels) != channels:
            return f"it is for {len(levels)} channels, and the data have {channels}"
    for key in ("classes", "channels"):
        names = facts.get(key)
        if names is not None and not (isinstance(names, list) and all(isinstance(name, str) for name in names)):
            return f"its {key} are no names"
    stride = facts.get("stride", 1)
    if type(stride) is not int or not 0 < stride < LONGEST:
        return "its stride is no number of pixels"
    size = facts.get("size")
    sides = size if isinstance(size, list) else []
    if size is not None and (len(sides) != 2 or any(type(side) is not int or not 0 < side < LONGEST for side in sides)):
        return "its size is no height and width"
    return find_reading_problem(facts.get("reading"), channels)


def _read_metadata(graph: bytes) -> dict[str, str]:
    try:
        import onnxruntime
    except ImportError as error:
        raise UserError("an ONNX file is read by ONNX Runtime: run pip install onnxruntime") from error
    try:
        session = onnxruntime.InferenceSession(graph, providers=["CPUExecutionProvider"])
        return dict(session.get_modelmeta().custom_metadata_map)
    except Exception as error:  # its exceptions have no common base class
        raise UserError(f"ONNX Runtime cannot open the graph ({error}): export it as one file") from error
