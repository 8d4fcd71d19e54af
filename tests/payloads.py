"""A zoo of checkpoints and run folders that would run a command, were any door open to them.

Each form is harmless: what it runs touches a marker file. `make_live_component` is the payload itself, built where the user
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

UNTRUSTED_MODULE = """
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


def make_component(name: str, **settings: Any) -> dict[str, Any]:
    return {"class_path": name, "init_args": settings}


def make_live_component(marker: Path) -> dict[str, Any]:
    """A network that runs a command when it is made."""
    arguments = {"command": f"touch {marker}"}
    return make_component(
        ANY, target="os.system", arguments=arguments, num_classes_argument=None, in_channels_argument=None
    )


def make_network(kind: str, **settings: Any) -> dict[str, Any]:
    return make_component(f"lightning_modules.networks.{kind}", **settings)


def make_texts(folder: Path, marker: Path) -> dict[str, str]:
    """Forms of a text that a parser could take for the component."""
    evil = make_live_component(marker)
    (folder / "evil.yaml").write_text(yaml.safe_dump(evil))
    (folder / "evil.json").write_text(json.dumps(evil))
    (folder / "stranger.py").write_text(UNTRUSTED_MODULE.format(marker=str(marker)))
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


def make_networks(folder: Path, marker: Path) -> dict[str, Any]:
    """What could stand as the network of a checkpoint."""
    evil = make_live_component(marker)
    forms: dict[str, Any] = {
        "component": evil,
        "os.system": make_component("os.system", command=f"touch {marker}"),
        "subprocess": make_component("subprocess.Popen", args=["touch", str(marker)]),
        "a stranger's module": make_component("stranger.Net"),
        "a module that ours imports": make_component(
            "lightning_modules.networks.adapters.any_module.importlib.import_module"
        ),
        "a class that ours imports": make_component(
            "lightning_modules.networks.adapters.any_module.Path", args=str(marker)
        ),
        "a function of ours": make_component(
            "lightning_modules.networks.adapters.any_module._make", target="os.system", settings={}
        ),
        "a function of torch": make_component("torch.hub.load", repo_or_dir=str(folder), model="x", source="local"),
        "a loader of torch": make_component("torch.nn.Module.load_state_dict"),
        "a list": [evil],
        "no class": {"init_args": evil["init_args"]},
        "dotted keys": {"class_path": SMP, "init_args.parts": [evil]},
        "dict_kwargs": {"class_path": ANY, "dict_kwargs": evil["init_args"]},
        "target of a stranger": make_component(ANY, target="stranger.Net"),
        "target through ours": make_component(
            ANY, target="lightning_modules.networks.adapters.any_module.importlib.import_module"
        ),
        "within arguments": make_component(ANY, target="torch.nn.Identity", arguments={"deep": [evil]}),
        "text within arguments": make_component(ANY, target="torch.nn.Identity", arguments={"x": json.dumps(evil)}),
        "within decoder": make_component(SMP, decoder={"x": evil}),
        "text within decoder": make_component(SMP, decoder={"x": json.dumps(evil)}),
        "dotted key within decoder": make_component(SMP, decoder={"x.class_path": "stranger.Net"}),
        "text for decoder": make_component(SMP, decoder=json.dumps(evil)),
        "part": make_component(SMP, parts=[evil]),
        "part of a stranger": make_component(SMP, parts=[make_component("stranger.Net")]),
        "text as part": make_component(SMP, parts=[json.dumps(evil)]),
        "text as parts": make_component(SMP, parts=json.dumps([evil])),
        "scaled": make_network("wrappers.temperature.TemperatureScaled", network=evil),
        "member": make_network("ensembles.ensemble.Ensemble", members=[SMALL, evil]),
        "views": make_network("wrappers.test_time_augmentation.TestTimeAugmentation", network=evil),
        "windows": make_network("wrappers.sliding_window.SlidingWindow", network=evil),
        "pruned": make_network("wrappers.pruned.PrunedNetwork", network=evil, plan={}),
        "plan": make_network("wrappers.pruned.PrunedNetwork", network=SMALL, plan={"x": {"class_path": "os.system"}}),
        "hub encoder": make_component(SMP, encoder="tu-hf-hub:stranger/net"),
        "local encoder": make_component(SMP, encoder=f"tu-local-dir:{folder}"),
        "remote code": make_network(
            "adapters.transformers.TransformersNetwork", config={"auto_map": {"AutoModel": "x--y.Z"}}
        ),
        "tasks from elsewhere": make_network("heads.multi_task.MultiTaskNetwork", tasks={"../../stranger": {}}),
        "task": make_network("heads.multi_task.MultiTaskNetwork", tasks=[evil]),
        "text as task": make_network("heads.multi_task.MultiTaskNetwork", tasks=[json.dumps(evil)]),
        "short name of a task around": make_network(
            "heads.multi_task.MultiTaskNetwork", tasks={"boundary": {"weight": evil}}
        ),
        "text behind a short name": make_network(
            "heads.multi_task.MultiTaskNetwork", tasks={"boundary": json.dumps(evil)}
        ),
        "feature": make_network("classical_features.ClassicalFeatureNetwork", features=[evil]),
    }
    for name, text in make_texts(folder, marker).items():
        forms[name] = text
        forms[f"scaled {name}"] = make_network("wrappers.temperature.TemperatureScaled", network=text)
        forms[f"member {name}"] = make_network("ensembles.ensemble.Ensemble", members=[SMALL, text])
    deep: Any = json.dumps(evil)
    for _ in range(40):
        deep = make_network("wrappers.temperature.TemperatureScaled", network=deep)
    return {**forms, "deep": deep}


def make_hyperparameters(folder: Path, marker: Path) -> dict[str, dict[str, Any]]:
    """Settings of a module that would run the payload, by form."""
    evil, text = make_live_component(marker), json.dumps(make_live_component(marker))
    module = "lightning_modules.segmentation.SegmentationModule"
    made_by = {"_class_path": module, "_instantiator": "pytorch_lightning.cli.instantiate_module"}
    base = {**made_by, "network": SMALL, "num_classes": 5, "in_channels": 3}
    losses, objective = "lightning_modules.losses", "lightning_modules.objectives.multi_task.MultiTask"
    found = {f"network: {name}": {**base, "network": one} for name, one in make_networks(folder, marker).items()}
    for key in ("loss", "optimizer", "schedule"):
        found[f"{key}: component"] = {**base, key: evil}
        found[f"{key}: text"] = {**base, key: text}
        found[f"{key}: stranger"] = {**base, key: "stranger.Net"}
        found[f"{key}: path"] = {**base, key: str(folder / "evil.yaml")}
    return found | {
        "loss: term": {**base, "loss": make_component(f"{losses}.weighted_sum.WeightedSum", terms=[text])},
        "loss: counted": {**base, "loss": make_component(f"{losses}.counted.Counted", loss=text)},
        "weighting": {**base, "objective": make_component(objective, weighting=text)},
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


def make_pickles(marker: Path) -> dict[str, Callable[[Path], None]]:
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


def make_configs(folder: Path, marker: Path) -> dict[str, str]:
    """Contents of a run folder's ``config.yaml`` that would run the payload or import a stranger's module, by form."""
    evil = make_live_component(marker)
    (folder / "noise.yaml").write_text("class_path: stranger.Noise\n")
    noise = {"class_path": "stranger.Noise"}

    def with_augmentation(value: Any) -> dict[str, Any]:
        return {**SYNTHETIC, "init_args": {**SYNTHETIC["init_args"], "augmentation": value}}  # type: ignore[dict-item]

    further = "datamodules.transforms.FlipScaleCrop"
    data: dict[str, Any] = {
        "data of a stranger": make_component("stranger.Data"),
        "data of os": make_component("os.system", command=f"touch {marker}"),
        "data through ours": make_component("datamodules.base.os.system", command=f"touch {marker}"),
        "data as text": json.dumps(make_component("stranger.Data")),
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
        "further": with_augmentation(make_component(further, further=[{"stranger.Noise": {}}])),
        "further within": with_augmentation(make_component(further, further=[{"GaussNoise": {"std_range": noise}}])),
        "further as text": with_augmentation(
            make_component(further, further=[{"GaussNoise": {"x": json.dumps(noise)}}])
        ),
    }
    found = {name: yaml.safe_dump({"data": one}) for name, one in data.items()}
    run = f"!!python/object/apply:os.system ['touch {marker}']"
    return found | {
        "a tag of python": f"data: {run}\n",
        "a tag in the model": f"data: {json.dumps(SYNTHETIC)}\nmodel: {run}\n",
        "a tag that imports": "data: !!python/name:stranger.Net\n",
    }
