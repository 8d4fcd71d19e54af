"""Files grouped to what is segmented together: pictures and their pages, cases of several channels, volumes, series."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from datamodules.reading import nifti
from datamodules.reading.decoding import open_header
from datamodules.reading.dicom import DicomHeader, read_dicom_header
from datamodules.reading.dicom_series import find_copies, group_series
from datamodules.reading.nifti import Plane
from experiments.predicting.case_source import CaseSource
from experiments.predicting.inputs import format_count
from experiments.predicting.kinds import Kind, find_kind
from experiments.predicting.picture_source import PictureSource, count_file_pages
from experiments.predicting.series_source import SeriesSource
from experiments.predicting.source import Source
from experiments.predicting.volume_source import VolumeSource
from user_error import UserError

CHANNEL = re.compile(r"(.+)_(\d{4})")
"""Names of files of which each is a channel of a case, in nnU-Net's format."""


@dataclass
class Plan:
    """What is segmented, files of which not even the header could be read, with the reason, and what was noticed.

    Args:
        sources: that are segmented.
        failures: files that are not, with the reason.
        copies: DICOM files of an image that was met before.
        incomplete: names of cases that lack channels of the network, whose files are images of their own.
    """

    sources: list[Source] = field(default_factory=list)
    failures: dict[Path, str] = field(default_factory=dict)
    copies: list[Path] = field(default_factory=list)
    incomplete: list[str] = field(default_factory=list)

    @property
    def files(self) -> int:
        """Number of files."""
        return len(self.failures) + sum(len(source.files) for source in self.sources)

    def describe_noticed(self) -> list[str]:
        """A line for copies, and one for incomplete cases."""
        lines = []
        if self.copies:
            lines.append(
                f"left out: {format_count(len(self.copies), 'file')} of an image that was met before in another DICOM file, the "
                f"first is {str(self.copies[0])!r}"
            )
        if self.incomplete:
            lines.append(
                f"{format_count(len(self.incomplete), 'case')} without some of the network's channels, whose files are images of "
                f"their own, the first is {self.incomplete[0]!r}"
            )
        return lines


def plan_sources(files: Mapping[str, Path], output: Path, channels: int, plane: Plane = "axial") -> Plan:
    """Group files; headers of TIFF, DICOM and NIfTI files are read.

    Args:
        files: by their place below the output folder.
        output: folder for the results.
        channels: that the network takes.
        plane: through which volumes are cut.
    """
    plan = Plan()
    kinds = {name: find_kind(file) for name, file in files.items()}
    cases = _find_cases(files, kinds, channels, plan.incomplete) if channels > 1 else {}
    grouped = {name for names in cases.values() for name in names}
    dicoms: dict[str, DicomHeader] = {}
    for name, file in files.items():
        if name in grouped:
            continue
        if kinds[name] == "dicom":
            try:
                dicoms[name] = read_dicom_header(file)
            except (ValueError, OSError) as error:
                plan.failures[file] = f"the DICOM file {str(file)!r} cannot be read ({error})"
        elif kinds[name] == "volume":
            _add_volume(plan, name, [file], output, plane)
        else:
            plan.sources.append(PictureSource(file, output / name, name, count_file_pages(file)))
    for name, names in cases.items():
        paths = [files[one] for one in names]
        if kinds[names[0]] == "volume":
            _add_volume(plan, name, paths, output, plane)
        else:
            plan.sources.append(CaseSource(tuple(paths), output / name, name))
    plan.copies = [header.path for header in find_copies([*dicoms.values()])]
    left_out = set(plan.copies)
    plan.sources += _group_dicoms({name: one for name, one in dicoms.items() if one.path not in left_out}, output)
    return plan


def _group_dicoms(dicoms: Mapping[str, DicomHeader], output: Path) -> list[Source]:
    names = {header.path: name for name, header in dicoms.items()}
    return [
        SeriesSource(
            series,
            {file.path: output / names[file.path] for file in series.files},
            {file.path: names[file.path] for file in series.files},
        )
        for series in group_series(list(dicoms.values()))
    ]


def _add_volume(plan: Plan, name: str, paths: Sequence[Path], output: Path, plane: Plane) -> None:
    headers = []
    for path in paths:
        try:
            headers.append(nifti.read_volume_header(path))
        except Exception as error:  # headers fail in many ways
            plan.failures.update(dict.fromkeys(paths, f"the volume {str(path)!r} cannot be read ({error})"))
            return
    if len({(header.shape, header.axes) for header in headers}) > 1:
        shapes = " and ".join(f"{path} of {header.shape}" for path, header in zip(paths, headers, strict=True))
        plan.failures.update(dict.fromkeys(paths, f"the channels of the case {name!r} differ in their grid ({shapes})"))
        return
    plan.sources.append(VolumeSource(tuple(paths), tuple(headers), output / name, name, plane))


def _find_cases(
    files: Mapping[str, Path], kinds: Mapping[str, Kind], channels: int, incomplete: list[str]
) -> dict[str, list[str]]:
    """The names of the files of each case that has as many channels as the network takes, in their order.

    Args:
        files: by their place.
        kinds: of the files.
        channels: that the network takes.
        incomplete: to which cases are added that have some of the channels, but for those of one file.
    """
    found: dict[tuple[str, Kind], dict[int, str]] = {}
    for name, kind in kinds.items():
        match = CHANNEL.fullmatch(name)
        if match is not None and kind != "dicom":
            found.setdefault((match[1], kind), {})[int(match[2])] = name
    wanted = [*range(channels)]
    incomplete += sorted(
        case
        for (case, kind), members in found.items()
        if 1 < len(members) < channels
        and set(members) < set(wanted)
        and (kind == "volume" or all(_is_grey(files[name]) for name in members.values()))
    )
    return {
        case: [members[number] for number in wanted]
        for (case, kind), members in found.items()
        if case not in files
        and sorted(members) == wanted
        and len({files[name].parent for name in members.values()}) == 1
        and (kind == "volume" or all(_is_grey(files[name]) for name in members.values()))
    }


def _is_grey(file: Path) -> bool:
    """Whether a picture has one channel: those of a film, which have names of the same form, have three."""
    try:
        return len(open_header(file).getbands()) == 1
    except Exception:  # told when it is decoded
        return False


def require_own_names(sources: Sequence[Source], maps: Sequence[str]) -> list[Path]:
    """The files that will be written.

    Raises:
        UserError: two results would have one name.
    """
    owners: dict[Path, Path] = {}
    for source in sources:
        for result in source.name_results(maps):
            if result in owners:
                raise UserError(
                    f"{str(owners[result])!r} and {str(source.files[0])!r} would both be written as {str(result)!r}: predict "
                    "them apart; nothing was written"
                )
            owners[result] = source.files[0]
    return list(owners)
