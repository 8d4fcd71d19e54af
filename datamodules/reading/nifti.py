"""Volumes of NIfTI files, slice by slice: bounded by what the file can hold, and decompressed once for many slices.

Headers are parsed by nibabel; the levels are read here, so that a header's claims are checked before memory is allocated.
Formats: NIfTI-1 (Cox et al., 2004) and NIfTI-2, in one file, ``.nii`` or ``.nii.gz``.
"""

import gzip
import math
import os
import threading
import zlib
from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from functools import lru_cache
from io import BufferedIOBase
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np

from safe_files.array_file import LARGEST

SUFFIXES = (".nii", ".nii.gz")
Plane = Literal["axial", "coronal", "sagittal"]
PLANES: tuple[Plane, ...] = get_args(Plane)
"""Planes of the body through which a volume is cut; the axis that stands on each is the third, second and first of RAS."""

HEADER_BYTES = 540
"""Bytes of a header: all of NIfTI-2, and more than the 348 of NIfTI-1."""

MOST_COMPRESSED = 1100
"""More than the largest ratio of sizes that DEFLATE reaches, which is 1032."""

NOT_FINITE = "holds levels that are not finite numbers: fill them in beforehand"

CACHED_BYTES = 2**30
"""Decompressed volumes that a process keeps; the last one is kept whatever its size."""


@dataclass(frozen=True)
class VolumeHeader:
    """What a volume says before its levels are read.

    Args:
        shape: of the stored array.
        dtype: of the stored levels.
        offset: byte in the decompressed file at which they begin.
        slope: by which stored levels are multiplied.
        intercept: which is then added.
        axes: for each axis of RAS (to the right, to the front, to the head) the stored axis that is nearest to it, and
            whether that runs backwards.
        spacing: mm between voxels along each stored axis.
        shown: the levels that viewers are asked to show as black and white (cal_min, cal_max); `None` where none are.
    """

    shape: tuple[int, int, int]
    dtype: np.dtype
    offset: int
    slope: float
    intercept: float
    axes: tuple[tuple[int, bool], ...]
    spacing: tuple[float, float, float] = (1.0, 1.0, 1.0)
    shown: tuple[float, float] | None = None

    @property
    def nbytes(self) -> int:
        """Size of the levels."""
        return math.prod(self.shape) * self.dtype.itemsize

    @property
    def upright_shape(self) -> tuple[int, int, int]:
        """The shape with the axes of RAS."""
        first, second, third = (self.shape[axis] for axis, _ in self.axes)
        return first, second, third

    def count_slices(self, plane: Plane) -> int:
        """Number of slices in a plane."""
        return self.upright_shape[2 - PLANES.index(plane)]

    def measure_pixel(self, plane: Plane) -> float:
        """Area in mm2 of a pixel of a slice."""
        through = self.axes[2 - PLANES.index(plane)][0]
        return math.prod(side for axis, side in enumerate(self.spacing) if axis != through)


def read_volume_header(path: Path) -> VolumeHeader:
    """Read the header of a NIfTI file.

    Raises:
        ValueError: it is none, no volume of three axes, or says what the file cannot hold.
        OSError: it cannot be read.
    """
    with _open(path) as file:
        block = file.read(HEADER_BYTES)
    header = _parse(block)
    if not bytes(header["magic"].item()).startswith(b"n+"):
        raise ValueError("its levels lie in another file (.img): store both in one .nii file")
    shape = [int(side) for side in header.get_data_shape()]
    while len(shape) > 3 and shape[-1] == 1:
        shape.pop()
    shape += [1] * (3 - len(shape))
    if len(shape) > 3 or min(shape) < 1:
        raise ValueError(
            f"its shape is {' x '.join(map(str, shape))}, where a volume has three axes: store each time point or channel as a "
            "file of its own"
        )
    dtype = header.get_data_dtype()
    if dtype.kind not in "iuf":
        raise ValueError(f"its levels are of the type {dtype}, neither integers nor floats: convert them")
    slope, intercept = header.get_slope_inter()
    found = VolumeHeader(
        shape=(shape[0], shape[1], shape[2]),
        dtype=dtype,
        offset=int(header["vox_offset"]),
        slope=1.0 if slope is None else float(slope),
        intercept=0.0 if intercept is None else float(intercept),
        axes=_find_axes(header),
        spacing=_find_spacing(header),
        shown=_find_shown(header),
    )
    _require_room(path, found)
    return found


def cut_slice(path: Path, plane: Plane, place: int, header: VolumeHeader | None = None) -> np.ndarray:
    """One slice of a volume as radiologists look at it: the patient's right side on the left, or the front in a sagittal one.

    Args:
        path: of the NIfTI file.
        plane: through which it is cut.
        place: from below, from behind, or from the left.
        header: of the file, where it is known.

    Returns:
        levels (H, W), scaled as the header says; of the stored type where it says nothing.

    Raises:
        ValueError: see `read_volume_header`, or the file is damaged.
        OSError: it cannot be read.
    """
    header = header or read_volume_header(path)
    upright = _view_upright(_read_stored(path, header), header)
    cut: list[int | slice] = [slice(None)] * 3
    cut[2 - PLANES.index(plane)] = place
    levels = upright[tuple(cut)][::-1, ::-1].T
    if header.slope == 1 and header.intercept == 0:
        return np.array(levels, dtype=header.dtype.newbyteorder("="))
    return levels.astype(np.float64) * header.slope + header.intercept


def make_volume(header: VolumeHeader, dtype: type[np.generic]) -> np.ndarray:
    """An array of zeros on the grid of a volume, for `put_slice`."""
    return np.zeros(header.shape, dtype, order="F")


def put_slice(volume: np.ndarray, header: VolumeHeader, plane: Plane, place: int, levels: np.ndarray) -> None:
    """Put a slice (H, W), as `cut_slice` shows it, back where it was cut from in a stored array."""
    cut: list[int | slice] = [slice(None)] * 3
    cut[2 - PLANES.index(plane)] = place
    _view_upright(volume, header)[tuple(cut)][::-1, ::-1].T[...] = levels


def parse_header(path: Path) -> Any:
    """The header of a NIfTI file as nibabel has it; see `read_volume_header`, which checks what it says."""
    with _open(path) as file:
        return _parse(file.read(HEADER_BYTES))


def compute_percentiles(path: Path, percentiles: tuple[float, float]) -> tuple[float, float]:
    """Two percentiles of all levels of a volume, scaled as the header says.

    Raises:
        ValueError: a level is no finite number; see `cut_slice`.
        OSError: it cannot be read.
    """
    return _measure(*_identify(path), percentiles)


@lru_cache(maxsize=10_000)
def _measure(path: Path, size: int, time: int, percentiles: tuple[float, float]) -> tuple[float, float]:
    """`compute_percentiles` of a file of this size and time."""
    header = read_volume_header(path)
    stored = _read_stored(path, header)
    if stored.dtype.kind == "f" and not np.isfinite(stored).all():
        raise ValueError(NOT_FINITE)
    scaled = np.percentile(stored, percentiles) * header.slope + header.intercept
    return float(scaled.min()), float(scaled.max())


def _parse(block: bytes) -> Any:
    """The header in the first bytes of a file."""
    from nibabel.nifti1 import Nifti1Header  # here, since few commands meet a volume
    from nibabel.nifti2 import Nifti2Header

    for size, kind in ((348, Nifti1Header), (540, Nifti2Header)):
        if len(block) >= size and block[:4] in (size.to_bytes(4, "little"), size.to_bytes(4, "big")):
            header = kind(block[:size], check=False)  # the checks would print, and mend what is not understood
            if not 1 <= int(header["dim"][0]) <= 7:
                raise ValueError(f"it says that it has {int(header['dim'][0])} axes: store it anew")
            return header
    raise ValueError("it is no NIfTI file")


def _find_axes(header: Any) -> tuple[tuple[int, bool], ...]:
    from nibabel.orientations import io_orientation

    affine = header.get_best_affine()
    found = io_orientation(affine) if np.isfinite(affine).all() else np.full((3, 2), np.nan)
    if not np.isfinite(found).all():
        raise ValueError("it does not say how it lies in space: correct its affine transform")
    stored = {int(axis): (place, bool(direction < 0)) for place, (axis, direction) in enumerate(found)}
    return tuple(stored[axis] for axis in range(3))


MILLIMETRES = {1: 1000.0, 2: 1.0, 3: 0.001}
"""Of a unit of length by its code; files that name none mean millimetres, as most programs write them."""


def _find_spacing(header: Any) -> tuple[float, float, float]:
    unit = MILLIMETRES.get(int(header["xyzt_units"]) % 8, 1.0)
    first, second, third = np.linalg.norm(header.get_best_affine()[:3, :3], axis=0) * unit
    return float(first), float(second), float(third)


def _find_shown(header: Any) -> tuple[float, float] | None:
    low, high = float(header["cal_min"]), float(header["cal_max"])
    return (low, high) if math.isfinite(low) and math.isfinite(high) and low < high else None


def _require_room(path: Path, header: VolumeHeader) -> None:
    """Refuse a header that says more than the file can hold, or than is read.

    Raises:
        ValueError: it does.
    """
    needed, size = header.offset + header.nbytes, os.path.getsize(path)
    if header.offset < 0 or header.nbytes > LARGEST:
        raise ValueError(f"it says that it holds {header.nbytes} bytes from byte {header.offset} on: cut it into parts")
    if needed > (size * MOST_COMPRESSED if _is_compressed(path) else size):
        raise ValueError(f"it says that it holds {needed} bytes, for which its {size} do not suffice: get it anew")


def _is_compressed(path: Path) -> bool:
    return path.suffix.lower() == ".gz"


def _open(path: Path) -> BufferedIOBase:
    return gzip.open(path, "rb") if _is_compressed(path) else path.open("rb")


def _identify(path: Path) -> tuple[Path, int, int]:
    """A file and its content, as far as its size and time say."""
    state = os.stat(path)
    return path, state.st_size, state.st_mtime_ns


def _view_upright(stored: np.ndarray, header: VolumeHeader) -> np.ndarray:
    """A view of a stored array with the axes of RAS."""
    turned = stored.transpose([axis for axis, _ in header.axes])
    return turned[tuple(slice(None, None, -1 if backwards else 1) for _, backwards in header.axes)]


def _read_stored(path: Path, header: VolumeHeader) -> np.ndarray:
    """The stored levels: those of a compressed file from the memory, of another one page by page from the file."""
    if _is_compressed(path):
        return _VOLUMES.get(_identify(path), lambda: _decompress(path, header))
    return np.memmap(path, header.dtype, "r", header.offset, header.shape, order="F")


def _decompress(path: Path, header: VolumeHeader) -> np.ndarray:
    levels = np.empty(header.nbytes, np.uint8)
    try:
        with gzip.open(path, "rb") as file:
            file.seek(header.offset)
            filled, view = 0, levels.data
            while filled < len(view) and (read := file.readinto(view[filled:])):
                filled += read
    except (EOFError, zlib.error) as error:
        raise ValueError(f"it is damaged ({error}): get it anew") from error
    if filled < len(levels):
        raise ValueError(f"it ends after {filled} of the {len(levels)} bytes that it says: get it anew")
    return levels.view(header.dtype).reshape(header.shape, order="F")


class _KeptVolumes:
    """The volumes that were decompressed last, up to a total size; a thread waits for another one's."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self._kept: OrderedDict[Hashable, np.ndarray] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, key: Hashable, decompress: Callable[[], np.ndarray]) -> np.ndarray:
        with self._lock:
            if key not in self._kept:
                while self._kept and sum(one.nbytes for one in self._kept.values()) > self.limit:
                    self._kept.popitem(last=False)
                self._kept[key] = decompress()
            self._kept.move_to_end(key)
            return self._kept[key]

    def forget(self) -> None:
        """Begin anew: a forked process may have inherited a lock that nobody releases."""
        self.__init__(self.limit)  # type: ignore[misc]


_VOLUMES = _KeptVolumes(CACHED_BYTES)
os.register_at_fork(after_in_child=_VOLUMES.forget)
