"""What a folder of another program looks like is told by its names, with what reads it."""

import re
from pathlib import Path

import pytest

from datamodules.reading.layouts import explain_layout

KNOWN = {
    "VOC": (
        ["JPEGImages/1.jpg", "SegmentationClass/1.png"],
        "image_folder: JPEGImages.*mask_folder: SegmentationClass",
    ),
    "VOC above": (["VOC2012/JPEGImages/1.jpg", "VOC2012/SegmentationClass/1.png"], r"data/voc\.yaml"),
    "Cityscapes": (["leftImg8bit/train/a/1.png", "gtFine/train/a/1.png"], r"data/cityscapes\.yaml"),
    "pets": (["oxford-iiit-pet/annotations/trimaps/a.png", "oxford-iiit-pet/images/a.jpg"], r"data/oxford_pet\.yaml"),
    "nnU-Net": (["imagesTr/a_0000.png", "labelsTr/a.png"], "`image_suffix: _0000`"),
    "nnU-Net, two channels": (
        ["imagesTr/a_0000.png", "imagesTr/a_0001.png", "labelsTr/a.png"],
        r"write its dataset\.json, and pass --data .*data/nnunet\.yaml",
    ),
    "nnU-Net, volumes": (
        ["Dataset1/imagesTr/a_0000.nii.gz", "Dataset1/labelsTr/a.nii.gz", "Dataset1/dataset.json"],
        r"raw format: pass --data .*data/nnunet\.yaml .*Dataset1; for CT",
    ),
    "ISIC": (
        ["x/ISIC2018_Task1-2_Training_Input/a.jpg", "x/ISIC2018_Task1_Training_GroundTruth/a.png"],
        r"isic2018\.yaml",
    ),
    "CVC-ClinicDB": (["Original/1.tif", "Ground Truth/1.tif"], r"data/cvc_clinicdb\.yaml"),
    "PolypGen": (["data_C1/images_C1/a.jpg", "data_C2/images_C2/a.jpg"], r"data/polypgen\.yaml"),
    "REFUGE": (["Training400/Glaucoma/g.jpg", "Annotation-Training400/Disc_Cup_Masks/g.bmp"], r"data/refuge\.yaml"),
    "Parquet": (["data/train-00000-of-00001.parquet"], r"data/hugging_face\.yaml"),
    "save_to_disk": (["train/data-00000-of-00001.arrow", "dataset_dict.json"], r"data/hugging_face\.yaml"),
    "NIfTI": (["patient/1.nii.gz", "patient/2.nii.gz"], "arrange NIfTI files as nnU-Net's raw format"),
    "COCO": (["train/_annotations.coco.json", "train/a.jpg"], "pycocotools"),
    "LabelMe": (["images/a.jpg", "images/a.json"], "labelme2voc"),
    "YOLO": (["train/images/a.jpg", "train/labels/a.txt"], "cv2.fillPoly"),
    "DICOM": (["patient/1.dcm", "patient/2.dcm"], "pydicom"),
    "side by side": (["train/a.png", "train/a_mask.png", "train/b.png", "train/b_mask.png"], "`mask_suffix: _mask`"),
    "other names": (["valid/imgs/a.png", "valid/labels/a.png"], "`image_folder: imgs`, `mask_folder: labels`"),
    "ours": (["train/images/a.png", "train/masks/a.png", "meta.csv"], "lie where they are read: add a dataset.yaml$"),
    "ours with lists": (["images/a.png", "masks/a.png"], "lie where they are read: add .* and say in lists"),
    "frames with numbers": (
        ["train/images/a.png", "train/images/a_1.png", "train/images/a_2.png", "train/masks/a.png"],
        "lie where they are read",
    ),
    "another ending": (["train/images/a.png", "train/masks/a.png", "dataset.yml"], "rename that to dataset.yaml"),
    "capitals": (["Train/Images/a.png", "Train/Masks/a.png"], "Train is written with capitals: rename it to train"),
    "voc within": (["VOCdevkit/VOC2012/JPEGImages/a.jpg", "VOCdevkit/VOC2012/SegmentationClass/a.png"], "Pascal VOC"),
    "splits inside": (["images/train/a.png", "masks/train/a.png"], "mv masks/train train/masks"),
}
UNKNOWN = {
    "nothing": [],
}


def make(root: Path, names: list[str]) -> Path:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()
    return root


@pytest.mark.parametrize("name", KNOWN)
def test_is_recognised(tmp_path: Path, name: str):
    names, says = KNOWN[name]
    found = explain_layout(make(tmp_path / "data", names))
    assert found is not None
    assert re.search(says, found), found


@pytest.mark.parametrize("name", UNKNOWN)
def test_is_not_taken_for_another(tmp_path: Path, name: str):
    assert explain_layout(make(tmp_path / "data", UNKNOWN[name])) is None
