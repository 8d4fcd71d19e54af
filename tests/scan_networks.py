"""Every decoder on an encoder of every family: trained for a step, asked at odd sizes, pruned, exported.

``python tests/scan_networks.py`` tries all pairs and writes docs/decoders_and_encoders.md.
"""

import argparse
import os
import re
import resource
import shlex
import signal
import sys
import time
import warnings
from collections import defaultdict
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, as_completed
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT)] * (str(ROOT) not in sys.path)

import torchvision_operators  # noqa: E402, F401  # isort: skip  # before smp
import torch  # noqa: E402
from torch import nn  # noqa: E402
from torch.nn import functional as F  # noqa: E402

from experiments.exporting.exported_module import draw_images  # noqa: E402
from experiments.exporting.onnx_file import open_graph, trace_graph  # noqa: E402
from experiments.exporting.program import TOLERANCE, find_difference  # noqa: E402
from experiments.measuring.environment import describe_environment  # noqa: E402
from lightning_modules.multiply_adds import count_multiply_adds  # noqa: E402
from lightning_modules.networks.fcn import FcnNetwork  # noqa: E402
from lightning_modules.networks.smp import ARCHITECTURES, SmpNetwork  # noqa: E402
from lightning_modules.pruning.channels import remove_channels  # noqa: E402
from user_error import UserError, shorten  # noqa: E402

TABLE = ROOT / "docs/decoders_and_encoders.md"
DECODERS = (*ARCHITECTURES, "FCN")
OF_SMP = (
    "resnet18",
    "resnext50_32x4d",
    "dpn68",
    "vgg11",
    "vgg11_bn",
    "se_resnet50",
    "densenet121",
    "inceptionresnetv2",
    "inceptionv4",
    "efficientnet-b0",
    "mobilenet_v2",
    "xception",
    "timm-efficientnet-b0",
    "timm-tf_efficientnet_lite0",
    "timm-skresnet18",
    "mit_b0",
    "mobileone_s0",
)
"""The smallest encoder of each family of smp."""
OF_TIMM = (
    "resnet18",
    "regnetx_002",
    "convnext_atto",
    "rexnet_100",
    "mobilenetv3_small_050",
    "efficientnet_b0",
    "hrnet_w18_small",
    "mobilenetv4_conv_small",
    "lcnet_050",
    "ghostnet_100",
    "edgenext_xx_small",
    "mobilevitv2_050",
    "pvt_v2_b0",
    "vgg11",
    "densenet121",
    "dla34",
    "fastvit_t8",
    "repvit_m0_9",
    "poolformer_s12",
    "swin_tiny_patch4_window7_224",
    "vit_tiny_patch16_224",
    "maxvit_nano_rw_256",
)
"""A sample of the families of timm: of convolutions, of windows, of positions."""
ENCODERS = (*OF_SMP, *(f"tu-{name}" for name in OF_TIMM))
ODD = ((1, 1), (33, 47), (65, 70))
CLASSES = 3
SEED = 0
FACTS = {"O": "odd sizes", "T": "trains", "P": "prune", "E": "export"}
CHEAP, DEAR = "OT", "PE"
REFUSED = "refused"
DECODERS_PER_ENCODER = {"none": 0, "some": 1, "all": None}
"""How many decoders of an encoder are pruned and exported."""
LIBRARIES = ("torch", "segmentation-models-pytorch", "timm")
HEAD = """# Decoders and encoders

Every decoder on the smallest encoder of each family of smp, and on a sample of timm's, as
`{command}` finds them: {conditions}.

- **O**: odd sizes: images of 1 x 1, 33 x 47 and 65 x 70 give finite logits of their size.
- **T**: it trains: a step on two images of 65 x 70, a gradient for every parameter that learns.
- **P**: `prune`: a quarter of the multiply-adds goes, and what is left answers at odd sizes.
- **E**: `export`: ONNX Runtime gives the logits of the network.
- a small letter: it does not hold, and why stands below; a dot: not tried on this pair; refused: in a sentence, when it is made.
"""


def build(decoder: str, encoder: str, /, **settings: Any) -> nn.Module:
    """The network of a pair, its weights drawn anew."""
    torch.manual_seed(SEED)
    if decoder == "FCN":
        return FcnNetwork(CLASSES, encoder=encoder, **settings)
    return SmpNetwork(CLASSES, architecture=decoder, encoder=encoder, **settings)


def try_step(network: nn.Module) -> None:
    """One step of training: a finite loss, a gradient for every parameter, and weights that are still finite.

    Raises:
        ValueError: a parameter is without a gradient (DDP would wait for it), or something is not finite.
    """
    torch.manual_seed(SEED)
    image, mask = draw_images(2, 3, (65, 70), SEED), torch.randint(CLASSES, (2, 65, 70))
    optimiser = torch.optim.SGD(network.train().parameters(), lr=1e-3)
    loss = F.cross_entropy(network(image), mask)
    loss.backward()
    left = [name for name, one in network.named_parameters() if one.requires_grad and one.grad is None]
    if left:
        raise ValueError(f"no gradient for {len(left)} parameters, {left[0]} the first")
    optimiser.step()
    if not (loss.isfinite() and all(one.isfinite().all() for one in network.parameters())):
        raise ValueError("what a step leaves is not finite")


@torch.inference_mode()
def try_odd_sizes(network: nn.Module) -> None:
    """Logits of the size of the image, whatever that is.

    Raises:
        ValueError: they are of another size, or not finite.
    """
    network.eval()
    for height, width in ODD:
        logits = network(draw_images(1, 3, (height, width), SEED))
        if logits.shape != (1, CLASSES, height, width) or not logits.isfinite().all():
            raise ValueError(f"an image of {height} x {width} gives logits of {tuple(logits.shape)}, or not finite")


def try_prune(network: nn.Module) -> None:
    """A quarter of the multiply-adds goes, and the rest still answers."""
    image = draw_images(1, 3, (64, 64), SEED)
    smaller = remove_channels(network.eval(), image, 0.25, lambda one: count_multiply_adds(partial(one, image))).network
    try_odd_sizes(smaller)


def try_export(network: nn.Module) -> None:
    """The file says what the network says.

    Raises:
        ValueError: it does not.
    """
    network.eval()
    graph = trace_graph(network, draw_images(1, 3, (64, 64), SEED))
    images = draw_images(2, 3, (64, 64), SEED + 1)
    with torch.inference_mode():
        apart = find_difference(open_graph(graph)(images), network(images))
    if not apart <= TOLERANCE:
        raise ValueError(f"the file differs by {apart:.2g}")


TRIALS: dict[str, Callable[[nn.Module], None]] = {
    "O": try_odd_sizes,
    "T": try_step,
    "P": try_prune,
    "E": try_export,
}


def choose_dear(found: dict[str, dict[str, str]], share: str, encoder: str) -> list[str]:
    """The decoders of an encoder that are pruned and exported.

    Args:
        found: what was found of each decoder.
        share: "none", "all", or "some": one for each encoder, another for the next, so that each decoder has its turn.
        encoder: the encoder.
    """
    first = ENCODERS.index(encoder) % len(DECODERS)
    taken = [one for one in (*DECODERS[first:], *DECODERS[:first]) if REFUSED not in found[one]]
    return taken[: DECODERS_PER_ENCODER[share]]


def try_pair(decoder: str, encoder: str, facts: str) -> dict[str, str]:
    """Build a pair and try `facts` on it one after the other: fact to what is wrong with it, "" where nothing is."""
    try:
        network = build(decoder, encoder)
    except UserError as error:
        return {REFUSED: str(error)}
    found = {}
    for fact in facts:
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                TRIALS[fact](network)
            found[fact] = ""
        except UserError as error:
            found[fact] = str(error)
        except Exception as error:
            found[fact] = f"{type(error).__name__}: {shorten(error)}"
    return found


def try_in_process(decoder: str, encoder: str, facts: str, limit: int) -> dict[str, str]:
    """`try_pair` in a process of its own, which may die, or ask for more than `limit` seconds of its processor."""
    context = get_context("fork")
    receiver, sender = context.Pipe(duplex=False)

    def try_within() -> None:
        resource.setrlimit(resource.RLIMIT_CPU, (limit, limit))
        sender.send(try_pair(decoder, encoder, facts))

    process = context.Process(target=try_within)
    process.start()
    sender.close()
    try:
        return receiver.recv()
    except EOFError:
        process.join()
    finally:
        process.kill()
        process.join()
    late = process.exitcode in (-signal.SIGXCPU, -signal.SIGKILL)
    return dict.fromkeys(facts, f"takes more than {limit} s" if late else f"the process ends with {process.exitcode}")


def scan_encoder(encoder: str, dear: str, limit: int) -> dict[str, dict[str, str]]:
    """What was found of each decoder on an encoder."""
    found = {decoder: try_in_process(decoder, encoder, CHEAP, limit) for decoder in DECODERS}
    for decoder in choose_dear(found, dear, encoder):
        for fact in DEAR:
            found[decoder] |= try_in_process(decoder, encoder, fact, limit)
    print(encoder, {name: summarise(one) for name, one in found.items()}, flush=True)
    return found


def summarise(found: dict[str, str]) -> str:
    """The cell of a pair: a letter for each fact, small where it does not hold and a dot where it was not tried."""
    if REFUSED in found:
        return REFUSED
    return "".join("." if fact not in found else fact.lower() if found[fact] else fact for fact in FACTS)


def describe(scan: dict[str, dict[str, dict[str, str]]], command: str, conditions: str, earlier: str = "") -> str:
    """The page: a row for each encoder, a column for each decoder, and below it the sentences.

    Args:
        scan: what was found of each encoder and decoder.
        command: by which it was found.
        conditions: under which it was found.
        earlier: a page of before, whose rows and sentences stay for encoders that are not in `scan`.
    """
    cells = {pair: cell for pair, cell in read_table(earlier).items() if pair[1] not in scan} if earlier else {}
    sentences: dict[str, list[str]] = defaultdict(list)
    for sentence, pairs in re.findall(r"^- (\w+: .*)\. \((.*)\)$", earlier, re.MULTILINE):
        sentences[sentence] = [pair for pair in pairs.split("; ") if pair.split("`")[1] not in scan]
    for encoder, row in scan.items():
        for decoder, found in row.items():
            cells[decoder, encoder] = summarise(found)
            for fact, sentence in found.items():
                if sentence:
                    text = re.sub(
                        rf"\b(an )?{decoder}(?= (on|asks|cannot|reads))",
                        "the decoder",
                        sentence.replace(repr(encoder), "the encoder"),
                    )
                    sentences[f"{FACTS.get(fact, fact)}: {text}"].append(f"{decoder} on `{encoder}`")
    lines = [
        HEAD.format(command=command, conditions=conditions),
        f"| encoder | {' | '.join(DECODERS)} |",
        "|---" * (len(DECODERS) + 1) + "|",
    ]
    shown = [encoder for encoder in ENCODERS if (DECODERS[0], encoder) in cells]
    lines += [f"| `{encoder}` | {' | '.join(cells[one, encoder] for one in DECODERS)} |" for encoder in shown]
    lines += ["", "## Why", ""]
    lines += [f"- {sentence}. ({'; '.join(pairs)})" for sentence, pairs in sorted(sentences.items()) if pairs]
    return "\n".join(lines) + "\n"


def read_table(text: str) -> dict[tuple[str, str], str]:
    """The cells of a page: (decoder, encoder) to what `summarise` made of it."""
    rows = [
        [cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines() if line.startswith("| ")
    ]
    (_, *decoders), *rows = rows
    return {(decoder, row[0].strip("`")): cell for row in rows for decoder, cell in zip(decoders, row[1:], strict=True)}


def main() -> None:
    """Scan, and write the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--dear", choices=DECODERS_PER_ENCODER, default="all", help="pairs of an encoder that are pruned and exported"
    )
    parser.add_argument(
        "--encoders", nargs="+", choices=ENCODERS, default=ENCODERS, metavar="NAME", help="only these; other rows stay"
    )
    parser.add_argument("--processes", type=int, default=os.cpu_count(), help="at a time")
    parser.add_argument("--limit", type=int, default=60, help="seconds of a processor for a trial")
    parser.add_argument("--output", type=Path, default=TABLE, help="page to write")
    args = parser.parse_args()
    began = time.perf_counter()
    torch.set_num_threads(1)
    command = shlex.join(["python", "tests/scan_networks.py", *sys.argv[1:]])
    scan: dict[str, Any] = {encoder: {decoder: {} for decoder in DECODERS} for encoder in args.encoders}
    earlier = args.output.read_text(encoding="utf-8") if args.encoders is not ENCODERS else ""
    with ThreadPoolExecutor(args.processes) as pool:
        tasks = {pool.submit(scan_encoder, encoder, args.dear, args.limit): encoder for encoder in args.encoders}
        for task in as_completed(tasks):
            scan[tasks[task]] = task.result()
            page = describe(scan, command, _describe_conditions(args, time.perf_counter() - began), earlier)
            args.output.write_text(page, encoding="utf-8")
    print(f"written: {args.output}")


def _describe_conditions(args: argparse.Namespace, seconds: float) -> str:
    where = describe_environment(torch.device("cpu"), args.processes, "32-true")
    versions = ", ".join(f"{name} {where['versions'][name]}" for name in LIBRARIES)
    return (
        f"seed {SEED}; {where['device']}, {where['processes']} of {where['cores']} cores, a thread each; "
        f"{seconds / 60:.0f} minutes, at most {args.limit} s of a processor for a trial; {versions}"
    )


if __name__ == "__main__":
    main()
