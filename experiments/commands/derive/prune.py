"""Prune a trained network: fewer channels, or more zeros, as an ordinary checkpoint."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Annotated, Any

import torch
from torch import nn

from datamodules.base import SegmentationDataModule
from experiments.checkpoints import derived_checkpoint
from experiments.checkpoints.checkpoint import extract_data_state, load_module, read_checkpoint
from experiments.checkpoints.matching import require_its_data
from experiments.checkpoints.opened_checkpoint import CheckpointFile
from experiments.checkpoints.settings import read_settings
from experiments.command_line.chosen_data import ChosenData
from experiments.command_line.device import AUTO, move_to_device
from experiments.command_line.verb_parser import Option, call_verb
from lightning_modules.multiply_adds import count_multiply_adds
from lightning_modules.networks.wrappers.pruned import PrunedNetwork
from lightning_modules.pruning.channels import CRITERIA, remove_channels
from lightning_modules.pruning.plan import Plan, make_plan
from lightning_modules.pruning.weights import (
    RANKINGS,
    apply_masks,
    compute_sparsity,
    find_empty_layers,
    get_prunable_weights,
    mask_smallest,
    mask_two_of_four,
    require_ratio,
    select_inputs_second,
)
from lightning_modules.segmentation import SegmentationModule
from user_error import UserError

METHODS = ("channels", *RANKINGS, "two_of_four")

EXAMPLES = """
--checkpoint runs/kvasir_fpn/best.ckpt --ratio 0.5 --output runs/half/best.ckpt
--checkpoint runs/kvasir_fpn/best.ckpt --method magnitude --ratio 0.8 --output runs/sparse/best.ckpt

  python -m experiments fit --config experiments/configs/recipe/kvasir_unet.yaml --start runs/half/best.ckpt --run runs/half_tuned
  python -m experiments fit --config experiments/configs/recipe/kvasir_unet.yaml --start runs/sparse/best.ckpt \\
      --trainer.callbacks lightning_modules.callbacks.sparsity.KeepZeros --run runs/sparse_tuned

Only 'channels' makes a network faster. A pruned network is fine-tuned by the recipe that it was trained by; pruned again
after that, it is pruned step by step."""


@dataclass(frozen=True, kw_only=True)
class Options:
    """Prune a trained network.

    'channels' removes channels, with all that depends on them, until --ratio of the multiply-adds are gone (Fang et al.,
    CVPR 2023); 'magnitude' sets the fraction --ratio of all weights to zero, the smallest ones; 'lamp' the smallest
    relative to those of their layer, so that each keeps some; 'two_of_four' two of every four. The result is an ordinary
    checkpoint, without its fine-tuning.

    Args:
        checkpoint: file of a trained network.
        output: checkpoint to write, in a folder of its own.
        method: what is removed.
        ratio: fraction to remove, in (0, 1).
        criterion: of 'channels': what is least important.
        keep: of 'channels': parts that are not pruned, such as model.encoder of a network of smp.
        multiple: of 'channels': layers keep multiples of so many.
        batches: of 'taylor': training batches for its gradients.
        rewind_to: of zeros: the weights beside them are those of this file.
        device: cpu, cuda, ... (default: a GPU where there is one).
        data: for the gradients of 'taylor'.
    """

    checkpoint: Path
    output: Path
    method: Annotated[str, Option(choices=METHODS)] = "channels"
    ratio: float | None = None
    criterion: Annotated[str, Option(choices=CRITERIA)] = "magnitude"
    keep: Annotated[Sequence[str], Option(metavar="PART")] = ()
    multiple: int = 8
    batches: int = 8
    rewind_to: Annotated[Path | None, Option(metavar="CHECKPOINT")] = None
    device: str = AUTO
    data: ChosenData

    @property
    def removed_ratio(self) -> float:
        """The fraction to remove; two of four are half."""
        return 0.5 if self.ratio is None else self.ratio


def check(options: Options) -> None:
    """Refuse options that exclude each other or are out of range.

    Raises:
        UserError: they do.
    """
    if options.method == "two_of_four":
        if options.ratio not in (None, 0.5):
            raise UserError(f"two of four are half: leave --ratio {options.ratio:g} out")
    elif options.ratio is None:
        raise UserError("how much is to be removed? pass --ratio, such as 0.5")
    else:
        require_ratio(options.ratio)
    if options.method == "channels" and options.rewind_to is not None:
        raise UserError("--rewind-to goes with zeros: pass --method magnitude, lamp or two_of_four")
    if options.method != "channels" and options.keep:
        raise UserError("--keep goes with channels: zeros are taken from all weights alike")
    if options.multiple < 1 or options.batches < 1:
        raise UserError("--multiple and --batches must be 1 or more")


def accumulate_gradients(
    module: SegmentationModule, data: SegmentationDataModule, batches: int, network: nn.Module
) -> None:
    """Accumulate the gradients of the module's loss over some training batches in `network`, in evaluation mode."""
    module.network = network
    for batch in islice(data.make_evaluation_dataloader("train"), batches):
        tensors = {key: value.to(module.device) for key, value in batch.items() if isinstance(value, torch.Tensor)}
        module.compute_loss({**batch, **tensors, "mask": tensors["mask"].long()}).backward()


def prune_channels(
    content: dict[str, Any], module: SegmentationModule, options: Options
) -> tuple[dict[str, Any], list[str]]:
    """The checkpoint of a network with fewer channels, and the names of the parts that were not pruned."""
    network, data = module.network, options.data.module
    image = next(iter(data.val_dataloader()))["image"][:1].to(module.device)
    feed = partial(accumulate_gradients, module, data, options.batches) if options.criterion == "taylor" else None
    removed = remove_channels(
        network,
        image,
        options.removed_ratio,
        lambda one: count_multiply_adds(partial(one, image)),
        options.criterion,
        options.multiple,
        feed,
        options.keep,
    )
    module.network = removed.network
    hyper, plan = content["hyper_parameters"], make_plan(network, removed.network)
    described, state = hyper["network"], removed.network.state_dict()
    if isinstance(network, PrunedNetwork):  # pruned before: the plans are merged
        plan, described = merge(described["init_args"]["plan"], plan), described["init_args"]["network"]
    else:
        state = {f"network.{name}": value for name, value in state.items()}
    return derived_checkpoint.make_content(
        derived_checkpoint.make_component(PrunedNetwork, {"network": described, "plan": plan}),
        state,
        hyper["num_classes"],
        hyper["in_channels"],
        extract_data_state(content),
    ), removed.unpruned


def merge(before: Plan, after: Plan) -> Plan:
    """Merge the plan of a network with that of the `PrunedNetwork` that it has become."""
    inner = {name.removeprefix("network."): changed for name, changed in after.items()}
    return {name: before.get(name, {}) | inner.get(name, {}) for name in before | inner}


def prune_weights(
    content: dict[str, Any], module: SegmentationModule, options: Options, earlier: CheckpointFile | None
) -> tuple[dict[str, Any], list[str]]:
    """The checkpoint of a sparse network, and the names of the layers that stayed dense.

    Raises:
        UserError: the checkpoint to rewind to is of another network.
    """
    weights = get_prunable_weights(module.network)
    if not weights:
        raise UserError(f"{type(module.network).__name__} has no layer whose weights could become zero")
    if options.method == "two_of_four":
        masks = mask_two_of_four(select_inputs_second(module.network))
    else:
        masks = mask_smallest(weights, options.removed_ratio, options.method)
    if earlier is not None:
        before = read_checkpoint(earlier)
        derived_checkpoint.require_one_architecture(
            [options.checkpoint, earlier.path], [content, before], "rewind to an epoch of the same training"
        )
        module.network.load_state_dict(derived_checkpoint.extract_network_state(before))
    apply_masks(weights, masks)
    state = derived_checkpoint.add_network_prefix(module.network.state_dict())
    return {**content, "state_dict": {**content["state_dict"], **state}}, [
        name for name in weights if name not in masks
    ]


def describe(module: SegmentationModule, image: torch.Tensor) -> str:
    """Describe a network's size in one line."""
    network = module.network
    parameters = sum(one.numel() for one in network.parameters())
    adds = count_multiply_adds(partial(network, image))
    zeros = compute_sparsity(get_prunable_weights(network).values())
    return f"{parameters / 1e6:.2f} M parameters, {adds / 1e9:.3f} G multiply-adds, {zeros:.1%} of the weights zero"


def main(argv: list[str]) -> None:
    """The verb."""
    options: Options = call_verb("prune", Options, EXAMPLES, argv)
    checkpoint, data = options.checkpoint, options.data.module
    check(options)
    file, output = CheckpointFile(checkpoint), options.output
    module = move_to_device(load_module(file), options.device)
    require_its_data(file, module.num_classes, module.hparams["in_channels"], data)
    derived_checkpoint.require_own_folder(output, [checkpoint], "prune")
    content, image = (
        read_checkpoint(file),
        next(iter(data.val_dataloader()))["image"][:1].to(module.device),
    )
    print(f"before: {describe(module, image)}", flush=True)
    earlier = None if options.rewind_to is None else CheckpointFile(options.rewind_to)
    if options.method == "channels":
        pruned, unpruned = prune_channels(content, module, options)
    else:
        pruned, unpruned = prune_weights(content, module, options, earlier)
    facts = {"from": file.sha256, "method": options.method, "ratio": options.removed_ratio, "whole": unpruned}
    if options.method == "channels":
        facts |= {"criterion": options.criterion, "multiple": options.multiple, "keep": list(options.keep)}
    if earlier is not None:
        facts["rewound_to"] = earlier.sha256
    run = read_settings(checkpoint) or {}
    model = {**(run.get("model") or {}), "prune": facts}
    model["init_args"] = {**(model.get("init_args") or {}), "network": pruned["hyper_parameters"]["network"]}
    made = {key: value for key, value in facts.items() if key != "from"}
    source = derived_checkpoint.describe_source(file.sha256, content)
    derived_checkpoint.write(
        output, pruned, "prune", made, [source], run | {"model": model, "data": options.data.settings}
    )
    print(f"after:  {describe(module, image)}")
    if lost := find_empty_layers(get_prunable_weights(module.network)):
        print(f"empty:  {', '.join(lost)} (no weight is left: '--method lamp' leaves some in each layer)")
    if unpruned:
        print(f"whole:  {', '.join(unpruned)}")
    print(f"pruned: {output} (fine-tune it by 'fit --start {output}')", flush=True)
