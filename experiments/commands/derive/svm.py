"""Fit a linear support vector machine on the frozen features of a checkpoint, and write it as the last layer of another."""

import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from sklearn.exceptions import ConvergenceWarning
from sklearn.svm import LinearSVC

from datamodules.base import SegmentationDataModule
from experiments.checkpoints import derived_checkpoint
from experiments.checkpoints.checkpoint import load_module, read_checkpoint
from experiments.checkpoints.matching import require_its_data
from experiments.checkpoints.opened_checkpoint import CheckpointFile
from experiments.checkpoints.settings import read_settings, to_plain
from experiments.command_line.chosen_data import ChosenData
from experiments.command_line.device import AUTO, move_to_device
from experiments.command_line.verb_parser import call_verb
from experiments.probing.pixel_features import LinearHead, find_head, sample_features
from experiments.probing.temperature import fit_validation_temperature
from lightning_modules.segmentation import SegmentationModule
from user_error import UserError

EXAMPLES = """
--checkpoint runs/synthetic_unet/best.ckpt --output runs/synthetic_unet_svm/best.ckpt
--checkpoint runs/camvid_fpn/best.ckpt --output runs/camvid_fpn_svm/best.ckpt --C 0.01

The result is an ordinary checkpoint: 'benchmark' sweeps it and 'predict' uses it. It is not for 'fit' to resume."""


@dataclass(frozen=True, kw_only=True)
class Options:
    """CNN-SVM in two steps.

    Replace the last layer of a trained network by a linear SVM on its features, and fit a temperature on the validation
    split that makes its margins into probabilities.

    Args:
        checkpoint: file that 'fit' wrote; its other layers stay as they are.
        output: checkpoint to write, in a folder of its own.
        pixels: pixels to fit on, equally many of each class.
        C: cost of a violated margin; smaller means wider margins.
        seed: of the draw of pixels.
        device: cpu, cuda, ... (default: a GPU where there is one).
        data: with the training and validation splits.
    """

    checkpoint: Path
    output: Path
    pixels: int = 20_000
    C: float = 1.0
    seed: int = 0
    device: str = AUTO
    data: ChosenData


def fit_svm(features: np.ndarray, labels: np.ndarray, cost: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Fit a linear SVM for each class against the rest, with the squared hinge loss (scikit-learn's ``LinearSVC``).

    Features are standardised for the fit, so that the penalty on the weights treats them alike, and the standardisation is
    folded into the weights. For two classes, one SVM gives both, with opposite signs.

    Args:
        features: (N, D).
        labels: (N,) class ids; each of 0 ... K - 1 occurs.
        cost: C of the SVM.
        seed: of the solver, where it draws.

    Returns:
        Weights (K, D) and biases (K,).

    Raises:
        UserError: the solver does not converge.
    """
    features = features.astype(np.float64)
    mean, std = features.mean(0), features.std(0)
    std[std <= 1e-6 * std.max()] = 1.0  # a channel that is never active
    machine = LinearSVC(C=cost, class_weight="balanced", max_iter=10_000, random_state=seed)
    with warnings.catch_warnings():
        warnings.simplefilter("error", ConvergenceWarning)
        try:
            machine.fit((features - mean) / std, labels)
        except ConvergenceWarning as error:
            raise UserError(f"the SVM does not converge at --C {cost:g}: lower it, or pass more --pixels") from error
    weight, bias = machine.coef_, machine.intercept_
    if len(weight) == 1:
        weight, bias = np.concatenate([-weight, weight]), np.concatenate([-bias, bias])
    weight = weight / std
    return weight, bias - weight @ mean


def replace_head(head: LinearHead, data: SegmentationDataModule, options: Options) -> None:
    """Fit the SVM on the training split and load it into the head.

    Raises:
        UserError: a class has no pixel in that split.
    """
    classes = data.num_classes
    found = sample_features(
        head, data.make_evaluation_dataloader("train"), classes, options.pixels // classes, options.seed
    )
    missing = [name for number, name in enumerate(data.classes) if number not in found]
    if missing:
        raise UserError(
            f"the training split shows no pixel of {', '.join(missing)}, so no SVM can know it: pass --data with images "
            "of every class"
        )
    features = np.concatenate(list(found.values()))
    labels = np.repeat(list(found), [len(rows) for rows in found.values()])
    print(f"fitting on {len(labels)} pixels, {features.shape[1]} features each", flush=True)
    weight, bias = fit_svm(features, labels, options.C, options.seed)
    accuracy = float(((features @ weight.T + bias).argmax(1) == labels).mean())
    print(f"{100 * accuracy:.1f} % of these pixels are classified right", flush=True)
    like = head.weight
    head.load(torch.from_numpy(weight).to(like).view_as(like), torch.from_numpy(bias).to(like), 1.0)


def calibrate(head: LinearHead, data: SegmentationDataModule, options: Options) -> float:
    """Fit the temperature on the validation split and load it into the head.

    Raises:
        UserError: no pixel of that split has a label.
    """
    weight, bias = head.weight.detach().clone(), head.bias.detach().clone()
    before = head.temperature
    found = fit_validation_temperature(head.network, data, options.pixels, options.seed)
    head.load(weight, bias, before * found)
    return found


def check(options: Options, module: SegmentationModule) -> None:
    """Refuse invalid options before any work is done.

    Raises:
        UserError: the data do not fit the network, an option is out of range, or the output is in another training's folder.
    """
    data = options.data.module
    require_its_data(CheckpointFile(options.checkpoint), module.num_classes, module.hparams["in_channels"], data)
    if options.pixels < data.num_classes:
        raise UserError(f"--pixels {options.pixels} for {data.num_classes} classes: give at least one for each")
    if not options.C > 0:
        raise UserError(f"--C {options.C:g}: the cost of a violated margin must be above 0")
    if options.seed < 0:
        raise UserError(f"--seed {options.seed}: give 0 or more")
    derived_checkpoint.require_own_folder(options.output, [options.checkpoint], "svm")


def describe(module: SegmentationModule, options: Options) -> dict[str, Any]:
    """The settings of the training with those of the SVM added, which make one recipe for all seeds of the training."""
    data = options.data.settings
    run = read_settings(options.checkpoint) or {"model": to_plain(dict(module.hparams))}
    fitted: dict[str, Any] = {"pixels": options.pixels, "seed": options.seed, "head": "LinearSVC", "C": options.C}
    if run.get("data") not in (None, data):
        fitted["features_trained_on"] = run["data"]
    if "svm" in run["model"]:
        fitted["after"] = run["model"]["svm"]
    return {**run, "model": {**run["model"], "svm": fitted}, "data": data}


def main(argv: list[str]) -> None:
    """The verb."""
    options: Options = call_verb("svm", Options, EXAMPLES, argv)
    torch.backends.cudnn.allow_tf32 = False  # its rounding is coarser than the check of the features
    file, data = CheckpointFile(options.checkpoint), options.data.module
    module = load_module(file)
    check(options, module)
    head = find_head(move_to_device(module, options.device).network)
    replace_head(head, data, options)
    temperature = calibrate(head, data, options)
    described = describe(module, options)
    facts = {**described["model"]["svm"], "temperature": temperature}
    content = {**read_checkpoint(file), "state_dict": module.cpu().state_dict()}
    source = derived_checkpoint.describe_source(file.sha256, content)
    derived_checkpoint.write(options.output, content, "svm", facts, [source], described)
    print(f"checkpoint: {options.output}", flush=True)
