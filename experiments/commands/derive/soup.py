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
from experiments.checkpoints.opened_checkpoint import CheckpointFile, find_distinct_digests
from experiments.command_line.chosen_data import ChosenData
from experiments.command_line.device import AUTO, find_device
from experiments.command_line.verb_parser import call_verb
from lightning_modules.finite import find_finite, require_finite
from lightning_modules.labels import find_classes, require_labelled
from lightning_modules.metrics.counts import compute_confusion, mean_iou
from user_error import UserError

EXAMPLES = """
--checkpoints runs/a/best.ckpt runs/b/best.ckpt runs/c/best.ckpt --output runs/soup/best.ckpt
--checkpoints runs/*/best.ckpt --method greedy --output runs/soup/best.ckpt

A soup costs what one network costs. It needs trainings that lie in one basin: that start from one trained network, or are
moments of one training (snapshot-*.ckpt); networks trained apart from random weights cannot be averaged."""


def average_states(states: Sequence[Mapping[str, Tensor]]) -> dict[str, Tensor]:
    """The mean of each floating-point entry, in double precision; integers, such as counters, are those of the first."""
    first = states[0]
    return {
        name: torch.stack([state[name].double() for state in states]).mean(0).to(value.dtype)
        if value.is_floating_point()
        else value.clone()
        for name, value in first.items()
    }


class Souping:
    """Averages and scores states of one network.

    Args:
        network: the network into which states are loaded.
        data: training images for the statistics of batch normalisation, validation images for the scores.
        device: of the network.
    """

    def __init__(self, network: nn.Module, data: SegmentationDataModule, device: torch.device) -> None:
        self.network = network
        self.data = data
        self.device = device

    def average(self, states: Sequence[Mapping[str, Tensor]]) -> dict[str, Tensor]:
        """The mean of the states, with the statistics of batch normalisation recomputed on the training images."""
        self.network.load_state_dict(average_states(states))
        if len(states) > 1 and any(
            isinstance(module, nn.modules.batchnorm._BatchNorm) for module in self.network.modules()
        ):
            update_bn(self._iterate_images(), self.network, self.device)
        return {name: value.detach().cpu().clone() for name, value in self.network.state_dict().items()}

    def _iterate_images(self) -> Any:
        """Batches of training images; complete ones alone, where there are any, so that all have the same weight."""
        loader = self.data.make_evaluation_dataloader("train")
        has_complete = len(self.data.open_split("train")) >= self.data.eval_batch_size
        for batch in tqdm(loader, desc="statistics", unit="batch"):
            real = [bool(name) for name in batch["id"]]
            if all(real) or not has_complete:
                yield batch["image"][real]

    @torch.inference_mode()
    def score(self, state: Mapping[str, Tensor]) -> float:
        """The mIoU of a state on the validation split.

        Raises:
            UserError: its logits are not finite, or no pixel has a label.
        """
        self.network.load_state_dict(state)
        self.network.eval()
        classes = self.data.num_classes
        confusion = torch.zeros(1, classes, classes, dtype=torch.long, device=self.device)
        for batch in tqdm(self.data.val_dataloader(), desc="validation", unit="batch"):
            logits = self.network(batch["image"].to(self.device))
            require_finite(find_finite(logits)[None], batch["id"])
            confusion += compute_confusion(find_classes(logits), batch["mask"].long().to(self.device), classes).sum(0)
        require_labelled(bool(confusion.any()), "validation images")
        return float(mean_iou(confusion)[0])


def select_greedily(
    states: Sequence[Mapping[str, Tensor]],
    scores: Sequence[float],
    average: Callable[[Sequence[Mapping[str, Tensor]]], dict[str, Tensor]],
    score: Callable[[Mapping[str, Tensor]], float],
) -> tuple[list[int], float]:
    """Indices of the ingredients of the greedy soup, in the order in which they were added, and its score."""
    order = sorted(range(len(states)), key=lambda place: -scores[place])
    selected, best = order[:1], scores[order[0]]
    for place in order[1:]:
        found = score(average([states[one] for one in (*selected, place)]))
        if found >= best:
            selected, best = [*selected, place], found
    return selected, best


def make_soup(
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
        UserError: the networks cannot be averaged, or the data do not fit them.
    """
    if len(checkpoints) < 2:
        raise UserError("a soup needs two checkpoints at least: pass more to --checkpoints")
    derived_checkpoint.require_own_folder(output, checkpoints, "soup")
    files = [CheckpointFile(path) for path in checkpoints]
    digests = find_distinct_digests(files)
    require_memory(checkpoints)
    contents = derived_checkpoint.read_alike(files)
    derived_checkpoint.require_one_architecture(
        checkpoints, contents, "a soup needs networks of one architecture; 'ensemble' combines others"
    )
    require_different_weights(checkpoints, contents)
    hyper = contents[0]["hyper_parameters"]
    require_its_data(files[0], hyper["num_classes"], hyper["in_channels"], data.module)
    on = find_device(device)
    souping = Souping(load_module(files[0]).to(on).network, data.module, on)
    states = [derived_checkpoint.extract_network_state(content) for content in contents]
    selected = list(range(len(states)))
    if method == "greedy":
        scores = [souping.score(state) for state in states]
        selected, best = select_greedily(states, scores, souping.average, souping.score)
        for place, score in enumerate(scores):
            print(f"{checkpoints[place]}: mIoU {100 * score:.1f} %{', kept' if place in selected else ''}")
        print(f"the soup: {100 * best:.1f} % in validation")
    state = souping.average([states[place] for place in selected])
    content = {
        **contents[0],
        "state_dict": {**contents[0]["state_dict"], **derived_checkpoint.add_network_prefix(state)},
    }
    facts = {"method": method, "of": digests, "kept": selected}
    shared = derived_checkpoint.find_shared_settings(checkpoints)
    described = shared.get("model") or {"init_args": {"network": hyper["network"]}}
    run = shared | {"model": {**described, "soup": facts}, "data": data.settings}
    sources = [derived_checkpoint.describe_source(*pair) for pair in zip(digests, contents, strict=True)]
    derived_checkpoint.write(output, content, "soup", {"method": method, "kept": selected}, sources, run)
    print(f"soup of {len(selected)} of {len(checkpoints)}: {output}", flush=True)


def main(argv: list[str]) -> None:
    """The verb."""
    call_verb("soup", make_soup, EXAMPLES, argv)
