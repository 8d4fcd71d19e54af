"""Fit the temperature of a network's probabilities on its validation split, and write the calibrated network."""

from pathlib import Path
from typing import Any

from experiments.checkpoints import derived_checkpoint
from experiments.checkpoints.checkpoint import load_module, read_checkpoint
from experiments.checkpoints.matching import require_its_data
from experiments.checkpoints.opened_checkpoint import CheckpointFile
from experiments.checkpoints.settings import read_settings
from experiments.command_line.chosen_data import ChosenData
from experiments.command_line.device import AUTO, move_to_device
from experiments.command_line.verb_parser import call_verb
from experiments.probing.temperature import fit_validation_temperature
from lightning_modules.networks.wrappers.temperature import TemperatureScaled
from user_error import UserError

EXAMPLES = """
--checkpoint runs/synthetic_unet/best.ckpt --output runs/synthetic_unet_calibrated/best.ckpt
--checkpoint runs/ensemble/best.ckpt --output runs/ensemble_calibrated/best.ckpt

No prediction changes, only how sure the network says it is. The result is an ordinary checkpoint: 'benchmark' sweeps it,
and 'report' shows its reliability under every condition beside that of the network before."""


def set_temperature(content: dict[str, Any], temperature: float) -> dict[str, Any]:
    """The checkpoint of a network with a temperature; an existing temperature is multiplied by it."""
    network, kind = content["hyper_parameters"]["network"], derived_checkpoint.make_component(TemperatureScaled, {})
    if network["class_path"] != kind["class_path"]:
        return derived_checkpoint.wrap_content(content, TemperatureScaled, {"temperature": temperature})
    temperature *= network["init_args"].get("temperature", 1.0)
    rescaled = {**network, "init_args": {**network["init_args"], "temperature": temperature}}
    return {**content, "hyper_parameters": {**content["hyper_parameters"], "network": rescaled}}


def calibrate_network(
    *,
    checkpoint: Path,
    output: Path,
    pixels: int = 100_000,
    seed: int = 0,
    device: str = AUTO,
    data: ChosenData,
) -> None:
    """Temperature scaling (Guo et al., ICML 2017).

    Fit the number that the logits are divided by, for the lowest negative log-likelihood of the clean validation split.

    Args:
        checkpoint: file of a trained network, an ensemble, a soup, ...
        output: checkpoint to write, in a folder of its own.
        pixels: pixels to fit on, drawn from the whole split.
        seed: of the draw of pixels.
        device: cpu, cuda, ... (default: a GPU where there is one).
        data: with the validation split.

    Raises:
        UserError: data or options do not fit the network.
    """
    file = CheckpointFile(checkpoint)
    module = load_module(file)
    require_its_data(file, module.num_classes, module.hparams["in_channels"], data.module)
    if pixels < 1 or seed < 0:
        raise UserError("--pixels must be 1 or more, and --seed 0 or more")
    derived_checkpoint.require_own_folder(output, [checkpoint], "calibrate")
    temperature = fit_validation_temperature(move_to_device(module, device).network, data.module, pixels, seed)
    run = read_settings(checkpoint) or {"model": {}}
    fitted = {"pixels": pixels, "seed": seed, "after": (run.get("model") or {}).get("calibrate")}
    model = {**(run.get("model") or {}), "calibrate": fitted}
    inner = read_checkpoint(file)
    source = derived_checkpoint.describe_source(file.sha256, inner)
    content, facts = (
        set_temperature(inner, temperature),
        {"temperature": temperature, "pixels": pixels, "seed": seed},
    )
    derived_checkpoint.write(
        output, content, "calibrate", facts, [source], {**run, "model": model, "data": data.settings}
    )
    print(f"checkpoint: {output}", flush=True)


def main(argv: list[str]) -> None:
    """The verb."""
    call_verb("calibrate", calibrate_network, EXAMPLES, argv)
