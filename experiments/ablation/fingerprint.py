"""The fingerprint of a trial: options and digests of files, by which a finished trial is told from one of other settings."""

import hashlib
import json
import os
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import Any

from experiments.ablation.sweep_file import SUITE, as_text
from experiments.evaluation.recipe import FREE
from experiments.files.atomic_write import atomic_write
from experiments.files.digest import compute_sha256
from experiments.sweeping.counters import find_counter_path
from experiments.sweeping.named_protocols import find_protocol, name_protocol
from experiments.sweeping.suites import find_suite_path
from safe_files.json_file import read_json_object
from safe_files.roots import find_weights
from safe_files.text import read_text
from user_error import UserError

WORD = re.compile(r"[^\s\"'\[\]{},:]+")
"""Of a YAML; one that ends like a file's name is the path of another, relative to its folder."""

REMEDY = "the fingerprint of the trial is damaged: remove it with its folder, pass another, or --restart to train anew"

INDECISIVE = ("run", "restart", "suite", "order", "protocol", "counters", "name", "pictures", *FREE)
"""Options on which no weight depends. What belongs to each sweep is stored separately."""

ROOT = "data.init_args.root"


@dataclass(frozen=True)
class TrialFingerprint:
    """What decides a trial.

    Args:
        arguments: the options of the training, as texts.
        files: digests of all files that the options name, directly or through a YAML.
        suites: digests of the suites whose sweeps were begun, with protocol and further counters, by the stem of their records;
            `None` where it is not known.
        older: whether an earlier version wrote it, which stored fewer files.
    """

    arguments: dict[str, Any]
    files: dict[str, str]
    suites: dict[str, str | None]
    older: bool = False

    def write(self, path: Path) -> None:
        """Write the fingerprint as JSON."""
        content = {"arguments": self.arguments, "files": self.files, "suites": self.suites}
        with atomic_write(path) as file:
            json.dump(content, file, indent=2)


def name_sweep(suite: str, protocol: str | None = None) -> str:
    """What the record of a trial is called after: suite and protocol, by the names of their files."""
    return PurePath(suite).stem if protocol is None else f"{PurePath(suite).stem}-{name_protocol(protocol)}"


def make_fingerprint(words: Sequence[str]) -> TrialFingerprint:
    """The fingerprint of a trial, from the words of its command line."""
    options = parse_options(words)
    files: dict[str, str] = {}
    for key, value in options.items():
        if key not in INDECISIVE:
            for one in [value] if isinstance(value, str) else value:
                for text in (one, *WORD.findall(one)):
                    _add_files(Path(text), files)
    return TrialFingerprint(_select_decisive(options), files, _digest_suite(options))


def read_fingerprint(path: Path) -> TrialFingerprint | None:
    """The fingerprint at `path`; `None` where there is none.

    Those of earlier versions hold typed values, and the suite among them.

    Raises:
        UserError: it is damaged.
    """
    if not path.exists():
        return None
    found = read_json_object(path, REMEDY)
    try:
        older = "suites" not in found
        texts = {str(key): as_text(value) for key, value in found["arguments"].items()}
        files = {str(name): str(digest) for name, digest in found["files"].items()}
        if not older:
            return TrialFingerprint(
                _select_decisive(texts), files, {str(stem): digest for stem, digest in found["suites"].items()}
            )
        suite = texts.get("suite", SUITE)
        content = files.pop(os.path.normpath(suite), None)
        suites = {PurePath(suite).stem: None if content is None else _digest([content])}
        return TrialFingerprint(_select_decisive(texts), files, suites, older=True)
    except (KeyError, TypeError, AttributeError) as error:
        raise UserError(f"{path} says no arguments, files and suites: {REMEDY}") from error


def find_differences(before: TrialFingerprint, now: TrialFingerprint) -> list[str]:
    """The options, files and suites in which two fingerprints differ; of the suites, those that both contain."""
    one, other = ({key: as_text(value) for key, value in each.arguments.items()} for each in (before, now))
    found = [key for key in one.keys() | other.keys() if one.get(key) != other.get(key)]
    known = before.files.keys() | (() if before.older else now.files.keys())
    found += [name for name in known if before.files.get(name) != now.files.get(name)]
    suites = [stem for stem, digest in now.suites.items() if before.suites.get(stem) not in (None, digest)]
    return sorted(found) + [f"suite {stem}" for stem in suites]


def parse_options(words: Sequence[str]) -> dict[str, Any]:
    """Options of a command line with their values as text; several of one are a list."""
    found: dict[str, list[str]] = {}
    for word in words:
        if word.startswith("--"):
            key, joined, value = word.removeprefix("--").partition("=")
            found.setdefault(key, []).append(value if joined else "")
        elif found:
            last = list(found.values())[-1]
            last[-1] = f"{last[-1]} {word}".strip()
    return {key: values[0] if len(values) == 1 else values for key, values in found.items()}


def split_names(value: Any) -> list[str]:
    """The names in the value of an option, as a command line or a sweep file gives them: "a b", "[a, b]" or a list."""
    return WORD.findall(" ".join(value) if isinstance(value, list | tuple) else str(value))


def _select_decisive(options: Mapping[str, Any]) -> dict[str, Any]:
    """The options less `INDECISIVE`; data are identified by the name of their folder, not by its path, as for `fit`."""
    found = {key: value for key, value in options.items() if key not in INDECISIVE}
    return found | ({ROOT: PurePath(str(options[ROOT])).name} if ROOT in options else {})


def _digest_suite(options: Mapping[str, Any]) -> dict[str, str | None]:
    """The digest of a sweep, by the name of its record: of the suite's files, counters, order and protocol."""
    name, protocol = str(options.get("suite", SUITE)), options.get("protocol")
    files: dict[str, str] = {}
    for path in (find_suite_path(name), *map(find_counter_path, split_names(options.get("counters", "")))):
        _add_files(path, files)
    order = [str(options["order"])] if "order" in options else []
    settings = [] if protocol is None else [find_protocol(protocol).model_dump_json()]
    return {name_sweep(name, protocol): _digest([*files.values(), *order, *settings])}


def _digest(digests: Iterable[str]) -> str:
    return hashlib.sha256(" ".join(digests).encode()).hexdigest()


def _add_files(path: Path, files: dict[str, str]) -> None:
    """Add the digest of a file and, where it is a YAML, of the files that it names."""
    name = os.path.normpath(path)
    path = find_weights(path)
    if name in files or not path.is_file():
        return
    files[name] = compute_sha256(path)
    if path.suffix in (".yaml", ".yml"):
        for further in WORD.findall(read_text(path, "name a YAML of settings")):
            if further.endswith((".yaml", ".yml")):
                _add_files(path.parent / further, files)
