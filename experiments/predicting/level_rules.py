"""By which window the levels of a file become the 8 bits that a network saw in its training."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from datamodules.reading.image_reading import COLOURS, ImageReading, NotAsDescribedError, is_window, name_channels
from user_error import UserError

Window = tuple[float, float]


def make_reading(described: Mapping[str, Any], in_channels: int) -> ImageReading:
    """How images of a checkpoint's data are read; see `describe_data`.

    Args:
        described: older checkpoints have no "reading", and the oldest ones neither window nor channels.
        in_channels: that the network takes.
    """
    known = described.get("reading") or {"window": described.get("window"), "channels": described.get("channels")}
    return ImageReading.from_state({**known, "channels": known.get("channels") or name_channels(in_channels)})


@dataclass
class LevelRules:
    """Chooses windows, and remembers which rule was followed for which files.

    The first that there is of: the window of the command line, that of the checkpoint's data, the file's own, and the range
    of its number of bits. Never the levels that an image happens to have.

    Args:
        reading: of the checkpoint's data.
        window: of the command line.
        percentiles: of the command line, of each volume's own levels.
        repeat_grey: whether one channel is repeated for all that the network takes, whatever their names.
        followed: for each rule, in words, its files and what differs between them.
    """

    reading: ImageReading
    window: Window | None = None
    percentiles: Window | None = None
    repeat_grey: bool = False
    followed: dict[str, dict[str, str]] = field(default_factory=dict)

    @property
    def asks(self) -> bool:
        """Whether the command line or the checkpoint says the window, whatever a file asks for."""
        return any(window is not None and is_window(window) for window in (self.window, self.reading.window))

    def choose(self, file: Path, shown: Window | None, possible: Window | None) -> Window:
        """The levels of a file of more than 8 bits that become black and white.

        Args:
            file: that is read.
            shown: the window that it asks for.
            possible: the range of its number of bits.

        Raises:
            UserError: nothing says them.
        """
        ways = {
            "by --window": self.window,
            "by the window of the checkpoint's data": self.reading.window,
            "by the file's own window": shown,
            "by the range of the file's number of bits": possible,
        }
        for rule, window in ways.items():
            if window is not None and is_window(window):
                self.note(f"levels from black to white {rule}", file, f"[{window[0]:g}, {window[1]:g}]")
                return window
        raise UserError(
            f"the image {file} has levels that are not of 8 bits, and neither it nor the checkpoint says which of them are black "
            "and white: pass --window LOW HIGH"
        )

    def note(self, rule: str, file: Path, detail: str = "") -> None:
        """Remember that a rule was followed for a file, with what differs between files."""
        self.followed.setdefault(rule, {}).setdefault(str(file), detail)

    def reduce(self, levels: np.ndarray, window: Window | None, name: str) -> np.ndarray:
        """Levels (H, W) or (H, W, C) of any type, mapped by a window to uint8 (H, W, C).

        Raises:
            UserError: they are not finite numbers, or not of 8 bits where there is no window.
        """
        number = levels.shape[2] if levels.ndim == 3 else 1
        reading = ImageReading(tuple(f"channel {place}" for place in range(number)), window)
        return self.explain(lambda: reading.convert(lambda: levels, name), name)

    def fit(self, levels: np.ndarray, name: str, file: Path) -> np.ndarray:
        """Levels (H, W, C) uint8 in the channels that the checkpoint takes.

        Raises:
            UserError: they are of other channels.
        """
        if self.is_repeated(levels.shape[2], file):
            levels = np.repeat(levels, len(self.reading.channels), 2)
        reading = replace(self.reading, window=None)
        return self.explain(lambda: reading.convert(lambda: levels, name), name)

    def is_repeated(self, channels: int, file: Path) -> bool:
        """Whether a grey image is repeated by --repeat-grey; that the checkpoint's reading repeats it is noted as well."""
        if channels != 1 or len(self.reading.channels) == 1:
            return False
        colours = tuple(name.lower() for name in self.reading.channels) == COLOURS
        if colours or self.repeat_grey:
            rule = "by the checkpoint's reading" if colours else "by --repeat-grey"
            self.note(f"grey repeated for {', '.join(self.reading.channels)} {rule}", file)
        return self.repeat_grey and not colours

    def explain(self, read: Callable[[], np.ndarray], name: str) -> np.ndarray:
        """What a reading returns; where an image does not fit, the message says what the checkpoint takes.

        Raises:
            UserError: it cannot be read, or does not fit.
        """
        try:
            return read()
        except UserError as error:
            if not isinstance(error.__cause__, NotAsDescribedError):
                raise
            problem, _, remedy = str(error.__cause__).partition(": ")
            if "dataset.yaml" not in remedy:
                problem = f"{problem}: {remedy}"
            raise UserError(f"the image {name} {problem} ({self._describe_reading()})") from error

    def _describe_reading(self) -> str:
        repeated = "" if len(self.reading.channels) == 1 else "; --repeat-grey repeats one channel for all"
        return f"the checkpoint reads {self.reading.describe()} as in its training; bring images to that{repeated}"

    def describe(self) -> list[str]:
        """A line for each rule that was followed."""
        lines = []
        for rule, files in self.followed.items():
            first, detail = next(iter(files.items()))
            number = f"{len(files)} file{'' if len(files) == 1 else 's'}"
            lines.append(f"{rule}: {number}, the first is {first!r}{f' with {detail}' if detail else ''}")
        return lines
