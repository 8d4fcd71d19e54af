"""The command line of training: LightningCLI with linked arguments, and a run folder that can be resumed."""

import logging
import sys
import warnings
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import yaml
from jsonargparse import ArgumentError
from lightning_utilities.core.enums import StrEnum
from pytorch_lightning import LightningModule, Trainer
from pytorch_lightning.cli import LightningArgumentParser, LightningCLI, SaveConfigCallback
from pytorch_lightning.loggers import CSVLogger, Logger

from datamodules.base import SegmentationDataModule, Split
from experiments.checkpoints.earlier_checkpoints import require_same_draws
from experiments.checkpoints.settings import to_plain
from experiments.command_line.complete_components import begin_from_defaults, require_order
from experiments.command_line.parser_errors import describe_parser_error, make_parser_settings
from experiments.command_line.processes import disable_signal_handlers, is_first_process
from experiments.files.atomic_write import atomic_write, require_writable
from experiments.tracking.dead_runs import remove_empty_versions
from experiments.tracking.session import make_fit_logger, make_sync_hint
from experiments.training.bookkeeping import Bookkeeping
from experiments.training.checks import require_callbacks, require_trainer
from experiments.training.content import find_named_files, read_content, read_splits
from experiments.training.data_checks import check_data
from experiments.training.ended import describe_end, save_start
from experiments.training.own_checkpoint import OwnCheckpoint
from experiments.training.plugins import choose_training_plugins
from experiments.training.resumed import Resumed, describe_recipe, format_count, read_resumed
from experiments.training.resumed_state import resume
from experiments.training.run_folder import RunFolder
from experiments.training.start import describe_start, expand_start
from experiments.training.time_limit import TimeIsUp, limit_time
from experiments.training.trainer_options import prefer_integers
from lightning_modules.callbacks.averaging import mend_averages
from lightning_modules.callbacks.step_seed import StepSeed
from lightning_modules.segmentation import SegmentationModule
from user_error import UserError, find_user_error

yaml.SafeDumper.add_multi_representer(StrEnum, lambda dumper, choice: dumper.represent_str(choice.value))
"""Settings of Lightning that are enumerations, such as a timer's interval, are written by their values."""


class SaveConfig(SaveConfigCallback):
    """Writes the resolved settings into the run folder, atomically."""

    def save_config(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Write them; called on the first process before training."""
        with atomic_write(Path(trainer.default_root_dir) / "config.yaml") as file:
            yaml.safe_dump(dump_recipe(self.parser, self.config), file, sort_keys=False)


class SegmentationCLI(LightningCLI):
    """LightningCLI that links the arguments of data and network, and manages the run folder.

    Args:
        locks: context managers that are held until the call ends.
        **settings: of `LightningCLI`.
    """

    def __init__(self, *args: Any, locks: ExitStack, **settings: Any) -> None:
        self.locks = locks
        self.resumed: Resumed | None = None
        self.end_reason: str | None = None
        self.facts: dict[str, Any] = {}
        super().__init__(*args, **settings)

    @staticmethod
    def subcommands() -> dict[str, set[str]]:
        """Only 'fit': the sweep is the verb 'benchmark'."""
        return {"fit": {"model", "train_dataloaders", "val_dataloaders", "datamodule", "weights_only"}}

    def add_arguments_to_parser(self, parser: LightningArgumentParser) -> None:
        """Take the numbers of classes and channels from the data, and add the options of the run folder."""
        parser.link_arguments("data.num_classes", "model.init_args.num_classes", apply_on="instantiate")
        parser.link_arguments("data.in_channels", "model.init_args.in_channels", apply_on="instantiate")
        parser.add_argument(
            "--run", type=str, default=None, help="folder of the run (default: runs/NAME_OF_THE_RECIPE)"
        )
        parser.add_argument("--restart", action="store_true", help="begin anew where the folder holds a training")

    def _parse_ckpt_path(self) -> None:
        """Keep the settings of the command line, which Lightning would silently replace by those of the checkpoint."""

    @property
    def folder(self) -> RunFolder:
        """The run folder, for checkpoints, settings and metrics."""
        settings = self.config[self.subcommand]
        if settings.run:
            return RunFolder(Path(settings.run))
        recipes = settings.config or []
        if not recipes:
            raise UserError("no recipe: pass --config experiments/configs/recipe/NAME.yaml (or a folder with --run)")
        return RunFolder(Path("runs") / Path(str(recipes[0])).stem)

    @property
    def resolved(self) -> dict[str, Any]:
        """The resolved settings."""
        return dump_recipe(self._parser(self.subcommand), self.config[self.subcommand])

    def before_instantiate_classes(self) -> None:
        """Decide between a new training and resuming an interrupted one, before any data are read."""
        settings, folder = self.config[self.subcommand], self.folder
        settings.run = str(folder.path)
        if settings.trainer.fast_dev_run:
            return
        require_writable(folder.settings)
        if is_first_process():
            self.locks.enter_context(folder.lock())
        described = self.resolved
        if settings.restart:
            folder.require_outside(find_named_files([described["model"], settings.ckpt_path], "").values())
            if is_first_process():
                folder.clear()
            self.resumed = None if settings.ckpt_path is None else read_resumed(Path(settings.ckpt_path))
        else:
            self.resumed = folder.find_resumed(settings.ckpt_path, described)
        if self.resumed is not None:
            settings.ckpt_path = str(self.resumed.path)
            self.end_reason = self.resumed.find_end_reason(described["trainer"])
            if self.end_reason is None:
                self.resumed.require_complete_epoch()
                require_same_draws(self.resumed.changed_draws or folder.changed_draws, self.resumed.path)
            elif not folder.has_file(self.resumed.path):
                raise UserError(
                    f"{str(self.resumed.path)!r} is the end of its training ({self.end_reason}): to train its network for "
                    f"longer, begin from its weights (--start {self.resumed.path})"
                )

    def _compare_content(self) -> None:
        """Refuse to resume when model, data or files have changed, and store a description of what this training uses."""
        described, folder = self.resolved, self.folder
        known = read_splits(folder.content)
        splits: tuple[Split, ...] = (
            ("train",) if described["trainer"].get("limit_val_batches") == 0 else ("train", "val")
        )
        content = read_content(self.datamodule, splits, described["model"], known)
        seed = described["seed_everything"]
        if self.resumed is not None:
            self.resumed.require_same_model(self.model.hparams, seed)
            change = content.find_change(self.resumed.training.get("content"), known)
            if change is not None:
                raise UserError(
                    f"{change}: {self.resumed.path} is a training on what was there before; pass another --run to keep it, or "
                    "--restart to begin anew"
                )
        content.save(folder.content)
        self.facts = {
            "content": content.list_digests(),
            "seed": seed,
            "settings": {key: to_plain(described[key]) for key in ("data", "trainer")},
            "resumed_from": folder.find_origin(self.resumed),
        }

    def _print_resumption(self) -> None:
        if self.resumed is not None and self.end_reason is None:
            described = self.resolved
            own = self.folder.has_file(self.resumed.path)
            print(
                f"resuming {self.resumed.describe(described['trainer'])}, with {describe_recipe(described)}"
                f"{' (--restart begins anew)' if own else self.resumed.describe_changes(described)}",
                flush=True,
            )

    def instantiate_trainer(self, **kwargs: Any) -> Trainer:
        """A trainer that writes into the run folder; the project's samplers distribute the images among processes."""
        settings = self.config[self.subcommand].trainer
        require_trainer(settings)
        folder = self.folder
        if is_first_process() and not settings.fast_dev_run:
            self._compare_content()
            if self.end_reason is None:
                notes = check_data(self.datamodule)
                if self.model.start is not None and self.resumed is None:  # a resumed one has its own weights
                    notes += describe_start(self.model.start, self.datamodule)
                print("".join(f"{note}\n" for note in notes), end="", flush=True)
            self._print_resumption()
        writes = not settings.fast_dev_run and self.end_reason is None
        chosen = self.config_init[self.subcommand].trainer.logger
        logger: Any = chosen
        if chosen is None or chosen is True:
            if writes and is_first_process():
                remove_empty_versions(folder.path / "metrics")
            loggers: list[Logger] = [CSVLogger(folder.path, name="metrics")]
            logger = [*loggers, *make_fit_logger(folder.path, self.resolved)] if writes else []
        goes_on = self.resumed is not None and folder.has_file(self.resumed.path)
        self.best = OwnCheckpoint(goes_on, dirpath=folder.path, filename="best", monitor="val/miou", mode="max")
        # A separate callback: the option save_last follows the best epoch, and a resumed training would repeat epochs.
        last = OwnCheckpoint(goes_on, dirpath=folder.path, filename="last", save_on_train_epoch_end=True)
        added = self.config_init[self.subcommand].trainer.callbacks or []
        callbacks = limit_time(mend_averages(added if isinstance(added, list) else [added]), settings.max_time)
        callbacks += [StepSeed()]
        require_callbacks(callbacks, self.model)
        if writes:
            callbacks += [Bookkeeping(self.facts), self.best, last]
        kwargs["plugins"] = choose_training_plugins(self.config_init[self.subcommand].trainer)
        trainer = super().instantiate_trainer(
            **kwargs,
            default_root_dir=str(folder.path),
            logger=logger,
            callbacks=callbacks,
            max_time=None,
            use_distributed_sampler=False,
        )
        return disable_signal_handlers(trainer)

    def _prepare_subcommand_kwargs(self, subcommand: str) -> dict[str, Any]:
        return {**super()._prepare_subcommand_kwargs(subcommand), "weights_only": True}

    def _run_subcommand(self, subcommand: str) -> None:
        """Train, unless the training is complete."""
        if self.end_reason is not None:
            if is_first_process():
                left = self.folder.best if self.folder.best.exists() else self.folder.last
                print(f"trained before: {left} ({self.end_reason}; --restart begins anew)", flush=True)
            return
        try:
            with resume(self.config[subcommand].ckpt_path, self.trainer):
                super()._run_subcommand(subcommand)
        except TimeIsUp:
            self._print_time_limit()

    def _print_time_limit(self) -> None:
        if not self.trainer.is_global_zero:
            return
        if not self.folder.last.exists():
            raise UserError("the time was up before the first epoch ended, and nothing is kept: give it more time")
        epochs = format_count(self.trainer.current_epoch, "epoch")
        print(
            f"the time is up: {self.folder.last} is kept after {epochs}; the same command goes on, with as much time again",
            flush=True,
        )
        self._print_result("trained so far")

    def after_fit(self) -> None:
        """Print where the result is."""
        if self.config[self.subcommand].trainer.fast_dev_run:
            return
        save_start(self.folder, self.trainer)
        if self.trainer.is_global_zero:
            self._print_result("trained" if self.trainer.global_step else "written")

    def _print_result(self, how: str) -> None:
        print(f"{how}: {describe_end(self.folder, self.best, self.trainer)}", flush=True)
        if hint := make_sync_hint(self.folder.path):
            print(hint, flush=True)


def dump_recipe(parser: LightningArgumentParser, settings: Any) -> dict[str, Any]:
    """The resolved settings as plain data, without those of a single call."""
    content = yaml.safe_load(parser.dump(settings, skip_none=False))
    return {key: value for key, value in content.items() if key not in ("run", "restart", "ckpt_path")}


def _silence_libraries() -> None:
    """Silence messages of Lightning that appear in every training and that no user can act upon."""
    for message in (
        "Attribute '(loss|objective)' is an instance",
        "Checkpoint directory .* exists",
        r"`isinstance\(treespec",
    ):
        warnings.filterwarnings("ignore", message)
    advice = logging.getLogger("pytorch_lightning.utilities.rank_zero")
    advice.addFilter(lambda entry: "litlogger" not in entry.getMessage())


def run_cli(argv: list[str]) -> None:
    """Parse the command line and train; errors of the parser become one sentence.

    Lightning starts further processes from ``sys.argv``, and reads it itself; `argv` is for calls from Python.
    """
    _silence_libraries()
    begin_from_defaults()
    require_order(argv)
    from_shell = sys.argv[1:] == ["fit", *argv]
    prefer_integers()
    expanded = expand_start(argv)
    try:
        with ExitStack() as locks:
            SegmentationCLI(
                SegmentationModule,
                SegmentationDataModule,
                locks=locks,
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
