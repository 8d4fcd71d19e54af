"""What is wrong with a data set is found before training, named and no more; what is right is left in peace."""

import contextlib
import io
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from command_line import read_output, read_refusal
from PIL import Image
from tiny_folder import make_tiny_folder

from experiments.__main__ import main


def check(root: Path, *words: str) -> tuple[int, str, list[dict]]:
    """Exit status, what is printed, and the findings."""
    printed, findings, status = io.StringIO(), root.parent / "findings.json", 0
    with contextlib.redirect_stdout(printed), contextlib.redirect_stderr(io.StringIO()):
        try:
            status = main(
                [
                    "check",
                    str(root),
                    f"--output={root.parent / 'sheet.png'}",
                    f"--json={findings}",
                    "--images=2",
                    *words,
                ]
            )
        except SystemExit as end:
            status = int(str(end.code))
    return status, printed.getvalue(), json.loads(findings.read_text()) if findings.exists() else []


def write(path: Path, array: np.ndarray) -> None:
    Image.fromarray(array).save(path)


def draw_noise(seed: int, *shape: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


def test_of_good_data_nothing_is_said(tmp_path: Path):
    status, text, findings = check(make_tiny_folder(tmp_path / "data", 2))
    assert (status, findings) == (0, [])
    assert "nothing was found that is wrong" in text
    assert "| images | 3 | 3 | 3 |" in text
    assert "| 1 class 1 | 50" in text
    sheet = np.asarray(Image.open(tmp_path / "sheet.png"))
    assert sheet.shape[2] == 3
    assert len(np.unique(sheet.reshape(-1, 3), axis=0)) > 1000  # the noise of the images


def spoil_image(root: Path) -> None:
    path = root / "val/images/1.png"
    path.write_bytes(path.read_bytes()[:100])


def copy_pixels(root: Path) -> None:
    Image.open(root / "train/images/0.png").save(root / "test/images/2.png", compress_level=0)


def ignore_split(root: Path) -> None:
    with (root / "dataset.yaml").open("a") as file:
        file.write("ignore_index: 9\n")
    for path in (root / "val/masks").iterdir():
        write(path, np.full((48, 64), 9, np.uint8))


def lose_class(root: Path) -> None:
    for path in (root / "test/masks").iterdir():
        write(path, np.zeros((48, 64), np.uint8))


def blank(root: Path) -> None:
    for split in ("train", "test"):
        write(root / split / "images/0.png", np.zeros((48, 64, 3), np.uint8))


def turn(root: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 3
    Image.open(root / "train/images/0.png").save(root / "train/images/0.jpg", exif=exif)
    (root / "train/images/0.png").unlink()


def crop(root: Path) -> None:
    for kind, shape in (("images", (40, 64, 3)), ("masks", (40, 64))):
        write(root / "train" / kind / "0.png", draw_noise(7, *shape) // (1 if kind == "images" else 128))


def mirror(root: Path) -> None:
    """Noise of so many pixels a tile that a thumbnail keeps it."""
    picture = draw_noise(5, 6, 8, 3).repeat(8, 0).repeat(8, 1)
    write(root / "train/images/0.png", picture)
    write(root / "val/images/0.png", np.ascontiguousarray(picture[:, ::-1]))


def leave_notes(root: Path) -> None:
    (root / "train/images/notes.txt").write_text("x")
    (root / "train/images/.DS_Store").write_text("x")


def repeat(root: Path) -> None:
    shutil.copy(root / "train/images/0.png", root / "train/images/1.png")


def name_patients(root: Path) -> None:
    rows = [f"{split},{stem},p{stem}" for split in ("train", "val", "test") for stem in range(3)]
    (root / "meta.csv").write_text("\n".join(["split,stem,patient", *rows]))


def deepen(window: str) -> Callable[[Path], None]:
    """Levels of 16 bits, up to 25,500, seen through a window."""

    def spoil(root: Path) -> None:
        for path in root.glob("*/images/*.png"):
            np.save(path.with_suffix(".npy"), np.asarray(Image.open(path)).astype(np.uint16) * 100)
            path.unlink()
        with (root / "dataset.yaml").open("a") as file:
            file.write(f"window: {window}\n")

    return spoil


def list_some(root: Path) -> None:
    """All in two folders, and a table that tells of the first image of each split alone."""
    rows = []
    for split in ("train", "val", "test"):
        for path in sorted(root.glob(f"{split}/*/*.png")):
            (root / path.parent.name).mkdir(exist_ok=True)
            path.rename(root / path.parent.name / f"{split}_{path.name}")
        shutil.rmtree(root / split)
        rows.append(f"{split},{split}_0")
    (root / "meta.csv").write_text("\n".join(["split,stem", *rows]))


SPOILT: dict[str, tuple[Callable[[Path], None], list[tuple[str, str]]]] = {
    "unreadable": (spoil_image, [("wrong", "unreadable")]),
    "the same pixels": (copy_pixels, [("wrong", "leak_picture")]),
    "a split ignored": (ignore_split, [("wrong", "split_ignored")]),
    "a class missing": (lose_class, [("look", "class_missing")]),
    "blank": (blank, [("look", "blank")]),
    "beyond the window": (deepen("[100000, 200000]"), [("wrong", "all_blank")]),
    "most beyond the window": (deepen("[12000, 12200]"), [("look", "clipped")]),
    "in no split": (list_some, [("look", "in_no_split")]),
    "turned": (turn, [("note", "kinds_of_images"), ("look", "orientation_of_images")]),
    "sizes": (crop, [("look", "sizes")]),
    "mirrored": (mirror, [("look", "near_duplicates")]),
    "left out": (leave_notes, [("look", "left_out"), ("note", "litter")]),
    "repeated": (repeat, [("look", "repeated")]),
    "patients": (name_patients, [("look", "unit_in_two_splits")]),
    "no test": (lambda root: shutil.rmtree(root / "test"), [("look", "no_test")]),
    "no validation": (lambda root: shutil.rmtree(root / "val"), [("wrong", "refused")]),
}


@pytest.mark.parametrize("name", SPOILT)
def test_what_is_wrong_is_found_and_nothing_else(tmp_path: Path, name: str):
    spoil, expected = SPOILT[name]
    root = make_tiny_folder(tmp_path / "data", 2)
    spoil(root)
    status, text, findings = check(root)
    assert [(one["level"], one["kind"]) for one in findings] == expected, text
    assert status == (3 if any(level == "wrong" for level, _ in expected) else 0)
    assert all(one["says"] in text for one in findings)


def test_what_is_meant_is_no_error(tmp_path: Path):
    root = make_tiny_folder(tmp_path / "data", 2)
    copy_pixels(root)
    status, _, findings = check(root, "--data.init_args.leaks=say")
    assert (status, [one["level"] for one in findings]) == (0, ["note"])


def test_masks_of_two_conventions_are_not_guessed_at(tmp_path: Path):
    root = make_tiny_folder(tmp_path / "data", 2)
    (root / "dataset.yaml").unlink()
    for path in (root / "val" / "masks").iterdir():
        write(path, np.asarray(Image.open(path)) * 255)
    status, text, _ = check(root)
    assert status == 3
    assert "3 of its masks hold 0 and 255, and others 0 and 1" in text
    assert "classes:" not in text


def test_a_folder_without_description_is_explained(tmp_path: Path):
    root = make_tiny_folder(tmp_path / "data", 3)
    (root / "dataset.yaml").unlink()
    status, text, _ = check(root)
    assert status == 3
    proposed = text[text.index("classes:") :]
    (root / "dataset.yaml").write_text(proposed)
    assert check(root)[0] == 0


def test_data_without_files(tmp_path: Path):
    words = ["--data.init_args.size=[32,32]", *(f"--data.init_args.{split}=3" for split in ("train", "val", "test"))]
    picture = f"--output={tmp_path / 'sheet.png'}"
    assert "| images | 3 | 3 | 3 |" in read_output(
        "check", "--data=experiments/configs/data/synthetic.yaml", *words, picture
    )
    assert (tmp_path / "sheet.png").exists()


def test_refusals(tmp_path: Path):
    assert "there is no folder" in read_refusal("check", tmp_path / "nowhere")
    assert "give 1 or more" in read_refusal("check", make_tiny_folder(tmp_path / "data", 2), "--images=0")


def test_a_description_is_proposed_for_masks_beside_images(tmp_path: Path):
    root = tmp_path / "data"
    root.mkdir()
    for number, split in enumerate(("train", "val", "test")):
        write(root / f"{number}x.png", draw_noise(number, 48, 64, 3))
        write(root / f"{number}x_mask.png", draw_noise(number, 48, 64) // 128 * 255)
        (root / f"{split}.txt").write_text(f"{number}x\n")
    text = check(root)[1]
    (root / "dataset.yaml").write_text(text[text.index("classes:") :])
    assert "255: object" in text
    assert check(root)[:1] == (0,)


def test_one_reason_is_told_once(tmp_path: Path):
    root = make_tiny_folder(tmp_path / "data", 2)
    list_some(root)
    with (root / "meta.csv").open("a") as file:
        file.write("\ntest,train_0")
    _, text, findings = check(root)
    assert [one["kind"] for one in findings] == ["refused"]
    assert text.count("lists 'train_0' in the splits 'train' and 'test'") == 1
    assert "the same of 2 more: 'val', 'test'" in text
