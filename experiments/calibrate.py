"""Fit the temperature of a network's probabilities on its validation split, and write the calibrated network."""

from pathlib import Path
from typing import Any

from experiments.checkpoints import derived_checkpoint
from experiments.checkpoints.checkpoint import load_module, read_checkpoint
from experiments.checkpoints.data_parser import (
    DataParser,
    add_data_argument,
    data_parser,
    named_file,
    parse,
    require_its_data,
)
from experiments.checkpoints.opened_checkpoint import CheckpointFile
from experiments.checkpoints.settings import plain, read_settings
from experiments.command_line.device import add_device_argument, on_device
from experiments.probing.temperature import temperature_of
from lightning_modules.networks.temperature import TemperatureScaled
from user_error import UserError

EXAMPLES = """
  python -m experiments calibrate --checkpoint runs/synthetic_unet/best.ckpt --output runs/synthetic_unet_calibrated/best.ckpt
  python -m experiments calibrate --checkpoint runs/ensemble/best.ckpt --output runs/ensemble_calibrated/best.ckpt

No prediction changes, only how sure the network says it is. The result is an ordinary checkpoint: 'benchmark' sweeps it,
and 'report' shows its reliability under every condition beside that of the network before."""


def build_parser(checkpoint: Path) -> DataParser:
    """The options of the verb; the data in the run folder of `checkpoint` are their default."""
    parser = data_parser(
        "calibrate",
        "Temperature scaling (Guo et al., ICML 2017): fit the number that the logits are divided by, for the "
        "lowest negative log-likelihood of the clean validation split.",
        EXAMPLES,
    )
    parser.add_argument("--checkpoint", required=True, help="file of a trained network, an ensemble, a soup, ...")
    parser.add_argument("--output", required=True, help="checkpoint to write, in a folder of its own")
    parser.add_argument("--pixels", type=int, default=100_000, help="pixels to fit on, drawn from the whole split")
    parser.add_argument("--seed", type=int, default=0, help="of the draw of pixels")
    add_device_argument(parser)
    add_data_argument(parser, checkpoint)
    return parser


def scaled(content: dict[str, Any], temperature: float) -> dict[str, Any]:
    """The checkpoint of a network with its temperature; one that has a temperature already gets another."""
    network, kind = content["hyper_parameters"]["network"], derived_checkpoint.component(TemperatureScaled, {})
    if network["class_path"] != kind["class_path"]:
        return derived_checkpoint.wrapped(content, TemperatureScaled, {"temperature": temperature})
    temperature *= network["init_args"].get("temperature", 1.0)
    again = {**network, "init_args": {**network["init_args"], "temperature": temperature}}
    return {**content, "hyper_parameters": {**content["hyper_parameters"], "network": again}}


def main(argv: list[str]) -> None:
    """The verb."""
    checkpoint = named_file(argv)
    options, settings = parse(build_parser(checkpoint), argv)
    file = CheckpointFile(checkpoint)
    module, output = load_module(file), Path(options.output)
    require_its_data(file, module.num_classes, module.hparams["in_channels"], options.data)
    if options.pixels < 1 or options.seed < 0:
        raise UserError("--pixels must be 1 or more, and --seed 0 or more")
    derived_checkpoint.require_own_folder(output, [checkpoint], "calibrate")
    temperature = temperature_of(on_device(module, options.device).network, options.data, options.pixels, options.seed)
    run = read_settings(checkpoint) or {"model": {}}
    fitted = {"pixels": options.pixels, "seed": options.seed, "after": (run.get("model") or {}).get("calibrate")}
    model = {**(run.get("model") or {}), "calibrate": fitted}
    content = scaled(read_checkpoint(file), temperature)
    facts = {"temperature": temperature, "from": file.sha256}
    run = {**run, "model": model, "data": plain(settings.data.as_dict())}
    derived_checkpoint.write(output, content, "calibrate", facts, run)
    print(f"checkpoint: {output}", flush=True)
