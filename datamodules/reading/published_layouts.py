"""Folders by which a data set is recognised that is read as its publishers lay it out."""

PUBLISHED: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("acdc", ("rgb_anon/fog", "rgb_anon/night")),
    ("dark_zurich", ("rgb_anon/val/night", "gt/val/night")),
    ("foggy_driving", ("leftImg8bit/test_extra", "gtCoarse/test_extra")),
    ("foggy_zurich", ("RGB", "gt_labelIds")),
    ("bdd100k", ("images/10k", "labels/sem_seg")),
    ("bdd100k", ("seg/images", "seg/labels")),
    ("muses", ("frame_camera", "gt_semantic")),
    ("mapillary_vistas", ("training/images", "training/v1.2")),
    ("mapillary_vistas", ("training/images", "training/v2.0")),
    ("ade20k", ("images/training", "annotations/training")),
    ("isic2018", ("ISIC2018_Task1-2_Training_Input", "ISIC2018_Task1_Training_GroundTruth")),
    ("cvc_clinicdb", ("Original", "Ground Truth")),
    ("polypgen", ("data_C1", "data_C2")),
    ("refuge", ("Training400", "Annotation-Training400")),
    ("bravo", ("bravo_ACDC",)),
)
"""Names in `ORIGINS` and of their YAML, with folders in the root that no other layout has together."""
