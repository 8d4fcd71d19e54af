"""Make a checkpoint of an ONNX file, for 'benchmark' and 'predict' to use like any other."""

from pathlib import Path

from experiments.checkpoints import derived_checkpoint
from experiments.checkpoints.graph_facts import read_facts
from experiments.checkpoints.matching import require_same_names
from experiments.command_line.chosen_data import ChosenData
from experiments.command_line.option_values import parse_numbers
from experiments.command_line.verb_parser import call_verb
from experiments.published_networks.descendant import check_first_image, write_network
from experiments.published_networks.graph_files import read_onnx
from experiments.published_networks.published import Asked

EXAMPLES = """
--file model.onnx --output runs/model/best.ckpt \\
    --data experiments/configs/data/camvid.yaml --data.init_args.root /data/camvid
--file model.onnx --output runs/model/best.ckpt --mean 0,0,0 --std 1,1,1 \\
    --data experiments/configs/data/kvasir_seg.yaml --data.init_args.root /data/kvasir_seg

  python -m experiments benchmark --checkpoint runs/model/best.ckpt --suite imagenet_c

The graph takes images (B, C, H, W) and gives logits (B, K, h, w) of the classes of the data, in their order."""


def import_graph(
    *,
    file: Path,
    output: Path,
    mean: str | None = None,
    std: str | None = None,
    stride: int | None = None,
    input_name: str | None = None,
    output_name: str | None = None,
    data: ChosenData,
) -> None:
    """Make a checkpoint of an ONNX file, for 'benchmark' and 'predict'.

    Args:
        file: the ONNX file.
        output: checkpoint to write, in a folder of its own.
        mean: of the graph's input by channel, as 0.5,0.5,0.5, where the file does not say it.
        std: likewise; 0,0,0 and 1,1,1 are those of images in [0, 1].
        stride: images are padded to a multiple of it (default: what the file says, else 32).
        input_name: of the graph's input for images (default: its first).
        output_name: of the graph's output with the logits (default: its first).
        data: whose classes it tells.

    Raises:
        UserError: the file is no such graph, or does not fit the data.
    """
    images = data.module
    derived_checkpoint.require_own_folder(output, [], "onnx")
    channels = images.in_channels
    asked = Asked(
        channels,
        images.num_classes,
        mean=parse_numbers(mean, channels, "--mean"),
        std=parse_numbers(std, channels, "--std"),
    )
    found = read_onnx(file, asked, stride=stride, input_name=input_name, output_name=output_name)
    require_same_names(file, read_facts(file.read_bytes(), channels), images)
    settings = check_first_image(found, images, repr(str(file)))
    write_network(output, found, settings, None, "onnx", found.facts, data)
    print(f"checkpoint: {output}", flush=True)


def main(argv: list[str]) -> None:
    """The verb."""
    call_verb("onnx", import_graph, EXAMPLES, argv)
