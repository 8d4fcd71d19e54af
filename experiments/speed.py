"""Measure speed as ratios within one run: absolute times mean little on shared machines."""

import statistics
import time
from collections.abc import Callable
from functools import partial

import torch
from tqdm import tqdm

from datamodules.corruptions.stream import ConditionStream
from experiments.benchmark import find_suite
from experiments.light_parser import light_parser
from lightning_modules.networks.smp import SmpNetwork
from lightning_modules.segmentation import SegmentationModule

EXAMPLES = """
--rounds 9
--size 512 --batch-size 4
"""


def sweep_against_forward(
    size: int, batch_size: int, rounds: int, suite: str, classes: int = 19
) -> tuple[float, float, list[float]]:
    """A sweep's step against as many bare forward passes on tensors in memory (U-Net, ResNet-18).

    The two take turns, and each round gives one ratio.

    Returns:
        Median seconds of the forward passes and of the sweep for one batch, and the ratio of every round.
    """
    torch.manual_seed(0)
    make_network = partial(SmpNetwork, architecture="Unet", encoder="resnet18")
    module = SegmentationModule(make_network, num_classes=classes).eval()
    module.setup("test")
    network: SmpNetwork = module.network  # type: ignore[assignment]
    conditions = find_suite(suite)
    module.count_conditions(len(conditions.conditions))
    image = torch.randint(0, 256, (batch_size, 3, size, size), dtype=torch.uint8)
    mask = torch.randint(0, classes, (batch_size, size, size))
    ids = [str(place) for place in range(batch_size)]
    tensors = network.normalise(image).contiguous(memory_format=torch.channels_last)

    def forward() -> None:
        for _ in conditions.conditions:
            network.logits(tensors)

    def sweep() -> None:
        stream = ConditionStream(conditions, image, mask, ids)
        module.test_step({"image": image, "mask": mask, "id": ids, "conditions": stream}, 0)

    pairs = []
    with torch.inference_mode():
        timed(forward), timed(sweep)  # both warm
        for _ in tqdm(range(rounds), desc="sweep against forward", unit="round"):
            pairs.append((timed(forward), timed(sweep)))
    bare, whole = (statistics.median(column) for column in zip(*pairs, strict=True))
    return bare, whole, [one / other for other, one in pairs]


def timed(work: Callable[[], None]) -> float:
    """Seconds that `work` takes."""
    started = time.perf_counter()
    work()
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return time.perf_counter() - started


def main(argv: list[str]) -> None:
    """The verb."""
    parser = light_parser(
        "speed",
        "Time a sweep's step against as many bare forward passes of the same network on tensors in memory.",
        EXAMPLES,
    )
    parser.add_argument("--size", type=int, default=256, help="height and width of the images")
    parser.add_argument("--batch-size", type=int, default=8)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--suite", default="core")
    args = parser.parse_args(argv)
    bare, whole, ratios = sweep_against_forward(args.size, args.batch_size, args.rounds, args.suite)
    print(
        f"\nsuite {args.suite}, {args.batch_size} x 3 x {args.size} x {args.size}, {torch.get_num_threads()} threads: "
        f"forward passes {bare:.2f} s, sweep {whole:.2f} s\n"
        f"sweep / forward: median {statistics.median(ratios):.3f} "
        f"(min {min(ratios):.3f}, max {max(ratios):.3f}, {len(ratios)} rounds)"
    )
