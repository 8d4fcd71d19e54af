"""Make a checkpoint of a published network, for 'benchmark' and 'predict' to use like any other."""

from pathlib import Path
from typing import Annotated, Any

from experiments.checkpoints import derived_checkpoint
from experiments.command_line.chosen_data import ChosenData
from experiments.command_line.option_values import parse_numbers, read_names
from experiments.command_line.verb_parser import Option, call_verb
from experiments.published_networks.class_names import Stated, match_classes, require_names
from experiments.published_networks.descendant import check_first_image, write_network
from experiments.published_networks.published import Asked
from experiments.published_networks.source import Format, read_source
from user_error import UserError

EXAMPLES = """
--source nvidia/segformer-b5-finetuned-cityscapes-1024-1024 --output runs/segformer_b5/best.ckpt \\
    --data experiments/configs/data/cityscapes.yaml
--source DeepLabV3_ResNet50_Weights.COCO_WITH_VOC_LABELS_V1 --output runs/deeplabv3/best.ckpt \\
    --data experiments/configs/data/voc.yaml
--source runs/my_smp_model --mean 0.485,0.456,0.406 --std 0.229,0.224,0.225 --classes-in-order \\
    --output runs/mine/best.ckpt --data mydata.yaml
--source weights.pth --network experiments/configs/network/unet.yaml --classes road sky --output runs/unet/best.ckpt \\
    --data mydata.yaml

  python -m experiments benchmark --checkpoint runs/segformer_b5/best.ckpt --suite imagenet_c

The classes of network and data are matched by their names; what does not match is listed."""


def convert_network(
    *,
    source: str,
    output: Path,
    from_: Annotated[Format | None, Option(name="--from", metavar="FORMAT")] = None,
    revision: str | None = None,
    network: str | None = None,
    weights: Path | None = None,
    mean: str | None = None,
    std: str | None = None,
    size: Annotated[tuple[int, int] | None, Option(metavar=("HEIGHT", "WIDTH"))] = None,
    masks_at: Annotated[str, Option(choices=("library", "image"))] = "library",
    classes: list[str] | None = None,
    classes_in_order: bool = False,
    map_classes: Annotated[dict[str, str] | None, Option(name="--map.classes", read=read_names)] = None,
    absent: list[str] | None = None,
    unmatched: str | None = None,
    data: ChosenData,
) -> None:
    """Make a checkpoint of a published network, without training.

    Args:
        source: a repository of the hub or a folder of Transformers or smp, the name of torchvision's weights, or a file.
        output: checkpoint to write, in a folder of its own.
        from_: format of the source (default: guessed).
        revision: branch, tag or commit of the repository.
        network: YAML of the network that a plain state dict is of.
        weights: local file of the weights that --source names.
        mean: of the network's input by channel, as 0.5,0.5,0.5 (default: what the source says).
        std: likewise; 0,0,0 and 1,1,1 are those of images in [0, 1].
        size: the one size that the network takes; images are resized to it.
        masks_at: size at which networks of masks score them.
        classes: names of the network's classes in its order, where the source has none.
        classes_in_order: the network's classes are the data's, in their order.
        map_classes: names of the data by the network's: '{minibike: motorcycle}'.
        absent: classes of the data that the network does not know.
        unmatched: what becomes of classes that the data lack: 'ignore', or 'other=CLASS'.
        data: whose classes it tells.

    Raises:
        UserError: the source cannot be had or read, or does not fit the data.
    """
    images = data.module
    derived_checkpoint.require_own_folder(output, [], "convert")
    channels = images.in_channels
    asked = Asked(
        channels,
        images.num_classes,
        revision,
        network,
        weights,
        classes,
        classes_in_order,
        parse_numbers(mean, channels, "--mean"),
        parse_numbers(std, channels, "--std"),
        size,
        masks_at,
    )
    kind, found = read_source(source, from_, asked)
    if found.in_channels != channels:
        raise UserError(
            f"{source!r} takes images of {found.in_channels} channels, but the data have {channels}: pass other --data"
        )
    own = require_names(found.classes, classes, classes_in_order, found.num_classes, images.classes, repr(source))
    stated = Stated(map_classes or {}, absent or (), unmatched)
    mapped = match_classes(own, images.classes, stated, repr(source))
    facts: dict[str, Any] = {"source": name_source(source), "from": kind, **found.facts, **mapped.as_json()}
    settings = check_first_image(found, images, repr(source))
    write_network(output, found, settings, mapped, "convert", facts, data)
    for note in found.notes:
        print(f"note: {note}", flush=True)
    if mapped.left_out:
        print(f"note: left out of the answer: {', '.join(mapped.left_out)}", flush=True)
    print(f"checkpoint: {output}", flush=True)


def name_source(source: str) -> str:
    """A source as a checkpoint records it: of a path its last part alone."""
    return Path(source).name if Path(source).exists() else source


def main(argv: list[str]) -> None:
    """The verb."""
    call_verb("convert", convert_network, EXAMPLES, argv)
