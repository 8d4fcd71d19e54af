from pathlib import Path

import numpy as np
import pytest
from medical_files import make_dicom, make_levels, save_dicom

from datamodules.reading import isolated_decoding
from datamodules.reading.isolated_decoding import decode_isolated


def test_levels_come_back(tmp_path: Path) -> None:
    levels = make_levels()
    np.testing.assert_array_equal(decode_isolated(save_dicom(make_dicom(levels), tmp_path / "-a.dcm")), levels)


def test_a_process_that_fails_ends_or_lasts_is_a_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a.dcm").write_bytes(b"no DICOM")
    with pytest.raises(ValueError, match="File is missing DICOM File Meta Information header"):
        decode_isolated(tmp_path / "a.dcm")
    monkeypatch.setattr(isolated_decoding, "CODE", "import os, signal; os.kill(os.getpid(), signal.SIGSEGV)")
    with pytest.raises(ValueError, match="the decoder ended itself"):
        decode_isolated(tmp_path / "a.dcm")
    monkeypatch.setattr(isolated_decoding, "CODE", "while True: pass")
    monkeypatch.setattr(isolated_decoding, "SECONDS", 0.5)
    with pytest.raises(ValueError, match="did not end within"):
        decode_isolated(tmp_path / "a.dcm")
