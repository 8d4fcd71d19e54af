"""Train a network from a recipe, or go on with a training that was interrupted."""

from experiments.cli import SegmentationCLI, run_cli


def main(argv: list[str]) -> None:
    """The verb."""
    run_cli(SegmentationCLI, argv)
