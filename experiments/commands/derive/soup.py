"""Average the weights of trained networks: a model soup, as an ordinary checkpoint."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import update_bn
from tqdm import tqdm

from datamodules.base import SegmentationDataModule
from experiments.checkpoints import derived_checkpoint
from experiments.checkpoints.checkpoint import load_module
from experiments.checkpoints.matching import require_its_data
from experiments.checkpoints.memory import require_memory
from experiments.checkpoints.one_training import require_different_weights
from experiments.checkpoints.opened_checkpoint import CheckpointFile, different
from experiments.command_line.chosen_data import ChosenData
from experiments.command_line.device import AUTO, usable
from experiments.command_line.verb_parser import call_verb
from lightning_modules.finite import find_finite, require_finite
from lightning_modules.labels import require_labelled
from lightning_modules.metrics.counts import compute_confusion, mean_iou
from user_error import UserError

EXAMPLES = """
--checkpoints runs/a/best.ckpt runs/b/best.ckpt runs/c/best.ckpt --output runs/soup/best.ckpt
--checkpoints runs/*/best.ckpt --method greedy --output runs/soup/best.ckpt

A soup costs what one network costs. It needs trainings that lie in one basin: that start from one trained network, or are
moments of one training (snapshot-*.ckpt); networks trained apart from random weights do not mix."""


def mean_state(states: Sequence[Mapping[str, Tensor]]) -> dict[str, Tensor]:
    """The mean of each floating-point entry, in double precision; of integers, such as counters, the first."""
    first = states[0]
    return {
        name: torch.stack([state[name].double() for state in states]).mean(0).to(value.dtype)
        if value.is_floating_point()
        else value.clone()
        for name, value in first.items()
    }


class Kitchen:
    """Mixes networks and tastes them.

    Args:
        network: takes the states one after the other.
        data: training images for the statistics of batch normalisation, validation images for the scores.
        device: of the network.
    """

    def __init__(self, network: nn.Module, data: SegmentationDataModule, device: torch.device) -> None:
        self.network = network
        self.data = data
        self.device = device

    def mix(self, states: Sequence[Mapping[str, Tensor]]) -> dict[str, Tensor]:
        """The mean of the states; its batch normalisation sees the training images once, as the weights are new to it."""
        self.network.load_state_dict(mean_state(states))
        if len(states) > 1 and any(
            isinstance(module, nn.modules.batchnorm._BatchNorm) for module in self.network.modules()
        ):
            update_bn(self._images(), self.network, self.device)
        return {name: value.detach().cpu().clone() for name, value in self.network.state_dict().items()}

    def _images(self) -> Any:
        """Whole batches alone, where there are any: all weigh the same, and others are filled up with copies."""
        loader = self.data.make_evaluation_dataloader("train")
        whole = len(self.data.open_split("train")) >= self.data.eval_batch_size
        for batch in tqdm(loader, desc="statistics", unit="batch"):
            real = [bool(name) for name in batch["id"]]
            if all(real) or not whole:
                yield batch["image"][real]

    @torch.inference_mode()
    def taste(self, state: Mapping[str, Tensor]) -> float:
        """The mIoU of a state on the validation split.

        Raises:
            UserError: its logits are no numbers, or no pixel has a label.
        """
        self.network.load_state_dict(state)
        self.network.eval()
        classes = self.data.num_classes
        confusion = torch.zeros(1, classes, classes, dtype=torch.long, device=self.device)
        for batch in tqdm(self.data.val_dataloader(), desc="validation", unit="batch"):
            logits = self.network(batch["image"].to(self.device))
            require_finite(find_finite(logits)[None], batch["id"])
            confusion += compute_confusion(logits.argmax(1), batch["mask"].long().to(self.device), classes).sum(0)
        require_labelled(bool(confusion.any()), "validation images")
        return float(mean_iou(confusion)[0])


def greedy(
    states: Sequence[Mapping[str, Tensor]],
    scores: Sequence[float],
    mix: Callable[[Sequence[Mapping[str, Tensor]]], dict[str, Tensor]],
    taste: Callable[[Mapping[str, Tensor]], float],
) -> tuple[list[int], float]:
    """Which ingredients the greedy soup keeps, in the order in which they came in, and its score."""
    order = sorted(range(len(states)), key=lambda place: -scores[place])
    kept, best = order[:1], scores[order[0]]
    for place in order[1:]:
        found = taste(mix([states[one] for one in (*kept, place)]))
        if found >= best:
            kept, best = [*kept, place], found
    return kept, best


def cook_soup(
    *,
    checkpoints: list[Path],
    output: Path,
    method: Literal["uniform", "greedy"] = "uniform",
    device: str = AUTO,
    data: ChosenData,
) -> None:
    """Model soups (Wortsman et al., ICML 2022): average the weights of networks of one architecture.

    The greedy soup takes them in the order of their validation mIoU and keeps each that does not lower that of the soup.

    Args:
        checkpoints: files of the ingredients.
        output: checkpoint to write, in a folder of its own.
        method: which ingredients are taken.
        device: cpu, cuda, ... (default: a GPU where there is one).
        data: whose training images give the statistics of batch normalisation.

    Raises:
        UserError: the networks cannot be averaged, or the data are not theirs.
    """
    if len(checkpoints) < 2:
        raise UserError("a soup needs two checkpoints at least: pass more to --checkpoints")
    derived_checkpoint.require_own_folder(output, checkpoints, "soup")
    files = [CheckpointFile(path) for path in checkpoints]
    digests = different(files)
    require_memory(checkpoints)
    contents = derived_checkpoint.read_alike(files)
    derived_checkpoint.require_one_architecture(
        checkpoints, contents, "a soup needs networks of one architecture; 'ensemble' combines others"
    )
    require_different_weights(checkpoints, contents)
    hyper = contents[0]["hyper_parameters"]
    require_its_data(files[0], hyper["num_classes"], hyper["in_channels"], data.module)
    on = usable(device)
    kitchen = Kitchen(load_module(files[0]).to(on).network, data.module, on)
    states = [derived_checkpoint.network_state(content) for content in contents]
    kept = list(range(len(states)))
    if method == "greedy":
        scores = [kitchen.taste(state) for state in states]
        kept, best = greedy(states, scores, kitchen.mix, kitchen.taste)
        for place, score in enumerate(scores):
            print(f"{checkpoints[place]}: mIoU {100 * score:.1f} %{', kept' if place in kept else ''}")
        print(f"the soup: {100 * best:.1f} % in validation")
    state = kitchen.mix([states[place] for place in kept])
    content = {**contents[0], "state_dict": {**contents[0]["state_dict"], **derived_checkpoint.named(state)}}
    facts = {"method": method, "of": digests, "kept": kept}
    shared = derived_checkpoint.shared_settings(checkpoints)
    described = shared.get("model") or {"init_args": {"network": hyper["network"]}}
    run = shared | {"model": {**described, "soup": facts}, "data": data.settings}
    sources = [derived_checkpoint.describe_source(*pair) for pair in zip(digests, contents, strict=True)]
    derived_checkpoint.write(output, content, "soup", {"method": method, "kept": kept}, sources, run)
    print(f"soup of {len(kept)} of {len(checkpoints)}: {output}", flush=True)


def main(argv: list[str]) -> None:
    """The verb."""
    call_verb("soup", cook_soup, EXAMPLES, argv)
