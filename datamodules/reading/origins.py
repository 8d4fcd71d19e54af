"""Sources of the data sets of the recipes, none of which this project may distribute."""

from pathlib import Path
from typing import NamedTuple

from safe_files.roots import DATA
from user_error import UserError


class Origin(NamedTuple):
    """Name of a data set and the web page of its publishers."""

    name: str
    page: str


ORIGINS = {
    "camvid": Origin("CamVid", "http://mi.eng.cam.ac.uk/research/projects/VideoRec/CamVid/"),
    "kvasir_seg": Origin("Kvasir-SEG", "https://datasets.simula.no/kvasir-seg/"),
    "lgg_mri": Origin("LGG MRI", "https://www.kaggle.com/datasets/mateuszbuda/lgg-mri-segmentation"),
    "cityscapes": Origin("Cityscapes", "https://www.cityscapes-dataset.com/downloads/"),
    "voc": Origin("Pascal VOC", "http://host.robots.ox.ac.uk/pascal/VOC/"),
    "ade20k": Origin("ADE20K", "http://sceneparsing.csail.mit.edu/"),
    "acdc": Origin("ACDC", "https://acdc.vision.ee.ethz.ch/download"),
    "dark_zurich": Origin("Dark Zurich", "https://www.trace.ethz.ch/publications/2019/GCMA_UIoU/"),
    "foggy_zurich": Origin("Foggy Zurich", "https://www.trace.ethz.ch/publications/2019/CMAda/"),
    "foggy_driving": Origin("Foggy Driving", "https://people.ee.ethz.ch/~csakarid/SFSU_synthetic/"),
    "bdd100k": Origin("BDD100K", "https://bdd-data.berkeley.edu/"),
    "mapillary_vistas": Origin("Mapillary Vistas", "https://www.mapillary.com/dataset/vistas"),
    "idd": Origin("IDD", "https://idd.insaan.iiit.ac.in/"),
    "muses": Origin("MUSES", "https://muses.ethz.ch/"),
    "bravo": Origin("BRAVO", "https://github.com/valeoai/bravo_challenge"),
    "oxford_pet": Origin("Oxford-IIIT Pet", "https://www.robots.ox.ac.uk/~vgg/data/pets/"),
    "isic2018": Origin("ISIC 2018 task 1", "https://challenge.isic-archive.com/data/#2018"),
    "cvc_clinicdb": Origin("CVC-ClinicDB", "https://polyp.grand-challenge.org/CVCClinicDB/"),
    "polypgen": Origin("PolypGen", "https://www.synapse.org/Synapse:syn26376615"),
    "refuge": Origin("REFUGE", "https://refuge.grand-challenge.org/"),
}
"""By the name of the folder in ``data/``."""

OR_SET = f"set {DATA} to the folder that holds your data sets, or --data.init_args.root to this one"


def describe_origin(root: Path) -> str:
    """The remedy for a missing data folder, as the end of a sentence."""
    origin = ORIGINS.get(root.name)
    if origin is None:
        return "set --data.init_args.root to yours"
    return f"get {origin.name} from {origin.page}, arrange it as docs/data.md says, and {OR_SET}"


def require_folders(key: str, root: Path, *folders: str) -> None:
    """Refuse a data set of which a folder is not there.

    Args:
        key: of the data set in `ORIGINS`.
        root: where its folders lie.
        *folders: by which its layout is known.

    Raises:
        UserError: one of them does not exist.
    """
    missing = [folder for folder in folders if not (root / folder).is_dir()]
    if missing:
        name, page = ORIGINS[key]
        raise UserError(
            f"{name} is not in {root} ({', '.join(missing)} {'is' if len(missing) == 1 else 'are'} missing): get it from "
            f"{page}, unpack it there as it is, or {OR_SET}"
        )
