"""The end of a training: the checkpoint of one that takes no step, and the message that names what was written."""

from pytorch_lightning import Trainer
from pytorch_lightning.callbacks import ModelCheckpoint

from experiments.training.resumed import format_count
from experiments.training.run_folder import RunFolder
from user_error import UserError


def save_start(folder: RunFolder, trainer: Trainer) -> None:
    """Save the weights that a training starts from, if it is to take no step: a baseline like any other checkpoint.

    Args:
        folder: of the run.
        trainer: of the training; to be called on each of its processes.
    """
    if 0 in (trainer.max_epochs, trainer.max_steps):
        for path in (folder.best, folder.last):
            trainer.save_checkpoint(path)


def describe_end(folder: RunFolder, best: ModelCheckpoint, trainer: Trainer) -> str:
    """Describe the checkpoint that a training ends with, and its score.

    Args:
        folder: of the run.
        best: callback that saves the checkpoint of the best epoch.
        trainer: of the training.

    Raises:
        UserError: nothing was trained, or no checkpoint was written.
    """
    if not trainer.global_step and folder.best.exists():
        return f"{folder.best} (the weights that it begins from, untrained, since no step was to be taken)"
    if not trainer.global_step:
        raise UserError("nothing was trained, since no epoch has a batch: raise --trainer.limit_train_batches")
    if folder.best.exists():
        score = best.best_model_score
        return f"{folder.best}" if score is None else f"{folder.best} (validation mIoU {float(score):.4f})"
    if folder.last.exists():
        return (
            f"{folder.last} (no epoch was validated, so that none is the best: there is no {folder.best.name}; "
            "--trainer.limit_val_batches and --trainer.check_val_every_n_epoch say when it is done)"
        )
    raise UserError(
        f"{format_count(trainer.global_step, 'step')} were trained and nothing is kept, since no epoch has ended: train for at "
        f"least {trainer.num_training_batches} steps"
    )
