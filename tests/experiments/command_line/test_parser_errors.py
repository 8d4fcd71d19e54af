from pathlib import Path

import pytest
from jsonargparse import ArgumentError, ArgumentParser
from pytorch_lightning import Callback

from datamodules.base import SegmentationDataModule
from experiments.command_line.parser_errors import describe_parser_error, make_parser_settings
from lightning_modules.segmentation import SegmentationModule


@pytest.fixture
def parser() -> ArgumentParser:
    parser = ArgumentParser(**make_parser_settings())
    parser.add_argument("--config", action="config")
    parser.add_subclass_arguments(SegmentationDataModule, "data")
    parser.add_subclass_arguments(SegmentationModule, "model")
    parser.add_argument("--trainer.callbacks", type=list[Callback] | Callback | None)
    parser.add_argument("--epochs", type=int | None)
    parser.add_argument("--mode", choices=["fast", "slow"])
    return parser


SYNTHETIC = "--data=datamodules.datasets.synthetic.SyntheticDataModule"
MODEL = "--model=lightning_modules.segmentation.SegmentationModule"
SETTING = "--model.init_args"
STOPPING = "--trainer.callbacks+=pytorch_lightning.callbacks.EarlyStopping"
ADAMW = f"{SETTING}.optimizer=experiments/configs/optimizer/adamw.yaml"
RATE = f"{SETTING}.optimizer.init_args.lr"


@pytest.mark.parametrize(
    ("words", "named"),
    [
        ([SYNTHETIC, "--data.init_args.trian=3"], "SyntheticDataModule has no setting 'trian'"),
        (["--data=datamodules.datasets.synthetic.Syntetic"], "no class 'datamodules.datasets.synthetic.Syntetic'"),
        (["--data=nowhere.Data"], "no class 'nowhere.Data'"),
        ([SYNTHETIC, "--data.init_args.augmentation=nowhere.X"], "no class 'nowhere.X'"),
        ([SYNTHETIC, "--data.init_args.train=many"], "many"),
        (["--epochs=two"], "epochs: 'two' does not fit (wanted: int or null)"),
        (["--epoch=2"], "no setting '--epoch=2'"),
        (["--mode=medium"], "--mode: 'medium' is none of its values: choose from 'fast', 'slow'"),
        ([SYNTHETIC, "--data.init_args.augmentation=no/such.yaml"], "no file 'no/such.yaml'"),
        (["--data=nosuch.yaml"], "--data: there is no file 'nosuch.yaml': check the path"),
        (["--data=pathlib.Path"], "pathlib.Path is no SegmentationDataModule: derive it from"),
        (["--config=nowhere.yaml"], "nowhere.yaml"),
        (["--surprise=1"], "--surprise=1"),
        (["--epochs"], "--epochs has no value: write it after the option"),
        (["--epochs=[1,2]"], "--epochs: '[1, 2]' does not fit (wanted: int or null)"),
        (
            [SYNTHETIC, "--data.init_args.size=64"],
            "--data.init_args.size: '64' does not fit (wanted: a list in brackets)",
        ),
        (["--config=experiments/configs"], "configs' is a folder: name a file in it"),
        (
            ["--data=experiments/configs/loss/dice.yaml"],
            "Counted does not fit: name a YAML of experiments/configs/data/",
        ),
        ([MODEL, ADAMW, f"{RATE}=abc"], f"{RATE}: 'abc' does not fit (wanted: float)"),
        ([MODEL, ADAMW, f"{RATE}=null"], f"{RATE}: null does not fit (wanted: float)"),
        ([MODEL, f"{SETTING}.optimizer=torch.optim.Nothing"], "there is no class 'torch.optim.Nothing'"),
        ([MODEL, f"{SETTING}.optimizer=torch.nn.ReLU"], f"{SETTING}.optimizer: torch.nn.ReLU is no Optimizer"),
        ([MODEL, f"{SETTING}.optimizer=torch.optim.Optimizer"], f"pass {SETTING}.optimizer.init_args.defaults"),
        (
            [MODEL, f"{SETTING}.loss=segmentation_models_pytorch.losses.DiceLoss"],
            f"DiceLoss needs 'mode': pass {SETTING}.loss.init_args.mode",
        ),
        (
            [MODEL, f"{SETTING}.schedule=torch.optim.lr_scheduler.StepLR"],
            f"{SETTING}.schedule: torch.optim.lr_scheduler.StepLR is no Schedule: derive it",
        ),
        (
            [MODEL, f"{SETTING}.network=experiments/configs/loss/dice.yaml"],
            "is of the family 'loss': pass a YAML of experiments/configs/network/",
        ),
        ([MODEL, f"{SETTING}.network=unet"], "there is no file 'unet': write experiments/configs/network/unet.yaml"),
        ([MODEL, f"{SETTING}.network=experiments/configs"], "'experiments/configs' is a folder: name a file in it"),
        ([STOPPING], "EarlyStopping needs 'monitor': pass --trainer.callbacks.monitor"),
        (
            [STOPPING, "--trainer.callbacks.monitor=x", "--trainer.callbacks.patience=abc"],
            "--trainer.callbacks.patience: 'abc' does not fit (wanted: int)",
        ),
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
    "content", ["epoch: 2", "data: {class_path: datamodules.datasets.synthetic.SyntheticDataModule, init_arg: {}}"]
)
def test_unknown_keys_in_a_file(parser: ArgumentParser, tmp_path: Path, content: str) -> None:
    (tmp_path / "c.yaml").write_text(content)
    with pytest.raises(ArgumentError) as caught:
        parser.parse_args([f"--config={tmp_path / 'c.yaml'}"])
    assert content.split(":")[0] in describe_parser_error(caught.value)
