"""Pictures of one case, one for each channel, named as nnU-Net does."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from experiments.predicting.level_rules import LevelRules
from experiments.predicting.picture_source import read_picture
from experiments.predicting.prediction_table import make_rows
from experiments.predicting.segmenter import Segmenter
from experiments.predicting.source import Look, Row, Source, name_result, write_pictures
from user_error import UserError


@dataclass(frozen=True)
class CaseSource(Source):
    """Pictures of one case.

    Args:
        paths: of the files, in the order of channels.
        place: of the results, without what says their kind.
        name: of the case in the table.
    """

    paths: tuple[Path, ...]
    place: Path
    name: str

    @property
    def files(self) -> Sequence[Path]:
        """One for each channel."""
        return self.paths

    @property
    def images(self) -> int:
        """The one that they make together."""
        return 1

    def name_results(self, maps: Sequence[str]) -> list[Path]:
        """See `Source`."""
        return [name_result(self.place, kind) for kind in ("mask", "overlay", *maps)]

    def write(self, segmenter: Segmenter, rules: LevelRules, look: Look, rows: list[Row]) -> Iterator[int]:
        """See `Source`."""
        channels = [read_picture(path, None, rules, names=("grey",)) for path in self.paths]
        sizes = {channel.shape[:2]: path for channel, path in zip(channels, self.paths, strict=True)}
        if len(sizes) > 1:
            shapes = " and ".join(f"{path} of {size[0]} x {size[1]}" for size, path in sizes.items())
            raise UserError(f"the channels of the case {self.name!r} differ in size ({shapes}): store all in one")
        image = rules.fit(np.concatenate(channels, 2), str(self.paths[0]), self.paths[0])
        found = segmenter.predict(image, str(self.paths[0]))
        write_pictures(self.place, image, found, look)
        rows += make_rows(self.name, look.classes, found.tally, judgement=found.judgement)
        yield 1
