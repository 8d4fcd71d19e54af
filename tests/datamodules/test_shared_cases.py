"""Every folder of ``../shared/cases`` is read right, or refused in the sentence that names the remedy."""

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest

from datamodules.base import Split
from datamodules.datasets.folder import FolderDataModule
from user_error import UserError

CASES = Path(__file__).parents[3] / "shared" / "cases"
SPLITS: tuple[Split, ...] = ("train", "val", "test")

READ = (
    *("exif180", "exif90_square", "exif90_oblong", "upright_jpeg", "mask_0_255_described", "mask_palette"),
    *("mask_rgb_colours", "mask_rgb_grey", "mask_1bit", "mask_1bit_described_255", "mask_grey_alpha", "mask_16bit"),
    *("mask_npy_hw1", "mask_npy_float", "mask_ignore_0", "mask_ignore_255_twice", "mask_one_test_ignored"),
    *("class_missing_in_test", "mask_palette_per_image", "image_grey_among_rgb", "image_rgba", "image_cmyk"),
    *("image_16bit_grey_window", "image_float01_npy", "image_bool_npy", "image_webp_both", "image_wrong_suffix"),
    *("image_1x1", "image_3x2", "image_mixed_sizes", "names_spaces_unicode", "names_upper_suffix", "names_nfd_nfc"),
    *("names_latin1_bytes", "junk_files", "junk_synology", "symlinked_subfolder", "symlinked_only", "nested_folders"),
    *("list_crlf_bom_csv", "list_txt_bom_crlf", "list_csv_latin1", "list_csv_utf16", "list_csv_semicolon"),
    *("list_csv_blank_end", "list_csv_spaces", "list_csv_extension", "list_csv_upper_split", "list_csv_backslash"),
    *("yaml_bom", "yaml_string_ids"),
)
"""Read as they are; the bright disc of each picture is its class 1."""

FORTY = ("exif180", "exif90_square", "upright_jpeg", "mask_palette_per_image")
"""Of forty images a split."""

REFUSED = {
    "mask_0_255": r"holds the value 255.*`classes: \{0: \.\.\., 255: \.\.\.\}`",
    "mask_jpeg": "`lossy_masks: nearest`",
    "mask_ignore_minus1": "holds the value 255",  # NumPy has wrapped -1 before it was written
    "mask_other_size": "bring them to the same size",
    "one_class": "names one class",
    "classes_300": "300 classes cannot be told apart",
    "image_palette_transparent": "alpha channel that is not opaque",
    "image_16bit_grey": r"window: \[low, high\]",
    "image_16bit_rgb": "16-bit colour",
    "image_float_nan": "not finite numbers",
    "image_float_tiff_nodata": "nothing was measured",
    "image_npy_chw": "transpose it",
    "image_multipage_tiff": "3 pages where one is expected",
    "image_truncated": r"train001\.jpg cannot be read",
    "image_is_lfs_pointer": "git lfs pull",
    "image_huge_header": "pixels; cut it into tiles",
    "names_mask_suffix": "`mask_suffix: _mask`",
    "names_isic": "`mask_suffix: _segmentation`",
    "names_double_ext": r"`mask_suffix: \.jpg`",
    "format_coco": "annotations of COCO, which are polygons: draw them as masks",
    "format_labelme": "as LabelMe writes polygons",
    "format_nnunet": r"raw format: pass --data experiments/configs/data/nnunet\.yaml",
    "format_voc": "Pascal VOC.*`image_folder: JPEGImages`",
    "names_busi_one_folder": "`image_folder: images`, `mask_folder: images`, `mask_suffix: _mask`",
    "same_stem_two_types": "have the same name",
    "no_val": "neither val/images nor images",
    "test_without_masks": r"test.masks does not exist",
    "list_yaml_octal": "is named '0000'.*between quotes",
    "splits_beside_folders": "says in two ways what the split 'train' is",
    "lists_beside_folders": "says in two ways what the split 'test' is",
    "yaml_tabs": "by spaces, not by tabs",
    "yaml_yes_no": '"yes", "no"',
    "yaml_duplicate_ids": "the key '1' stands twice",
    "yaml_duplicate_names": "names two classes 'background'",
}


@pytest.fixture(scope="module")
def cases() -> ModuleType:
    """The script that makes the folders."""
    if not CASES.is_dir():
        pytest.skip("../shared/cases is not here: it lies beside the checkout of the project's developers alone")
    sys.path.insert(0, str(CASES))
    try:
        spec = importlib.util.spec_from_file_location("make_folders", CASES / "make_folders.py")
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        return module
    finally:
        sys.path.remove(str(CASES))


def read_all(root: Path) -> dict[Split, list[float]]:
    """The share of each image's pixels whose brightness agrees with their mask."""
    data, found = FolderDataModule(str(root)), {}
    for split in SPLITS:
        dataset, ratios = data.make_dataset(split), []
        dataset.prepare()
        for number in range(len(dataset)):
            sample = dataset[number]
            image, counted = sample["image"].max(2), sample["mask"] != 255
            ratios.append(((image > (100 if image.max() > 1 else 0)) == (sample["mask"] == 1))[counted].mean())
        found[split] = ratios
    return found


@pytest.mark.parametrize("name", READ)
def test_is_read_right(cases: ModuleType, tmp_path: Path, name: str):
    cases.CASES[name](tmp_path / name)
    ratios = read_all(tmp_path / name)
    complete = 8 if name.startswith("list_") else 120 if name in FORTY else 12
    assert sum(map(len, ratios.values())) == complete
    measured = [ratio for parts in ratios.values() for ratio in parts]
    if name not in ("image_1x1", "image_3x2", "class_missing_in_test", "mask_one_test_ignored"):
        assert min(measured) > 0.97, measured


@pytest.mark.parametrize("name", REFUSED)
def test_is_refused_by_its_remedy(cases: ModuleType, tmp_path: Path, name: str):
    cases.CASES[name](tmp_path / name)
    with pytest.raises(UserError, match=REFUSED[name]):
        read_all(tmp_path / name)
