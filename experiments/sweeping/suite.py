"""Suites: named, versioned lists of the conditions that a network is swept over."""

from collections.abc import Collection, Mapping, Sequence
from copy import copy
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Literal

from jsonargparse import ArgumentParser

import safe_files.parser_loader  # noqa: F401  (first: see there)
from datamodules.corruptions.base import JSON, SEVERITIES, Corruption
from datamodules.corruptions.conditions import Clean, Condition, Corrupted, Shifted
from datamodules.corruptions.further_targets import describe_missing
from datamodules.corruptions.modality import MissingChannels
from experiments.command_line.parser_errors import describe_parser_error
from experiments.evaluation.order import ORDERS, Order
from experiments.sweeping.conditions import SweptCondition, SweptNetworkCondition, SweptPixelCondition
from experiments.sweeping.protocol import AppliedProtocol
from lightning_modules.conditions.base import NetworkCondition
from user_error import UserError

STATED: Literal["stated"] = "stated"


class Suite:
    """An ordered, versioned list of conditions.

    Clean, real shifts, each corruption at its severities, missing channels, and what depends on the network. Real shifts
    and missing channels depend on the data: `adapt_to_data` adds them.

    Args:
        name: of the suite, as records and leaderboards show it.
        version: counted up whenever the pixels of a condition change.
        corruptions: in the order of the conditions.
        severities: for the corruptions that do not take all five, the ones they take.
        shifts: values of columns of ``meta.csv``; each selects images, which are scored clean. "stated" stands for every
            value of the columns that the data say are shifts (`SegmentationDataModule.shift_columns`).
        parameters: of the corruptions that have other strengths here than they declare: five values of each parameter.
        missing: which channels may be missing.
        network_conditions: attacks, adaptation and the like.
        seed: of everything that is drawn.
        order: whether images are corrupted at the size of their files and then resized, as by a camera, or resized first.

    Raises:
        UserError: a condition occurs twice, `severities` names an unknown corruption or severity, or `parameters` an unknown
            corruption or parameter.
    """

    def __init__(
        self,
        name: str,
        version: int,
        corruptions: list[Corruption] | None = None,
        severities: dict[str, list[int]] | None = None,
        shifts: dict[str, list[str]] | Literal["stated"] | None = None,
        parameters: dict[str, dict[str, list[Any]]] | None = None,
        missing: MissingChannels | None = None,
        network_conditions: list[NetworkCondition] | None = None,
        seed: int = 0,
        order: Order = "corrupt_then_resize",
    ) -> None:
        self.name = name
        self.version = version
        self.corruptions = _set_strengths(name, corruptions or (), parameters or {})
        self.severities = _check_severities(name, [one.name for one in self.corruptions], severities or {})
        self.shifts: dict[str, list[str]] | Literal["stated"] = shifts or {}
        self.missing = missing
        self.network_conditions = tuple(network_conditions or ())
        self.seed = seed
        self.order: Order = order
        self.protocol = AppliedProtocol()
        """How its images are predicted and scored; a sweep sets it."""
        self.conditions = self._assemble_conditions([], [])

    @property
    def stateless_places(self) -> list[int]:
        """Places of the conditions without a state, which are applied batch by batch."""
        return [place for place, one in enumerate(self.conditions) if not one.has_state]

    @property
    def stateful_places(self) -> list[int]:
        """Places of the conditions with a state: each takes a pass over all batches of its own."""
        return [place for place, one in enumerate(self.conditions) if one.has_state]

    @property
    def needs_gradients(self) -> bool:
        """Whether a condition needs gradients, or changes a network, which PyTorch's inference mode forbids."""
        return any(one.needs_gradients or one.has_state for one in self.conditions)

    @property
    def counters(self) -> list[str]:
        """Names of the counters that it takes beside the usual ones: where conditions change regions, these are scored."""
        return ["regions"] if any(one.has_region for one in self.corruptions) else []

    @property
    def needs(self) -> list[str]:
        """Names of the further targets of the data by which its corruptions corrupt, such as "depth"."""
        return list(dict.fromkeys(name for one in self.corruptions for name in one.needs))

    @property
    def corrupted_conditions(self) -> list[Corrupted]:
        """Each corruption at each of its severities."""
        return [Corrupted(one, severity) for one in self.corruptions for severity in self.severities[one.name]]

    def corrupts_files(self, resizes: bool) -> bool:
        """Whether images are corrupted at the size of their files, where the data may resize them afterwards."""
        return resizes and self.order == "corrupt_then_resize"

    def require_targets(self, given: Collection[str]) -> None:
        """Refuse data without a target that a corruption needs.

        Args:
            given: names of the targets that the data have.

        Raises:
            UserError: there is one; the sentence names it.
        """
        if missing := [name for name in self.needs if name not in given]:
            raise UserError(describe_missing(f"the suite {self.name!r}", missing[0]))

    def adapt_to_data(
        self, channels: Sequence[str], meta: Mapping[str, Mapping[str, str]], shift_columns: Sequence[str] = ()
    ) -> "Suite":
        """This suite with the conditions that it has on some data.

        Args:
            channels: names of the images' channels.
            meta: what is known of each image, by id and column.
            shift_columns: columns each of whose values is a shift, as the data state.

        Raises:
            UserError: the data have no such column, value or channel.
        """
        suite = copy(self)
        shifts = _list_values(shift_columns, meta) if self.shifts == STATED else self.shifts
        shifted = [_select_shift(column, value, meta) for column, values in shifts.items() for value in values]
        missing = [] if self.missing is None else self.missing.make_conditions(channels)
        suite.conditions = self._assemble_conditions(shifted, missing)
        return suite

    def _assemble_conditions(
        self, shifted: Sequence[Condition], missing: Sequence[Condition]
    ) -> tuple[SweptCondition, ...]:
        corrupted = [SweptPixelCondition(one) for one in (Clean(), *shifted, *self.corrupted_conditions, *missing)]
        with_network = [
            SweptNetworkCondition(one, SweptPixelCondition(under))
            for one in self.network_conditions
            for under in (Clean(), *(self.corrupted_conditions if one.every_condition else []))
        ]
        names = [(one.name, one.severity) for one in (*corrupted, *with_network)]
        if twice := [name for name in names if names.count(name) > 1]:
            raise UserError(f"suite {self.name!r} has {twice[0][0]} at severity {twice[0][1]} twice: keep one")
        return (*corrupted, *with_network)

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
            raise UserError(f"{path} is no suite: {describe_parser_error(error).removeprefix('--')}") from error

    def make_manifest(self, size: tuple[int, int] | None, resizes: bool = True) -> dict[str, JSON]:
        """All that decides the pixels of a sweep, ready for JSON.

        Where no image is resized both orders give the same pixels, and one manifest: that of the earlier order, which
        records had before there was another.

        Args:
            size: (height, width) that images are resized to; `None` for their own.
            resizes: whether an image may have another size before.

        Raises:
            UserError: a library that draws pixels is not installed under its distribution's name.
        """
        before = self.corrupts_files(resizes and size is not None)
        libraries = {name for corruption in self.corruptions for name in corruption.libraries}
        return {
            "name": self.name,
            "version": self.version,
            "seed": self.seed,
            "size": "native" if size is None else [int(side) for side in size],
            "order": ORDERS["corrupt_then_resize" if before else "resize_then_corrupt"],
            "conditions": [condition.manifest_entry for condition in self.conditions],
            "libraries": {name: _find_version(name) for name in sorted(libraries)},
            **({"protocol": self.protocol.entry} if self.protocol.entry else {}),  # records of before have none
        }


def _list_values(columns: Sequence[str], meta: Mapping[str, Mapping[str, str]]) -> dict[str, list[str]]:
    return {column: sorted({row[column] for row in meta.values() if row.get(column)}) for column in columns}


def _select_shift(column: str, value: str, meta: Mapping[str, Mapping[str, str]]) -> Shifted:
    known = sorted({row[column] for row in meta.values() if column in row})
    if not known:
        columns = ", ".join(sorted({name for row in meta.values() for name in row})) or "none"
        raise UserError(
            f"the data know no {column!r} of their images (columns of meta.csv: {columns}): add it, or take another suite"
        )
    members = frozenset(image_id for image_id, row in meta.items() if row.get(column) == str(value))
    if not members:
        raise UserError(f"no image of the split has {column} {value!r}: list some of {', '.join(known)}")
    return Shifted(column, str(value), members)


def _set_strengths(
    suite: str, corruptions: Sequence[Corruption], parameters: Mapping[str, Mapping[str, Any]]
) -> tuple[Corruption, ...]:
    names = [one.name for one in corruptions]
    if unknown := [name for name in parameters if name not in names]:
        known = ", ".join(names) or "none"
        raise UserError(f"parameters of suite {suite!r} names {unknown[0]}, which is none of its corruptions ({known})")
    return tuple(one.with_parameters(parameters[one.name]) if one.name in parameters else one for one in corruptions)


def _check_severities(suite: str, names: list[str], severities: dict[str, list[int]]) -> dict[str, list[int]]:
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


def _find_version(distribution: str) -> str:
    """Version without its local part: "2.13.0+cpu" draws the same pixels as "2.13.0"."""
    try:
        return version(distribution).split("+")[0]
    except PackageNotFoundError as error:
        raise UserError(f"{distribution} draws corruptions but is not installed: pip install {distribution}") from error
