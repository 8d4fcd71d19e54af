"""Errors of libraries that a user's settings cause, as messages: the setting, the value that was given, the remedy.

Checks of the project (in constructors, in `experiments.training.checks`) come earlier and say more; this table is for errors
that a library raises first. An error that fits no entry is not taken for a user's mistake: it keeps its traceback.
"""

import errno
import inspect
import re
import sys
import traceback
from collections.abc import Iterator
from typing import Any, NamedTuple

from user_error import shorten_report


class Refusal(NamedTuple):
    """One entry of the table.

    Attributes:
        kinds: names of the exception's class or of a base of it.
        pattern: searched in its text; named groups fill the sentence.
        sentence: the message for the user.
    """

    kinds: tuple[str, ...]
    pattern: str
    sentence: str


BATCH = (
    "lower the batch size (--data.init_args.batch_size, --data.init_args.eval_batch_size) or the size of the images "
    "(--data.init_args.size)"
)
SHARED = (
    "there is too little shared memory (/dev/shm) for the loader processes: pass --data.init_args.num_workers 0, or give the "
    "container more (docker run --shm-size 8g)"
)
TABLE = (
    # memory
    Refusal(
        ("OutOfMemoryError",),
        r"Tried to allocate (?P<size>[\d.]+ \w+)",
        f"the GPU's memory is full ({{size}} more were asked for): {BATCH}",
    ),
    Refusal(("OutOfMemoryError",), "", f"the GPU's memory is full: {BATCH}"),
    Refusal(
        ("RuntimeError",), "CUDA error: out of memory|CUBLAS_STATUS_ALLOC_FAILED", f"the GPU's memory is full: {BATCH}"
    ),
    Refusal(
        ("RuntimeError",),
        r"DefaultCPUAllocator: (?:can't allocate|not enough) memory: you tried to allocate (?P<size>\d+ bytes)",
        f"the memory is full ({{size}} more were asked for): {BATCH}",
    ),
    Refusal(
        ("MemoryError",),
        r"Unable to allocate (?P<size>[\d.]+ \w+)",
        f"the memory is full ({{size}} more were asked for): {BATCH}",
    ),
    Refusal(("MemoryError",), "", f"the memory is full: {BATCH}"),
    Refusal(("RuntimeError",), r"killed by signal: Bus error|out of shared memory", SHARED),
    Refusal(
        ("RuntimeError", "OSError"),
        r"/torch_\d.*(?:No space left on device|Cannot allocate memory)|shared memory.*/torch_\d",
        SHARED,
    ),
    Refusal(
        ("RuntimeError",),
        r"DataLoader worker \(pid.*\) (?:is killed by signal: Killed|exited unexpectedly)",
        "a loader process was killed, as happens where memory is full: pass a smaller --data.init_args.num_workers (0 loads in "
        "the main process), or a smaller --data.init_args.batch_size",
    ),
    Refusal(
        ("RuntimeError", "OSError"),
        "received 0 items of ancdata|Too many open files",
        "too many files are open: raise the limit (ulimit -n 4096) or pass a smaller --data.init_args.num_workers",
    ),
    # processes
    Refusal(
        ("RuntimeError",),
        "parameters that were not used in producing (?:the )?loss|Expected to have finished reduction in the prior iteration",
        "--trainer.strategy: some parameters of the network take no part in the loss, which several processes do not expect: "
        "pass --trainer.strategy ddp_find_unused_parameters_true",
    ),
    Refusal(
        ("ValueError",),
        "SyncBatchNorm (?:expected input tensor to be on|layers only work with) ",
        "--trainer.sync_batchnorm: normalisation is synchronised on GPUs alone: pass --trainer.sync_batchnorm false",
    ),
    Refusal(
        ("AttributeError", "PicklingError", "TypeError"),
        "[Cc]an't pickle|cannot pickle",
        "--trainer.strategy: a strategy that spawns or forks processes hands the training over as a copy, which this one does "
        "not allow: pass --trainer.strategy ddp",
    ),
    # callbacks and what they look for
    Refusal(
        ("RuntimeError",),
        r"Early stopping conditioned on metric `(?P<value>[^`]*)` which is not available.*following: (?P<known>.+)",
        "--trainer.callbacks.monitor: EarlyStopping looks for {value!r}, which is not logged: pass one of {known}",
    ),
    Refusal(
        ("MisconfigurationException",),
        r"`ModelCheckpoint\(monitor=(?P<value>'[^']*')\)` could not find the monitored key .*: \[(?P<known>[^\]]*)\]",
        "--trainer.callbacks.monitor: ModelCheckpoint looks for {value}, which is not logged: pass one of {known}",
    ),
    Refusal(
        ("MisconfigurationException",),
        "Cannot use `(?P<name>LearningRateMonitor|DeviceStatsMonitor)` callback with `Trainer",
        "--trainer.callbacks: {name} writes into a logger, and --trainer.logger is false: leave one of the two out",
    ),
    # optimisation
    Refusal(
        ("RuntimeError",),
        "SparseAdam does not support dense gradients",
        "--model.init_args.optimizer: SparseAdam takes sparse gradients alone, of which this network has none: pass "
        "experiments/configs/optimizer/adam.yaml",
    ),
    Refusal(
        ("AssertionError",),
        "If capturable=True, params and state_steps must be on supported devices",
        "--model.init_args.optimizer.init_args.capturable: the steps of this optimiser cannot be captured on a CPU: pass false",
    ),
    Refusal(
        ("RuntimeError",),
        "does not allow for gradient clipping",
        "--trainer.gradient_clip_val: a fused optimiser takes gradients as they are at this precision: pass null, or "
        "--model.init_args.optimizer.init_args.fused false",
    ),
    Refusal(
        ("RuntimeError",),
        r"(?P<value>\S+) does not have a deterministic implementation",
        "--trainer.deterministic: {value} has no deterministic implementation on this device: pass --trainer.deterministic warn",
    ),
    Refusal(
        ("ValueError",),
        r"(?P<value>-?\d+) is not in bounds, numpy accepts from (?P<low>\d+) to (?P<high>\d+)",
        "--seed_everything: {value} is no seed: pass a number from {low} to {high}",
    ),
    # packages
    Refusal(
        ("ImportError",),
        "torch_xla",
        "--trainer.accelerator, --trainer.strategy or --trainer.profiler names what runs on a TPU alone, and torch_xla is not "
        "installed: pass --trainer.accelerator auto and --trainer.strategy auto",
    ),
    Refusal(
        ("ImportError",),
        "transformer_engine",
        "--trainer.precision: transformer_engine is not installed: pass --trainer.precision bf16-mixed",
    ),
    Refusal(
        ("ImportError",),
        r"`(?P<name>DeviceStatsMonitor)` cannot log",
        "--trainer.callbacks: {name} needs the package psutil: install it, or pass --trainer.callbacks.cpu_stats false",
    ),
    Refusal(
        ("MisconfigurationException",),
        "you must have DeepSpeed installed",
        "--trainer.strategy: DeepSpeed is not installed: pass --trainer.strategy ddp",
    ),
    Refusal(
        ("ValueError",),
        "The strategy `(?P<value>[^`]+)` requires a GPU",
        "--trainer.strategy: {value!r} runs on GPUs alone: pass --trainer.strategy ddp, or auto",
    ),
    Refusal(
        ("RepresenterError",),
        r"cannot represent an object', (?P<value>[^)]+)\)",
        "--trainer.callbacks: a setting ({value}) is one that no recipe can hold: leave the callback out (of Timer, "
        "--trainer.max_time does the same)",
    ),
)
LIBRARIES = ("pytorch_lightning", "lightning_fabric")
COMPONENTS = {
    "Callback": "--trainer.callbacks",
    "Logger": "--trainer.logger",
    "Profiler": "--trainer.profiler",
    "Strategy": "--trainer.strategy",
    "SegmentationDataModule": "--data",
    "SegmentationModule": "--model",
}
"""Base classes of components, and the settings that name them."""
SUBTYPES = re.compile(r"Subtypes: \[([^\n]*)\]")
CLASS = re.compile(r"(?:class_path=|given class_path )'([\w.]+)'")


def find_refusal(error: BaseException) -> str | None:
    """The message for an error that a library raised because of a user's setting; `None` for any other error."""
    chain = list(_iterate_causes(error))
    for one in reversed(chain):  # the root cause first, which says most
        if found := _look_up(one):
            return found
    return _describe_component(chain) or _describe_trainer(chain[-1]) or _describe_shared_memory(chain[-1])


def _iterate_causes(error: BaseException | None) -> Iterator[BaseException]:
    seen: list[BaseException] = []
    while error is not None and error not in seen:
        yield error
        seen.append(error)
        error = error.__cause__ or error.__context__


def _look_up(error: BaseException) -> str | None:
    names = {kind.__name__ for kind in type(error).__mro__}
    for entry in TABLE:
        found = names & set(entry.kinds) and re.search(entry.pattern, shorten_report(error), re.DOTALL)
        if found:
            groups = {name: " ".join(text.replace("`", "'").split()) for name, text in found.groupdict().items()}
            return entry.sentence.format(**groups)
    return None


def _summarise(error: BaseException) -> str:
    """The text of an error, shortened for use within a sentence."""
    lines = [line.strip() for line in shorten_report(error).splitlines() if line.strip()]
    lines = [line for line in lines if not line.startswith("Problem with given class_path")]
    return " ".join(lines[:3])[:300].rstrip(" .!") or type(error).__name__


def _list_frames(error: BaseException) -> list[traceback.FrameSummary]:
    return list(traceback.extract_tb(error.__traceback__))


def _describe_component(chain: list[BaseException]) -> str | None:
    """The message for a component whose constructor refused its settings, as the parser that built it reports."""
    reports = [
        shorten_report(one) for one in chain if "Does not validate against any of the Union subtypes" in str(one)
    ]
    refused = isinstance(chain[-1], ValueError | ImportError) or "NoneType" in str(chain[-1])  # other errors are bugs
    if not reports or not (refused or type(chain[-1]).__name__ == "MisconfigurationException"):
        return None
    bases = re.findall(r"(\w+)(?='?>|\])", SUBTYPES.search(reports[-1])[1] + "]")  # type: ignore[index]
    setting = next((COMPONENTS[base] for base in bases if base in COMPONENTS), None)
    name = CLASS.search(reports[-1])
    if setting is None or name is None:
        return None
    nulls, text = _find_forbidden_nulls(name[1], reports[-1]), _summarise(chain[-1])
    if isinstance(chain[-1], ImportError):
        return f"{setting}: {name[1]} needs a package that is not installed ({text}): install it, or leave it out"
    if nulls:
        return f"{setting}.init_args.{nulls[0]}: null does not fit: give it a value, or leave it out"
    return f"{setting}: {name[1]} refuses its settings ({text}): correct them"


def _find_forbidden_nulls(name: str, report: str) -> list[str]:
    """Settings of a class that a report shows as null and that do not accept null."""
    module, _, kind = name.rpartition(".")
    found = getattr(sys.modules.get(module), kind, None)
    if found is None:
        return []
    values = report.partition("Given value:")[2]
    parameters = [one for base in reversed(found.__mro__[:-1]) for one in inspect.signature(base).parameters.values()]
    return [
        one.name
        for one in parameters
        if one.default is not None
        and one.annotation not in (inspect.Parameter.empty, Any)
        and not re.search("None|Optional", str(one.annotation))
        and re.search(rf"\b{one.name}=None\b", values)
    ]


def _describe_trainer(error: BaseException) -> str | None:
    """The message for a setting of the trainer that Lightning refused, found by the name in the error's text."""
    frames = _list_frames(error)
    misconfigured = type(error).__name__ == "MisconfigurationException"
    by_library = bool(frames) and any(f"/{name}/" in frames[-1].filename for name in LIBRARIES)
    if not misconfigured and not (by_library and isinstance(error, ValueError | TypeError | ImportError)):
        return None
    name = _find_named_setting(shorten_report(error))
    building = any(frame.name in ("instantiate_trainer", "make_trainer") for frame in frames)
    if name is None and not (misconfigured or building):
        return None
    setting = f"--trainer.{name}" if name else "--trainer"
    return f"{setting}: {_summarise(error)}: correct the value, or leave the setting out"


def _find_named_setting(text: str) -> str | None:
    """The first argument of the trainer that a text names."""
    lightning = sys.modules.get("pytorch_lightning")
    if lightning is None:
        return None
    known = set(inspect.signature(lightning.Trainer.__init__).parameters) - {"self"}
    if "Timer(duration" in text:
        return "max_time"
    if "Accelerator` can not run" in text or "backend found" in text:
        return "accelerator"
    if re.search(r"strategy name|Strategy\.", text):
        return "strategy"
    for name in re.findall(r"[A-Za-z_]+", text):
        if name in known and (f"`{name}" in text or "_" in name or f"{name}=" in text):
            return str(name)
    return None


def _describe_shared_memory(error: BaseException) -> str | None:
    """The message for a full /dev/shm, where loader processes keep locks and queues; the system does not name the place."""
    if not isinstance(error, OSError) or error.errno not in (errno.ENOSPC, errno.ENOMEM) or error.filename:
        return None
    return SHARED if any("multiprocessing" in frame.filename for frame in _list_frames(error)) else None
