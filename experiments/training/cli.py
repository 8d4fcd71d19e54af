"""The command line of training: LightningCLI with its links, and a run folder that can be resumed."""

import logging
import shutil
import sys
import warnings
from pathlib import Path
from typing import Any

import yaml
from jsonargparse import ArgumentError
from pytorch_lightning import LightningModule, Trainer
from pytorch_lightning.callbacks import ModelCheckpoint
from pytorch_lightning.cli import LightningArgumentParser, LightningCLI, SaveConfigCallback
from pytorch_lightning.loggers import CSVLogger, Logger

from datamodules.base import SegmentationDataModule
from experiments.checkpoints.checkpoint import read_checkpoint
from experiments.checkpoints.settings import differences
from experiments.command_line.parser_errors import describe_parser_error, make_parser_settings
from experiments.command_line.processes import cluster_plugins, first_process
from experiments.files.whole import require_writable, whole_file
from experiments.records.recipe import FREE, data_folder
from experiments.tracking.session import fit_logger, sync_hint
from experiments.training.checks import require_callbacks, require_trainer
from experiments.training.start import expand_start
from lightning_modules.callbacks.step_seed import StepSeed
from lightning_modules.segmentation import SegmentationModule
from user_error import UserError, find_user_error

RESUMABLE = ("model", "data", "seed_everything", "trainer")
"""What must not change when a training is resumed."""


class SaveConfig(SaveConfigCallback):
    """Writes the resolved settings into the run folder, whole or not at all."""

    def save_config(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Called on the first process before training."""
        with whole_file(Path(trainer.default_root_dir) / "config.yaml") as file:
            yaml.safe_dump(recipe(self.parser, self.config), file, sort_keys=False)


class OwnCheckpoint(ModelCheckpoint):
    """One of `fit` itself: its state is told by its name from that of any that a user adds."""


class SegmentationCLI(LightningCLI):
    """LightningCLI that knows how data and network fit together, and where a run lies."""

    @staticmethod
    def subcommands() -> dict[str, set[str]]:
        """Training alone: the sweep is 'benchmark'."""
        return {"fit": {"model", "train_dataloaders", "val_dataloaders", "datamodule", "weights_only"}}

    def add_arguments_to_parser(self, parser: LightningArgumentParser) -> None:
        """The data say how many classes and channels there are, once."""
        parser.link_arguments("data.num_classes", "model.init_args.num_classes", apply_on="instantiate")
        parser.link_arguments("data.in_channels", "model.init_args.in_channels", apply_on="instantiate")
        parser.add_argument(
            "--run", type=str, default=None, help="folder of the run (default: runs/NAME_OF_THE_RECIPE)"
        )
        parser.add_argument("--restart", action="store_true", help="begin anew where the folder holds a training")

    @property
    def run_folder(self) -> Path:
        """Where checkpoints, settings and metrics go."""
        settings = self.config[self.subcommand]
        if settings.run:
            return Path(settings.run)
        recipes = settings.config or []
        if not recipes:
            raise UserError("no recipe: pass --config experiments/configs/recipe/NAME.yaml (or a folder with --run)")
        return Path("runs") / Path(str(recipes[0])).stem

    def before_instantiate_classes(self) -> None:
        """Decide between a new training and the rest of an interrupted one, before any data is touched."""
        settings = self.config[self.subcommand]
        settings.run = str(self.run_folder)
        if settings.trainer.fast_dev_run:
            return
        last = self.run_folder / "last.ckpt"
        require_writable(self.run_folder / "config.yaml")
        if settings.restart:
            _remove_run(self.run_folder)
        elif settings.ckpt_path is None and last.exists():
            self._require_same_settings(self.run_folder / "config.yaml")
            settings.ckpt_path = str(last)
            if first_process():
                print(f"resuming {last} (--restart begins anew)", flush=True)
        if settings.ckpt_path is not None:
            read_checkpoint(Path(settings.ckpt_path))

    def _require_same_settings(self, path: Path) -> None:
        if not path.exists():
            return
        now = recipe(self._parser(self.subcommand), self.config[self.subcommand])
        before = yaml.safe_load(path.read_text())
        changed = [
            key
            for section in RESUMABLE
            for key in differences(before.get(section), now.get(section), section)
            if key not in FREE
        ]
        if data_folder(before.get("data")) != data_folder(now.get("data")):  # it may lie elsewhere, under the same name
            changed.append("data.init_args.root")
        if changed:
            raise UserError(
                f"{path.parent} holds a training with another {changed[0]}: pass another --run to keep both, or --restart "
                "to begin anew"
            )

    def instantiate_trainer(self, **kwargs: Any) -> Trainer:
        """A trainer that writes into the run folder; our samplers deal out the images themselves."""
        settings = self.config[self.subcommand].trainer
        require_trainer(settings)
        run = self.run_folder
        chosen = self.config_init[self.subcommand].trainer.logger
        logger: Any = chosen
        if chosen is None or chosen is True:
            loggers: list[Logger] = [CSVLogger(run, name="metrics")]
            described = recipe(self._parser(self.subcommand), self.config[self.subcommand])
            logger = [] if settings.fast_dev_run else [*loggers, *fit_logger(run, described)]
        best = OwnCheckpoint(run, "best", monitor="val/miou", mode="max", enable_version_counter=False)
        # A callback of its own: the option save_last follows the best, and a resumed training would repeat epochs.
        last = OwnCheckpoint(run, "last", save_on_train_epoch_end=True, enable_version_counter=False)
        added = self.config_init[self.subcommand].trainer.callbacks or []
        callbacks = [*(added if isinstance(added, list) else [added]), StepSeed()]
        require_callbacks(callbacks, self.model)
        if not settings.fast_dev_run:
            callbacks += [best, last]
        if self.config_init[self.subcommand].trainer.plugins is None:
            kwargs["plugins"] = cluster_plugins()
        return super().instantiate_trainer(
            **kwargs, default_root_dir=str(run), logger=logger, callbacks=callbacks, use_distributed_sampler=False
        )

    def _prepare_subcommand_kwargs(self, subcommand: str) -> dict[str, Any]:
        return {**super()._prepare_subcommand_kwargs(subcommand), "weights_only": True}

    def after_fit(self) -> None:
        """Say where the result lies."""
        if self.trainer.is_global_zero and not self.config[self.subcommand].trainer.fast_dev_run:
            best = self.trainer.checkpoint_callback
            score = getattr(best, "best_model_score", None)
            shown = "" if score is None else f" (validation mIoU {float(score):.4f})"
            print(f"trained: {self.run_folder / 'best.ckpt'}{shown}", flush=True)
            if hint := sync_hint(self.run_folder):
                print(hint, flush=True)


def recipe(parser: LightningArgumentParser, settings: Any) -> dict[str, Any]:
    """The resolved settings as plain data, less what belongs to one call alone."""
    content = yaml.safe_load(parser.dump(settings, skip_none=False))
    return {key: value for key, value in content.items() if key not in ("run", "restart", "ckpt_path")}


OWN_FILES = ("last.ckpt", "best.ckpt", "snapshot-*.ckpt", "config.yaml", "wandb_id.txt", "record-*")
"""Of a training, and the records of what it trained, finished or not, with their pictures: of the next one they would lie."""


def _remove_run(run: Path) -> None:
    if not first_process():
        return
    for pattern in OWN_FILES:
        for path in run.glob(pattern):
            shutil.rmtree(path) if path.is_dir() else path.unlink()


def _silence() -> None:
    """What Lightning says of every training here, and what no user can act upon."""
    for message in (
        "Attribute '(loss|weighting)' is an instance",
        "Checkpoint directory .* exists",
        r"`isinstance\(treespec",
    ):
        warnings.filterwarnings("ignore", message)
    advice = logging.getLogger("pytorch_lightning.utilities.rank_zero")
    advice.addFilter(lambda entry: "litlogger" not in entry.getMessage())


def run_cli(argv: list[str]) -> None:
    """Parse, train, and turn what the parser says into one sentence.

    Lightning starts further processes from ``sys.argv``, so it reads that itself; `argv` serves calls from Python.
    """
    _silence()
    from_shell = sys.argv[1:] == ["fit", *argv]
    expanded = expand_start(argv)
    try:
        SegmentationCLI(
            SegmentationModule,
            SegmentationDataModule,
            subclass_mode_model=True,
            subclass_mode_data=True,
            auto_configure_optimizers=False,
            save_config_callback=SaveConfig,
            save_config_kwargs={"save_to_log_dir": False},
            seed_everything_default=0,
            parser_kwargs={
                "prog": "python -m experiments",
                **make_parser_settings(),
                "fit": make_parser_settings(),
            },
            args=None if from_shell and expanded == argv else ["fit", *expanded],
        )
    except ArgumentError as error:
        if "required: fit." in str(error):
            raise UserError("no recipe: pass --config experiments/configs/recipe/NAME.yaml") from error
        raise find_user_error(error) or UserError(describe_parser_error(error)) from error
    except RuntimeError as error:
        if "loading state_dict" not in str(error):
            raise
        raise UserError("the checkpoint to resume is of another network: pass another --run, or --restart") from error
