from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from experiments.predicting.marked_results import KEY, require_free, write_result
from user_error import UserError

OTHERS = "is not what predict wrote: choose another --output"


def picture(mode: str = "P") -> Image.Image:
    return Image.fromarray(np.arange(6, dtype=np.uint8).reshape(2, 3)).convert(mode)


@pytest.mark.parametrize("mode", ["P", "L", "RGB"])
def test_only_what_was_written_is_replaced_and_only_when_asked_to(tmp_path: Path, mode: str) -> None:
    paths = [tmp_path / "a_mask.png", tmp_path / "new.png"]
    write_result(picture(mode), paths[0])
    require_free(paths, overwrite=True)
    with pytest.raises(UserError, match=r"a_mask\.png' is there, from an earlier predict: pass --overwrite"):
        require_free(paths, overwrite=False)


def test_what_others_wrote_is_never_replaced(tmp_path: Path) -> None:
    """A ground truth, a mask that was corrected in a program that keeps the mark, a link, a folder, no picture."""
    picture().save(tmp_path / "truth.png")
    write_result(picture(), tmp_path / "ours.png")
    mark = PngInfo()
    mark.add_text(KEY, Image.open(tmp_path / "ours.png").info[KEY])
    corrected = picture()
    corrected.putpixel((0, 0), 5)
    corrected.save(tmp_path / "corrected.png", pnginfo=mark)
    (tmp_path / "link.png").symlink_to("ours.png")
    (tmp_path / "nowhere.png").symlink_to("gone")
    (tmp_path / "folder.png").mkdir()
    (tmp_path / "text.png").write_text("")
    for name in ("truth", "corrected", "link", "nowhere", "folder", "text"):
        for overwrite in (False, True):
            with pytest.raises(UserError, match=f"{name}.png.*{OTHERS}"):
                require_free([tmp_path / "ours.png", tmp_path / f"{name}.png"], overwrite)
