"""Suites: named, versioned lists of the conditions that a network is swept over."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import torch
from jsonargparse import ArgumentParser
from torch import Tensor

from datamodules.corruptions.base import JSON, SEVERITIES, Corruption, draw_key
from user_error import UserError

CLEAN = "clean"


@dataclass(frozen=True)
class Condition:
    """A corruption at a severity; without a corruption, the images as they are."""

    corruption: Corruption | None = None
    severity: int = 0

    @property
    def name(self) -> str:
        """Name of the corruption, or "clean"."""
        return CLEAN if self.corruption is None else self.corruption.name

    def __str__(self) -> str:
        return CLEAN if self.corruption is None else f"{self.name} at severity {self.severity}"

    def __call__(self, images: Tensor, ids: Sequence[str], seed: int) -> Tensor:
        """`images` (B, C, H, W) under this condition, each drawn from (`seed`, id); clean are `images` themselves."""
        if self.corruption is None:
            return images
        keys = torch.tensor([draw_key(seed, image_id, self.name, self.severity) for image_id in ids], dtype=torch.int64)
        return self.corruption(images, self.severity, keys)


class Suite:
    """An ordered, versioned list of conditions: clean, then each corruption at its severities, ascending.

    Args:
        name: of the suite, as records and leaderboards show it.
        version: counted up whenever the pixels of a condition change.
        corruptions: in the order of the conditions.
        severities: for the corruptions that do not take all five, the ones they take.
        seed: of everything that is drawn.

    Raises:
        UserError: a corruption occurs twice, or `severities` names an unknown corruption or severity.
    """

    def __init__(
        self,
        name: str,
        version: int,
        corruptions: list[Corruption],
        severities: dict[str, list[int]] | None = None,
        seed: int = 0,
    ) -> None:
        self.name = name
        self.version = version
        self.corruptions = tuple(corruptions)
        self.seed = seed
        chosen = _checked_severities(name, [corruption.name for corruption in corruptions], severities or {})
        self.conditions: tuple[Condition, ...] = (
            Condition(),
            *(Condition(corruption, severity) for corruption in corruptions for severity in chosen[corruption.name]),
        )

    @classmethod
    def from_yaml(cls, path: str | Path) -> "Suite":
        """The suite that a YAML describes: this class's arguments, each corruption as a `class_path`.

        Raises:
            UserError: the file is missing or no suite; the sentence names the file and the key.
        """
        if not Path(path).is_file():
            raise UserError(f"there is no suite at {path}: name a YAML such as experiments/configs/suite/core.yaml")
        parser = ArgumentParser(exit_on_error=False)
        parser.add_class_arguments(cls)
        try:
            return cls(**vars(parser.instantiate_classes(parser.parse_path(str(path)))))
        except UserError as error:
            raise UserError(f"{path}: {error}") from error
        except Exception as error:  # the parser lets through whatever YAML, an import or a constructor raises
            raise UserError(f"{path} is no suite: {_one_sentence(str(error))}") from error

    def manifest(self, size: tuple[int, int] | None) -> dict[str, JSON]:
        """All that decides the pixels of a sweep, ready for JSON.

        Args:
            size: (height, width) that images are resized to before they are corrupted; `None` for their own.

        Raises:
            UserError: a library that draws pixels is not installed under its distribution's name.
        """
        libraries = {name for corruption in self.corruptions for name in corruption.libraries}
        return {
            "name": self.name,
            "version": self.version,
            "seed": self.seed,
            "size": "native" if size is None else [int(side) for side in size],
            "order": "resize, corrupt, normalise",
            "conditions": [_described(condition) for condition in self.conditions],
            "libraries": {name: _version(name) for name in sorted(libraries)},
        }


class ConditionStream:
    """The conditions of a suite over one batch: yields (index of the condition, images, masks), each when asked for.

    A batch of nothing but filling meets only the first condition: it keeps its process in step and counts nothing.

    Args:
        suite: whose conditions.
        images: uint8 (B, C, H, W); corrupted on their device.
        masks: int64 (B, H, W), handed through.
        ids: of the images; "" is a filling, which no one counts.
        on_condition: told the number of images that count, once the consumer has come back from a condition.
    """

    def __init__(
        self,
        suite: Suite,
        images: Tensor,
        masks: Tensor,
        ids: Sequence[str],
        on_condition: Callable[[int], None] = lambda images: None,
    ) -> None:
        self.suite = suite
        self.images = images
        self.masks = masks
        self.ids = ids
        self.on_condition = on_condition

    def __len__(self) -> int:
        return len(self.suite.conditions)

    def __iter__(self) -> Iterator[tuple[int, Tensor, Tensor]]:
        counted = sum(image_id != "" for image_id in self.ids)
        for index, condition in enumerate(self.suite.conditions if counted else self.suite.conditions[:1]):
            yield index, condition(self.images, self.ids, self.suite.seed), self.masks
            self.on_condition(counted)


def _described(condition: Condition) -> dict[str, JSON]:
    corruption = condition.corruption
    if corruption is None:
        return {"corruption": CLEAN, "family": None, "severity": 0, "parameters": {}}
    return {
        "corruption": corruption.name,
        "family": corruption.family,
        "severity": condition.severity,
        "parameters": corruption.parameters(condition.severity),
    }


def _checked_severities(suite: str, names: list[str], severities: dict[str, list[int]]) -> dict[str, list[int]]:
    for name in names:
        if names.count(name) > 1:
            raise UserError(f"corruptions of suite {suite!r} has {name} twice: keep one")
    for name, chosen in severities.items():
        if name not in names:
            known = ", ".join(names) or "none"
            raise UserError(f"severities of suite {suite!r} names {name}, which is none of its corruptions ({known})")
        if not chosen or any(severity not in SEVERITIES for severity in chosen):
            raise UserError(f"severities of suite {suite!r} gives {name} {list(chosen)}: list some of 1 to 5")
    return {name: sorted(set(severities.get(name, SEVERITIES))) for name in names}


def _version(distribution: str) -> str:
    """Version without its local part: "2.13.0+cpu" draws the same pixels as "2.13.0"."""
    try:
        return version(distribution).split("+")[0]
    except PackageNotFoundError as error:
        raise UserError(f"{distribution} draws corruptions but is not installed: pip install {distribution}") from error


def _one_sentence(message: str) -> str:
    """The parser's report on one line, without the help text that it appends."""
    lines = [line.strip() for line in message.splitlines()]
    return " ".join(line for line in lines if line)
