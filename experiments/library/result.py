"""The record of a sweep in a loop, with the counts of its images."""

from pathlib import Path

from pydantic import PrivateAttr

from experiments.evaluation.images import Images
from experiments.evaluation.record import Record
from experiments.files.atomic_write import require_writable
from experiments.record_files.record_file import write_record
from user_error import UserError


class SweptRecord(Record):
    """A record with the counts of its images, which are written beside it."""

    _images: Images = PrivateAttr()

    @classmethod
    def join(cls, record: Record, images: Images) -> "SweptRecord":
        """The record with the counts of its images."""
        joined = cls.model_construct(**{name: getattr(record, name) for name in type(record).model_fields})
        joined._images = images
        return joined

    @property
    def images(self) -> Images:
        """The counts of the images, in the order of the loader."""
        return self._images

    def write(self, path: str | Path) -> Path:
        """Write ``NAME.json`` and ``NAME.npz``, which 'leaderboard', 'compare' and all other verbs read.

        Raises:
            UserError: the path is not named ``*.json``, or cannot be written.
        """
        path = Path(path)
        if path.suffix != ".json":
            raise UserError(f"the record {str(path)!r} must be named *.json: its counts lie beside it as *.npz")
        require_writable(path)
        write_record(self, path, self.images)
        return path
