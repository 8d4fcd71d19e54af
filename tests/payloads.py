"""A zoo of checkpoints and run folders that would run a command, were any door open to them.

Each form is harmless: what it runs touches a marker file. `live_component` is the payload itself, built where the user
names it in a recipe of their own, so that a test can show that it would have run.
"""

import json
import pickle
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
import yaml

ANY = "lightning_modules.networks.adapters.any_module.AnyModule"
SMP = "lightning_modules.networks.smp.SmpNetwork"
SMALL = {"class_path": SMP, "init_args": {"encoder": "tu-mobilenetv3_small_050"}}
SYNTHETIC = {
    "class_path": "datamodules.datasets.synthetic.SyntheticDataModule",
    "init_args": {"size": [32, 32], "test": 2},
}
CHANNELS = ["red", "green", "blue"]

STRANGER = """
from pathlib import Path
Path({marker!r}).touch()
from datamodules.transforms import NoAugmentation
from torch import nn

class Net(nn.Module):
    pass

class Noise(NoAugmentation):
    pass
"""


class Reduced:
    """Pickled, it touches the marker when it is read."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> tuple:
        return Path.touch, (self.marker,)


def component(name: str, **settings: Any) -> dict[str, Any]:
    return {"class_path": name, "init_args": settings}


def live_component(marker: Path) -> dict[str, Any]:
    """A network that runs a command when it is made."""
    arguments = {"command": f"touch {marker}"}
    return component(ANY, target="os.system", arguments=arguments, num_classes_argument=None, in_channels_argument=None)


def around(kind: str, **settings: Any) -> dict[str, Any]:
    return component(f"lightning_modules.networks.{kind}", **settings)


def texts(folder: Path, marker: Path) -> dict[str, str]:
    """Forms of a text that a parser could take for the component."""
    evil = live_component(marker)
    (folder / "evil.yaml").write_text(yaml.safe_dump(evil))
    (folder / "evil.json").write_text(json.dumps(evil))
    (folder / "stranger.py").write_text(STRANGER.format(marker=str(marker)))
    return {
        "json": json.dumps(evil),
        "json with white space": f"\n   {json.dumps(evil, indent=1)}\n",
        "yaml": yaml.safe_dump(evil),
        "yaml in one line": yaml.safe_dump(evil, default_flow_style=True),
        "yaml with an anchor": f"a: &a {json.dumps(evil)}\nclass_path: {ANY}\ninit_args: *a\n",
        "path of a yaml": str(folder / "evil.yaml"),
        "relative path of a yaml": "evil.yaml",
        "path of a json": str(folder / "evil.json"),
        "import path": ANY,
        "import path of a stranger": "stranger.Net",
        "name of a class": "AnyModule",
    }


def networks(folder: Path, marker: Path) -> dict[str, Any]:
    """What could stand as the network of a checkpoint."""
    evil = live_component(marker)
    forms: dict[str, Any] = {
        "component": evil,
        "os.system": component("os.system", command=f"touch {marker}"),
        "subprocess": component("subprocess.Popen", args=["touch", str(marker)]),
        "a stranger's module": component("stranger.Net"),
        "a module that ours imports": component(
            "lightning_modules.networks.adapters.any_module.importlib.import_module"
        ),
        "a class that ours imports": component("lightning_modules.networks.adapters.any_module.Path", args=str(marker)),
        "a function of ours": component(
            "lightning_modules.networks.adapters.any_module._make", target="os.system", settings={}
        ),
        "a function of torch": component("torch.hub.load", repo_or_dir=str(folder), model="x", source="local"),
        "a loader of torch": component("torch.nn.Module.load_state_dict"),
        "a list": [evil],
        "no class": {"init_args": evil["init_args"]},
        "dotted keys": {"class_path": SMP, "init_args.parts": [evil]},
        "dict_kwargs": {"class_path": ANY, "dict_kwargs": evil["init_args"]},
        "target of a stranger": component(ANY, target="stranger.Net"),
        "target through ours": component(
            ANY, target="lightning_modules.networks.adapters.any_module.importlib.import_module"
        ),
        "within arguments": component(ANY, target="torch.nn.Identity", arguments={"deep": [evil]}),
        "text within arguments": component(ANY, target="torch.nn.Identity", arguments={"x": json.dumps(evil)}),
        "within decoder": component(SMP, decoder={"x": evil}),
        "text within decoder": component(SMP, decoder={"x": json.dumps(evil)}),
        "dotted key within decoder": component(SMP, decoder={"x.class_path": "stranger.Net"}),
        "text for decoder": component(SMP, decoder=json.dumps(evil)),
        "part": component(SMP, parts=[evil]),
        "part of a stranger": component(SMP, parts=[component("stranger.Net")]),
        "text as part": component(SMP, parts=[json.dumps(evil)]),
        "text as parts": component(SMP, parts=json.dumps([evil])),
        "scaled": around("wrappers.temperature.TemperatureScaled", network=evil),
        "member": around("ensembles.ensemble.Ensemble", members=[SMALL, evil]),
        "views": around("wrappers.test_time_augmentation.TestTimeAugmentation", network=evil),
        "pruned": around("wrappers.pruned.PrunedNetwork", network=evil, plan={}),
        "plan": around("wrappers.pruned.PrunedNetwork", network=SMALL, plan={"x": {"class_path": "os.system"}}),
        "hub encoder": component(SMP, encoder="tu-hf-hub:stranger/net"),
        "local encoder": component(SMP, encoder=f"tu-local-dir:{folder}"),
        "remote code": around(
            "adapters.transformers.TransformersNetwork", config={"auto_map": {"AutoModel": "x--y.Z"}}
        ),
        "tasks from elsewhere": around("heads.multi_task.MultiTaskNetwork", tasks={"../../stranger": {}}),
        "task": around("heads.multi_task.MultiTaskNetwork", tasks=[evil]),
        "text as task": around("heads.multi_task.MultiTaskNetwork", tasks=[json.dumps(evil)]),
        "short name of a task around": around(
            "heads.multi_task.MultiTaskNetwork", tasks={"boundary": {"weight": evil}}
        ),
        "text behind a short name": around("heads.multi_task.MultiTaskNetwork", tasks={"boundary": json.dumps(evil)}),
        "feature": around("classical_features.ClassicalFeatureNetwork", features=[evil]),
    }
    for name, text in texts(folder, marker).items():
        forms[name] = text
        forms[f"scaled {name}"] = around("wrappers.temperature.TemperatureScaled", network=text)
        forms[f"member {name}"] = around("ensembles.ensemble.Ensemble", members=[SMALL, text])
    deep: Any = json.dumps(evil)
    for _ in range(40):
        deep = around("wrappers.temperature.TemperatureScaled", network=deep)
    return {**forms, "deep": deep}


def hyperparameters(folder: Path, marker: Path) -> dict[str, dict[str, Any]]:
    """Settings of a module that would run the payload, by form."""
    evil, text = live_component(marker), json.dumps(live_component(marker))
    module = "lightning_modules.segmentation.SegmentationModule"
    made_by = {"_class_path": module, "_instantiator": "pytorch_lightning.cli.instantiate_module"}
    base = {**made_by, "network": SMALL, "num_classes": 5, "in_channels": 3}
    losses, objective = "lightning_modules.losses", "lightning_modules.objectives.multi_task.MultiTask"
    found = {f"network: {name}": {**base, "network": one} for name, one in networks(folder, marker).items()}
    for key in ("loss", "optimizer", "schedule"):
        found[f"{key}: component"] = {**base, key: evil}
        found[f"{key}: text"] = {**base, key: text}
        found[f"{key}: stranger"] = {**base, key: "stranger.Net"}
        found[f"{key}: path"] = {**base, key: str(folder / "evil.yaml")}
    return found | {
        "loss: term": {**base, "loss": component(f"{losses}.weighted_sum.WeightedSum", terms=[text])},
        "loss: counted": {**base, "loss": component(f"{losses}.counted.Counted", loss=text)},
        "weighting": {**base, "objective": component(objective, weighting=text)},
        "weighting before": {**base, "_class_path": "lightning_modules.multi_task.MultiTaskModule", "weighting": text},
        "alpha before": {**base, "_class_path": "lightning_modules.mixup.MixupModule", "alpha": evil},
        "objective": {**base, "objective": evil},
        "objective as text": {**base, "objective": text},
        "batch transform": {**base, "batch_transforms": [evil]},
        "batch transform as text": {**base, "batch_transforms": [text]},
        "batch transforms as text": {**base, "batch_transforms": json.dumps([evil])},
        "module": {**base, "_class_path": "stranger.Net"},
        "module as text": {**base, "_class_path": text},
        "module of os": {**made_by, "_class_path": "os.system", "command": f"touch {marker}"},
        "instantiator": {**base, "_instantiator": "os.system", "network": text},
        "no instantiator": {**base, "_instantiator": None, "network": text},
        "dotted network": {**base, "network.class_path": "stranger.Net"},
        "a setting that is none": {**base, "callbacks": [evil]},
    }


def save_checkpoint(path: Path, settings: Any, **content: Any) -> Path:
    """A checkpoint with such settings, and a state of data as a training writes it."""
    data = {"classes": list("abcde"), "channels": CHANNELS, "palette": None, "size": [32, 32]}
    written = {
        "pytorch-lightning_version": "2.6.6",
        "state_dict": {},
        "hparams_name": "kwargs",
        "hyper_parameters": settings,
        "SyntheticDataModule": data,
        "epoch": 0,
        "global_step": 1,
        "loops": {},
        "callbacks": {},
        "optimizer_states": [],
        "lr_schedulers": [],
    }
    torch.save({**written, **content}, path)
    return path


def pickles(marker: Path) -> dict[str, Callable[[Path], None]]:
    """Files that run what they hold when they are unpickled, by form: each writes itself to a path."""
    settings = {"network": SMALL, "num_classes": 5, "in_channels": 3}

    def archive(path: Path) -> None:
        with zipfile.ZipFile(path, "w") as file:
            file.writestr("archive/data.pkl", pickle.dumps({"state_dict": Reduced(marker), "hyper_parameters": {}}))
            file.writestr("archive/version", "3\n")

    return {
        "pickled weights": lambda path: save_checkpoint(path, settings, state_dict={"x": Reduced(marker)}) and None,
        "pickled settings": lambda path: save_checkpoint(path, {**settings, "loss": Reduced(marker)}) and None,
        "pickled callbacks": lambda path: save_checkpoint(path, settings, callbacks={"x": Reduced(marker)}) and None,
        "a plain pickle": lambda path: path.write_bytes(pickle.dumps(Reduced(marker))) and None,
        "an old archive": lambda path: torch.save(Reduced(marker), path, _use_new_zipfile_serialization=False),
        "a made archive": archive,
    }


def configs(folder: Path, marker: Path) -> dict[str, str]:
    """Contents of a run folder's ``config.yaml`` that would run the payload or import a stranger's module, by form."""
    evil = live_component(marker)
    (folder / "noise.yaml").write_text("class_path: stranger.Noise\n")
    noise = {"class_path": "stranger.Noise"}

    def with_augmentation(value: Any) -> dict[str, Any]:
        return {**SYNTHETIC, "init_args": {**SYNTHETIC["init_args"], "augmentation": value}}  # type: ignore[dict-item]

    further = "datamodules.transforms.FlipScaleCrop"
    data: dict[str, Any] = {
        "data of a stranger": component("stranger.Data"),
        "data of os": component("os.system", command=f"touch {marker}"),
        "data through ours": component("datamodules.base.os.system", command=f"touch {marker}"),
        "data as text": json.dumps(component("stranger.Data")),
        "data as a path": str(folder / "noise.yaml"),
        "augmentation": with_augmentation(noise),
        "augmentation as text": with_augmentation(json.dumps(noise)),
        "augmentation as yaml text": with_augmentation(yaml.safe_dump(noise)),
        "augmentation as a path": with_augmentation(str(folder / "noise.yaml")),
        "augmentation as a relative path": with_augmentation("noise.yaml"),
        "augmentation as a name": with_augmentation("stranger.Noise"),
        "augmentation of a network": with_augmentation(evil),
        "augmentation by dotted key": {**SYNTHETIC, "init_args": {"augmentation.class_path": "stranger.Noise"}},
        "augmentation in dict_kwargs": {**SYNTHETIC, "dict_kwargs": {"augmentation": noise}},
        "further": with_augmentation(component(further, further=[{"stranger.Noise": {}}])),
        "further within": with_augmentation(component(further, further=[{"GaussNoise": {"std_range": noise}}])),
        "further as text": with_augmentation(component(further, further=[{"GaussNoise": {"x": json.dumps(noise)}}])),
    }
    found = {name: yaml.safe_dump({"data": one}) for name, one in data.items()}
    run = f"!!python/object/apply:os.system ['touch {marker}']"
    return found | {
        "a tag of python": f"data: {run}\n",
        "a tag in the model": f"data: {json.dumps(SYNTHETIC)}\nmodel: {run}\n",
        "a tag that imports": "data: !!python/name:stranger.Net\n",
    }
