"""Each reader of files, with a valid file to begin with and what reads it.

A reader is one entry of `READERS`: a name, the file that is changed, its kind, and a function of the workplace that reads it.
"""

import hashlib
import json
import random
import shutil
import zipfile
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
import yaml
from command_line import ROOT, TINY
from cost_files import make_costs
from fuzz_images import FILES, make_images
from medical_trees import draw_rows, make_nnunet, make_saved, write_parquet
from PIL import Image
from records import make_record
from safetensors.torch import save_file
from tiny_folder import make_tiny_folder

from datamodules.datasets.folder import FolderDataModule
from datamodules.datasets.hugging_face import HuggingFaceDataModule
from datamodules.datasets.nnunet import NnUNetDataModule
from experiments.__main__ import main
from experiments.ablation.fingerprint import make_fingerprint
from experiments.ablation.sweep_file import read_sweep
from experiments.checkpoints.checkpoint import load_module
from experiments.checkpoints.derived_checkpoint import make_content
from experiments.checkpoints.settings import read_settings
from experiments.command_line.data_option import choose_data
from experiments.commands.evaluate import predict
from experiments.evaluation.recipe import name_recipe_group
from experiments.evaluation.record import Manifest, hash_manifest
from experiments.record_files import published_tables as published
from experiments.sweeping.suites import find_suite
from experiments.tracking.session import find_run_id
from lightning_modules.networks.adapters.onnx import OnnxNetwork
from lightning_modules.networks.fcn import FcnNetwork
from lightning_modules.networks.pretrained import load_local, load_trained
from lightning_modules.segmentation import SegmentationModule

SMALL = [
    f"--config={ROOT}/experiments/configs/recipe/synthetic_unet.yaml",
    *TINY[1:],
    "--data.init_args.size=[32,32]",
    "--data.init_args.train=4",
    "--data.init_args.val=2",
    "--data.init_args.test=2",
    "--data.init_args.batch_size=2",
    "--data.init_args.eval_batch_size=2",
    "--model.init_args.network.init_args.encoder_depth=3",
    "--model.init_args.network.init_args.decoder={decoder_channels: [8, 8, 8]}",
    "--trainer.accelerator=cpu",
]

KEEP = [
    "--trainer.callbacks+=pytorch_lightning.callbacks.ModelCheckpoint",
    "--trainer.callbacks.filename={epoch}",
    "--trainer.callbacks.save_top_k=-1",
    "--trainer.callbacks.monitor=train/loss",
    "--trainer.callbacks.save_on_train_epoch_end=true",
]
"""Keep the checkpoint of the first epoch, from which a training can go on."""

SMALL_NETWORK = {"encoder": "tu-mobilenetv3_small_050", "hidden": 4, "skips": 0}

Read = Callable[[Path, random.Random], object]


class Reader(NamedTuple):
    """A reader of files.

    ``repair`` follows a change, so that it is met behind the check of a digest; ``trained`` readers need a trained network;
    slow ones meet an input in ``every`` so manieth round alone.
    """

    name: str
    file: str
    kind: str
    read: Read
    repair: Callable[[Path, random.Random], None] = lambda place, rng: None
    trained: bool = False
    every: int = 1


class Refused(Exception):
    """A verb ended with a sentence."""


def call_verb(*words: object) -> None:
    """Call a verb as the command line does."""
    status = main([str(word) for word in words])
    if status in (1, 2):
        raise Refused
    if status:
        raise RuntimeError(f"exit status {status}")


def make_workplace(place: Path, trained: bool) -> None:
    """Valid files of every kind."""
    _make_data(place / "data")
    _make_medical(place)
    records = [
        make_record(place / f"{name}.json", name, seed, recipe=_make_recipe(seed)) for seed, name in enumerate("abc")
    ]
    digests = ["0" * 64, "1" * 64]
    for path, digest in zip(records, digests, strict=False):
        content = json.loads(path.read_text())
        path.write_text(json.dumps({**content, "checkpoint": {"file": "best.ckpt", "sha256": digest}}))
    with zipfile.ZipFile(place / "sent.zip", "w") as archive:
        for name in ("b.json", "b.npz", "c.json"):
            archive.write(place / name, f"folder/{name}")
    make_costs(place / "costs.json", digests)
    for kind, name in (
        ("recipe", "synthetic_unet"),
        ("suite", "smoke"),
        ("network", "unet_scse"),
        ("sweep", "attention_synthetic"),
    ):
        source = (ROOT / f"experiments/configs/{kind}/{name}.yaml").read_text()
        configs = f"{ROOT}/experiments/configs/"
        (place / f"{kind}.yaml").write_text(
            source.replace("../" if kind != "sweep" else "experiments/configs/", configs)
        )
    (place / "page.md").write_text(
        "# A page\n\n<!-- fill: leaderboard a.json b.json --by family -->\n\nold\n\n<!-- /fill -->\n"
    )
    _make_published(place / "published")
    _make_trials(place)
    (place / "wandb_id.txt").write_text("0123abcd")
    random_image = np.random.default_rng(0).integers(0, 255, (40, 48, 3), np.uint8)
    Image.fromarray(random_image).save(place / "photo.png")
    np.save(place / "array.npy", random_image)
    weights = _make_encoder().state_dict()
    torch.save(weights, place / "weights.pt")
    save_file(weights, place / "weights.safetensors")
    torch.save({"state_dict": {f"network.{name}": value for name, value in weights.items()}}, place / "trained.ckpt")
    _make_onnx(place)
    _make_predict(place)
    if trained:
        _train(place)


def _make_data(root: Path) -> None:
    make_tiny_folder(root, 3)
    for split in ("train", "val", "test"):
        for kind in ("images", "masks"):
            (root / kind).mkdir(exist_ok=True)
            for path in sorted((root / split / kind).glob("*.png")):
                path.rename(root / kind / f"{split}{path.name}")
            (root / split / kind).rmdir()
        (root / split).rmdir()
        (root / f"{split}.list").write_text("".join(f"{split}{number}\n" for number in range(3)))
    rows = [f"{split},{split}{number},{number},day" for split in ("train", "val", "test") for number in range(3)]
    (root / "meta.csv").write_text("\n".join(["split,stem,patient,time", *rows]) + "\n")
    described = {
        "classes": {0: "ground", 1: "thing", 2: "sky"},
        "num_classes": 3,
        "ignore_index": 255,
        "channels": ["red", "green", "blue"],
        "palette": [[0, 0, 0], [255, 0, 0], [0, 0, 255]],
    }
    (root / "dataset.yaml").write_text(yaml.safe_dump(described))
    listed = {"splits": {split: f"{split}.list" for split in ("train", "val", "test")}}
    (root / "listed.yaml").write_text(yaml.safe_dump({**described, **listed}))


def _make_medical(place: Path) -> None:
    """Volumes in nnU-Net's format, and tables."""
    for ending in (".nii", ".nii.gz"):
        make_nnunet(place / f"nnunet{ending}", ("a", "b", "c", "d", "e"), ending=ending)
    folds = [{"train": ["a", "b"], "val": ["c"]}]
    (place / "nnUNet_preprocessed/nnunet.nii").mkdir(parents=True)
    (place / "nnUNet_preprocessed/nnunet.nii/splits_final.json").write_text(json.dumps(folds))
    make_saved(place / "saved")
    write_parquet(place / "parquet/train.parquet", draw_rows(6))
    (place / "pictures").mkdir()
    shutil.copy(place / "data/images/train0.png", place / "pictures/a.png")
    shutil.copy(place / "data/masks/train0.png", place / "pictures/b.png")
    lines = [{"file_name": "a.png", "mask_file_name": "b.png", "patient": name} for name in "xyz"]
    (place / "pictures/metadata.jsonl").write_text("\n".join(map(json.dumps, lines)))


def _make_recipe(seed: int) -> dict:
    return {
        "seed_everything": seed,
        "model": {"class_path": "M", "init_args": {"network": {"class_path": "N", "init_args": {"encoder": "e"}}}},
        "trainer": {"max_epochs": 1},
        "data": {"class_path": "D", "init_args": {"root": "/data/x", "size": [48, 64]}},
    }


def _make_published(folder: Path) -> None:
    folder.mkdir()
    for path in (ROOT / "experiments/published").iterdir():
        (folder / path.name).write_bytes(path.read_bytes())


def _make_trials(place: Path) -> None:
    for trial in read_sweep(place / "sweep.yaml").trials[:2]:
        folder = place / "trials" / trial.name
        folder.mkdir(parents=True)
        (folder / "record-core.json").write_text("{}")
        make_fingerprint(trial.words).write(folder / "trial.json")


def _make_onnx(place: Path) -> None:
    try:
        import onnx  # noqa: F401

        torch.onnx.export(
            torch.nn.Conv2d(3, 3, 1), (torch.zeros(1, 3, 32, 32),), place / "net.onnx", dynamo=False, input_names=["x"]
        )
    except ImportError:  # its readers then have no file, and are left out
        return


def _train(place: Path) -> None:
    call_verb("fit", *SMALL, *KEEP, f"--trainer.callbacks.dirpath={place / 'kept'}", f"--run={place / 'run'}")
    settings = yaml.safe_load((place / "run/config.yaml").read_text())
    settings["trainer"]["callbacks"] = None
    for folder, name, source in (
        ("resumed", "last.ckpt", "kept/epoch=0.ckpt"),
        ("settings", "best.ckpt", "kept/epoch=0.ckpt"),
    ):
        (place / folder).mkdir()
        shutil.copy(place / source, place / folder / name)
        (place / folder / "config.yaml").write_text(yaml.safe_dump(settings, sort_keys=False))


def _read_data(description: str) -> Read:
    def read(place: Path, rng: random.Random) -> None:
        root = place / "data"
        used, original = root / "dataset.yaml", (root / "dataset.yaml").read_bytes()
        used.write_bytes((root / description).read_bytes())
        try:
            data = FolderDataModule(str(root), unit="patient" if description == "dataset.yaml" else None)
            for split in ("train", "val"):
                for sample in range(min(1, len(data.make_dataset(split)))):
                    data.make_dataset(split)[sample]
                data.read_meta(split)
            data.list_units("train")
        finally:
            used.write_bytes(original)

    return read


def _read_record(place: Path, rng: random.Random) -> None:
    a, b, c = (place / f"{name}.json" for name in "abc")
    words: list[list[object]] = [
        ["leaderboard", a, b, "--by", rng.choice(["family", "none", "data"]), "--allow-mixed"],
        ["compare", a, b],
        ["recipes", a, b, "--with", c],
        ["report", a, b, "--output", place / "out/report.html"],
        ["collect", a, "--output", place / "out/collected"],
        ["verify", a],
        ["site", a, b, "--output", place / "out/site"],
        ["curves", a, "--output", place / "out/curves.svg"],
        ["shifts", a, b],
        ["challenge", a, "--of", rng.choice(["bravo", "acdc"])],
    ]
    call_verb(*rng.choice(words))


def _read_nnunet(folder: str) -> Read:
    def read(place: Path, rng: random.Random) -> None:
        levels = rng.choice([{"window": (-100.0, 100.0)}, {"percentiles": (1.0, 99.0)}])
        fold = 0 if folder == "nnunet.nii" else None
        data = NnUNetDataModule(
            str(place / folder),
            fold=fold,
            preprocessed=str(place / "nnUNet_preprocessed") if fold == 0 else None,
            **levels,
        )
        dataset = data.make_dataset("train")
        dataset.prepare()
        dataset[0]
        data.read_meta("val")

    return read


def _read_tables(folder: str) -> Read:
    def read(place: Path, rng: random.Random) -> None:
        data = HuggingFaceDataModule(str(place / folder), classes=["a", "b", "c"], unit="patient")
        data.make_dataset("train")[0]
        data.read_meta("val")

    return read


def _repair_record(place: Path, rng: random.Random) -> None:
    """Most changes would end at the digests of the manifest and of the counts."""
    path = place / "a.json"
    try:
        content = json.loads(path.read_bytes())
        content["per_image"]["sha256"] = hashlib.sha256((place / "a.npz").read_bytes()).hexdigest()
        content["suite_hash"] = hash_manifest(Manifest(**content["suite"]).model_dump(exclude_unset=True))
        path.write_text(json.dumps(content))
    except Exception:  # no record any more
        return


def _read_published(place: Path, rng: random.Random) -> None:
    published.FOLDER = place / "published"
    published.read_table.cache_clear()
    call_verb(
        "leaderboard", *(word for name in published.list_tables() for word in ("--published", name)), "--by", "none"
    )


def _read_settings(place: Path, rng: random.Random) -> None:
    checkpoint = place / "settings/best.ckpt"
    choose_data("benchmark", checkpoint, [])
    name_recipe_group(read_settings(checkpoint) or {})
    call_verb("tta", "--checkpoint", checkpoint, "--output", place / "out/tta/best.ckpt")


def _read_checkpoint(place: Path, rng: random.Random) -> None:
    checkpoint, output = place / "run/best.ckpt", place / "out"
    words: list[list[object]] = [
        ["predict", place / "photo.png", "--checkpoint", checkpoint, "--output", output, "--device", "cpu"],
        [
            "predict",
            place / "photo.png",
            "--checkpoint",
            checkpoint,
            "--output",
            output,
            "--device",
            "cpu",
            "--uncertainty",
        ],
        ["tta", "--checkpoint", checkpoint, "--output", output / "tta/best.ckpt"],
        [
            "ensemble",
            "--checkpoints",
            checkpoint,
            place / "settings/best.ckpt",
            "--output",
            output / "ensemble/best.ckpt",
        ],
        [
            "soup",
            "--checkpoints",
            checkpoint,
            place / "settings/best.ckpt",
            "--output",
            output / "soup/best.ckpt",
            "--device",
            "cpu",
        ],
    ]
    call_verb(*rng.choice(words))


def _make_encoder() -> torch.nn.Module:
    return torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3), torch.nn.BatchNorm2d(4))


def _read_onnx(place: Path, rng: random.Random) -> None:
    with torch.inference_mode():
        OnnxNetwork(3, onnx_file=str(place / "net.onnx")).eval()(torch.zeros(1, 3, 32, 32, dtype=torch.uint8))


def _make_recipe_words(place: Path) -> list[object]:
    return ["fit", f"--config={place / 'recipe.yaml'}", "--print_config"]


def _make_gallery_words(place: Path) -> list[object]:
    return ["--suite", place / "suite.yaml", "--output", place / "out/gallery.png"]


def _start(place: Path) -> None:
    words = [word for word in SMALL if "network.init_args" not in word]
    call_verb("fit", *words, f"--start={place / 'run/best.ckpt'}", "--print_config")


def _resume(place: Path, in_its_folder: bool) -> None:
    copied = place / "out/resumed"
    copied.mkdir(parents=True)
    for name in ("last.ckpt", "config.yaml"):
        (copied / name).write_bytes((place / "resumed" / name).read_bytes())
    if in_its_folder:
        call_verb("fit", *SMALL, f"--run={copied}")
    else:
        call_verb("fit", *SMALL, f"--ckpt_path={copied / 'last.ckpt'}", f"--run={place / 'out/on'}")


def _make_predict(place: Path) -> None:
    """Images, and a checkpoint of a network that has learned nothing."""
    make_images(place / "images")
    network = {"class_path": "lightning_modules.networks.fcn.FcnNetwork", "init_args": SMALL_NETWORK}
    described = {"classes": ["background", "a"], "channels": ["red", "green", "blue"], "size": [32, 32]}
    weights = FcnNetwork(2, 3, **SMALL_NETWORK).state_dict()
    torch.save(make_content(network, weights, 2, 3, {"FolderDataModule": described}), place / "fcn.ckpt")


@cache
def load_once(path: Path) -> SegmentationModule:
    """The network of a checkpoint."""
    return load_module(path)


def _predict(name: str) -> Read:
    """A file by itself, in a folder, by a pattern, through a link, or under a name that seems to lead elsewhere."""

    def read(place: Path, rng: random.Random) -> None:
        predict.load_module = lambda file: load_once(place / "fcn.ckpt")  # to make it takes longer than to predict
        folder, file = place / "out/in", place / "images" / name
        folder.mkdir()
        named = folder / (rng.choice(["", "", "..", "a\\..\\b", "e\u0301\x1b[2J ", "-x", "%s"]) + name)
        named.symlink_to(file) if rng.random() < 0.1 else shutil.copy(file, named)
        given = rng.choice([named, folder, folder / "*"])
        words: list[object] = ["--checkpoint", place / "fcn.ckpt", "--output", place / "out/found", "--device", "cpu"]
        for option in (["--uncertainty"], ["--native-size"], ["--window", "0", "500"], ["--axis", "coronal"]):
            slow = option == ["--native-size"] and not name.startswith("volume")  # some say 100 million pixels, rightly
            words += option if rng.random() < 0.3 and not slow else []
        try:
            call_verb("predict", given, *words)
        finally:
            if {path.name for path in (place / "out").iterdir()} - {"in", "found"}:
                raise RuntimeError("a file appeared outside the output folder")

    return read


READERS = [
    Reader("description of a folder", "data/dataset.yaml", "yaml", _read_data("dataset.yaml")),
    Reader("description with lists", "data/listed.yaml", "yaml", _read_data("listed.yaml")),
    Reader("meta.csv", "data/meta.csv", "text", _read_data("dataset.yaml")),
    Reader("list of stems", "data/train.list", "text", _read_data("listed.yaml")),
    Reader("image", "data/images/train0.png", "bytes", _read_data("dataset.yaml")),
    Reader("mask", "data/masks/train0.png", "bytes", _read_data("dataset.yaml")),
    Reader(
        "array",
        "array.npy",
        "npy",
        lambda place, rng: call_verb("corruptions", "--image", place / "array.npy", *_make_gallery_words(place)),
    ),
    Reader("dataset.json of nnU-Net", "nnunet.nii.gz/dataset.json", "json", _read_nnunet("nnunet.nii.gz")),
    Reader("folds of nnU-Net", "nnUNet_preprocessed/nnunet.nii/splits_final.json", "json", _read_nnunet("nnunet.nii")),
    Reader("volume", "nnunet.nii/imagesTr/a_0000.nii", "bytes", _read_nnunet("nnunet.nii")),
    Reader("compressed volume", "nnunet.nii.gz/imagesTr/a_0000.nii.gz", "bytes", _read_nnunet("nnunet.nii.gz")),
    Reader("labels of a volume", "nnunet.nii/labelsTr/a.nii", "bytes", _read_nnunet("nnunet.nii")),
    Reader("list of saved tables", "saved/dataset_dict.json", "json", _read_tables("saved")),
    Reader("state of a saved table", "saved/train/state.json", "json", _read_tables("saved")),
    Reader("saved table", "saved/train/data-00000-of-00002.arrow", "bytes", _read_tables("saved")),
    Reader("Parquet table", "parquet/train.parquet", "bytes", _read_tables("parquet")),
    Reader("table of pictures", "pictures/metadata.jsonl", "text", _read_tables("pictures")),
    Reader("suite", "suite.yaml", "yaml", lambda place, rng: find_suite(str(place / "suite.yaml")).make_manifest(None)),
    Reader("recipe", "recipe.yaml", "yaml", lambda place, rng: call_verb(*_make_recipe_words(place))),
    Reader(
        "network",
        "network.yaml",
        "yaml",
        lambda place, rng: call_verb(*_make_recipe_words(place), f"--model.init_args.network={place / 'network.yaml'}"),
    ),
    Reader("sweep file", "sweep.yaml", "yaml", lambda place, rng: call_verb("ablate", place / "sweep.yaml", "--list")),
    Reader(
        "fingerprint of a trial",
        "trials/unet/trial.json",
        "json",
        lambda place, rng: call_verb("ablate", place / "sweep.yaml", "--list", "--output", place / "trials"),
    ),
    Reader("record", "a.json", "json", _read_record, _repair_record),
    Reader("counts of a record", "a.npz", "npz", _read_record, _repair_record),
    Reader(
        "zip of records",
        "sent.zip",
        "bytes",
        lambda place, rng: call_verb("collect", place / "sent.zip", "--output", place / "out/collected"),
    ),
    Reader(
        "costs",
        "costs.json",
        "json",
        lambda place, rng: call_verb("tradeoff", place / "a.json", place / "b.json", "--costs", place / "costs.json"),
    ),
    Reader("page", "page.md", "text", lambda place, rng: call_verb("fill", place / "page.md")),
    Reader("published table", "published/cityscapes_c_segformer_table5.csv", "text", _read_published),
    Reader("long published table", "published/semantickitti_c_robo3d.csv", "text", _read_published),
    Reader("description of a table", "published/cityscapes_c_segformer_table5.yaml", "yaml", _read_published),
    Reader("id of a W&B run", "wandb_id.txt", "text", lambda place, rng: find_run_id(place)),
    Reader(
        "encoder weights",
        "weights.pt",
        "torch",
        lambda place, rng: load_local(_make_encoder(), place / "weights.pt", "x"),
    ),
    Reader(
        "safetensors",
        "weights.safetensors",
        "bytes",
        lambda place, rng: load_local(_make_encoder(), place / "weights.safetensors", "x"),
    ),
    Reader(
        "trained weights",
        "trained.ckpt",
        "torch",
        lambda place, rng: load_trained(_make_encoder(), place / "trained.ckpt"),
    ),
    Reader("ONNX file", "net.onnx", "bytes", _read_onnx),
    *(Reader(f"predict {name}", f"images/{name}", kind, _predict(name)) for name, kind in FILES.items()),
    Reader("checkpoint", "run/best.ckpt", "torch", _read_checkpoint, trained=True),
    Reader("start of a training", "run/best.ckpt", "torch", lambda place, rng: _start(place), trained=True),
    Reader("settings of a run", "settings/config.yaml", "yaml", _read_settings, trained=True),
    Reader(
        "resumed checkpoint",
        "resumed/last.ckpt",
        "torch",
        lambda place, rng: _resume(place, rng.random() < 0.5),
        trained=True,
        every=4,
    ),
    Reader(
        "resumed settings",
        "resumed/config.yaml",
        "yaml",
        lambda place, rng: _resume(place, True),
        trained=True,
        every=4,
    ),
]
"""Each reader of files; another one is another entry."""
