"""Decoding of DICOM frames in a process of its own: decoders in C++ that end, or never end, on damaged frames end there alone.

Found by the fuzz: gdcm ends the process on some damaged JPEG frames, and decodes some JPEG-LS frames without end.
"""

import io
import subprocess
import sys
from pathlib import Path

import numpy as np

SYNTAXES = (
    *("1.2.840.10008.1.2.4.51", "1.2.840.10008.1.2.4.57", "1.2.840.10008.1.2.4.70"),  # JPEG of 12 bits, and lossless
    *("1.2.840.10008.1.2.4.80", "1.2.840.10008.1.2.4.81"),  # JPEG-LS
)
"""Transfer syntaxes that only such decoders read."""

SECONDS = 40
"""For all frames of a file."""

MOST_MEMORY = 8 * 2**30

CODE = f"""
import io, resource, sys
resource.setrlimit(resource.RLIMIT_AS, ({MOST_MEMORY}, {MOST_MEMORY}))
resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
import numpy, pydicom
from pydicom.pixels import pixel_array
found = io.BytesIO()
numpy.save(found, pixel_array(pydicom.dcmread(sys.argv[1], force=False)), allow_pickle=False)
sys.stdout.buffer.write(found.getbuffer())
"""


def decode_isolated(path: Path) -> np.ndarray:
    """The levels of all frames of a file.

    Raises:
        ValueError: they cannot be decoded.
        OSError: no process can be started.
    """
    command = [sys.executable, "-I", "-c", CODE, str(path.absolute())]
    try:
        found = subprocess.run(command, capture_output=True, timeout=SECONDS)
    except subprocess.TimeoutExpired as error:
        raise ValueError(f"the decoder did not end within {SECONDS} seconds") from error
    if found.returncode != 0:
        lines = found.stderr.decode(errors="replace").strip().splitlines()
        raise ValueError(lines[-1] if lines and found.returncode > 0 else "the decoder ended itself")
    return np.load(io.BytesIO(found.stdout), allow_pickle=False)
