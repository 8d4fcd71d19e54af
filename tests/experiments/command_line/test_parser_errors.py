from pathlib import Path

import pytest
from jsonargparse import ArgumentError, ArgumentParser

from datamodules.base import SegmentationDataModule
from experiments.command_line.parser_errors import describe_parser_error, make_parser_settings


@pytest.fixture
def parser() -> ArgumentParser:
    parser = ArgumentParser(**make_parser_settings())
    parser.add_argument("--config", action="config")
    parser.add_subclass_arguments(SegmentationDataModule, "data")
    parser.add_argument("--epochs", type=int | None)
    parser.add_argument("--mode", choices=["fast", "slow"])
    return parser


SYNTHETIC = "--data=datamodules.synthetic.SyntheticDataModule"


@pytest.mark.parametrize(
    ("words", "named"),
    [
        ([SYNTHETIC, "--data.init_args.trian=3"], "SyntheticDataModule has no setting 'trian'"),
        (["--data=datamodules.synthetic.Syntetic"], "no class 'datamodules.synthetic.Syntetic'"),
        (["--data=nowhere.Data"], "no class 'nowhere.Data'"),
        ([SYNTHETIC, "--data.init_args.augmentation=nowhere.X"], "no class 'nowhere.X'"),
        ([SYNTHETIC, "--data.init_args.train=many"], "many"),
        (["--epochs=two"], "epochs: 'two' does not fit (wanted: int or null)"),
        (["--epoch=2"], "no setting '--epoch=2'"),
        (["--mode=medium"], "medium"),
        ([SYNTHETIC, "--data.init_args.augmentation=no/such.yaml"], "no file 'no/such.yaml'"),
        (["--data=pathlib.Path"], "pathlib.Path is no SegmentationDataModule: derive it from"),
        (["--config=nowhere.yaml"], "nowhere.yaml"),
        (["--surprise=1"], "--surprise=1"),
    ],
)
def test_one_sentence_names_the_key(parser: ArgumentParser, words: list[str], named: str) -> None:
    with pytest.raises(ArgumentError) as caught:
        parser.parse_args(words)
    sentence = describe_parser_error(caught.value)
    assert named in sentence
    assert "\n" not in sentence
    assert len(sentence) < 350


@pytest.mark.parametrize(
    "content", ["epoch: 2", "data: {class_path: datamodules.synthetic.SyntheticDataModule, init_arg: {}}"]
)
def test_unknown_keys_in_a_file(parser: ArgumentParser, tmp_path: Path, content: str) -> None:
    (tmp_path / "c.yaml").write_text(content)
    with pytest.raises(ArgumentError) as caught:
        parser.parse_args([f"--config={tmp_path / 'c.yaml'}"])
    assert content.split(":")[0] in describe_parser_error(caught.value)
