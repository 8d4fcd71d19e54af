"""Settings of a training that a library meets first: one sentence with the setting, what was met and the remedy."""

from pathlib import Path

import pytest
from command_line import TINY, read_refusal

SMALL = [
    *(word for word in TINY if not any(key in word for key in (".train=", ".val=", ".test=", "max_epochs"))),
    *(f"--data.init_args.{split}=4" for split in ("train", "val", "test")),
    "--trainer.max_epochs=1",
]
LOSS = "--model.init_args.loss"
SMP = f"{LOSS}=segmentation_models_pytorch.losses"
OPTIMIZER = "--model.init_args.optimizer"
SETTING = f"{OPTIMIZER}.init_args"
SCHEDULE = "--model.init_args.schedule"
CALLBACK = "--trainer.callbacks"
ADDED = f"{CALLBACK}+=pytorch_lightning.callbacks"
LOGGER = "--trainer.logger"

LOSSES = [
    ([f"{LOSS}=torch.nn.MSELoss"], f"{LOSS}: MSELoss cannot take logits"),
    ([f"{LOSS}=torch.nn.CrossEntropyLoss", f"{LOSS}.init_args.reduction=none"], "it gives (2, 64, 64), no scalar"),
    ([f"{LOSS}=torch.nn.NLLLoss"], f"{LOSS}: NLLLoss takes probabilities or their logarithms"),
    ([f"{SMP}.DiceLoss", f"{LOSS}.init_args.mode=binary"], f"{LOSS}.init_args.mode multiclass"),
    ([f"{SMP}.DiceLoss"], f"pass {LOSS}.init_args.mode"),
    ([f"{LOSS}=torch.nn.ReLU"], f"{LOSS}: ReLU cannot take logits"),
]
TRANSFORMS = "--model.init_args.batch_transforms"
ATTACK = "--model.init_args.objective.init_args.attack"
METHODS = [
    (
        ["--model=lightning_modules.mixup.MixupModule"],
        f"lightning_modules.mixup.MixupModule is of an earlier version: leave it out, and pass {TRANSFORMS}+=",
    ),
    (
        ["--trainer.callbacks+=lightning_modules.callbacks.cutmix.CutMix"],
        "--trainer.callbacks: lightning_modules.callbacks.cutmix.CutMix is of an earlier version",
    ),
    ([f"{TRANSFORMS}+=mixup"], "there is no file 'mixup': write experiments/configs/batch_transform/mixup.yaml"),
    (
        ["--model.init_args.objective=experiments/configs/loss/dice.yaml"],
        "'experiments/configs/loss/dice.yaml' is of the family 'loss': pass a YAML of experiments/configs/objective/",
    ),
    (
        ["--model.init_args.objective=experiments/configs/objective/adversarial.yaml", f"{ATTACK}.init_args.steps=5"],
        f"{ATTACK}: Attack is abstract, the base of others: name a YAML of experiments/configs/attack/ first",
    ),
    (
        ["--model.init_args.objective=lightning_modules.objectives.base.Objective"],
        "Objective cannot be built here: name a YAML of experiments/configs/objective/",
    ),
]
OPTIMIZATION = [
    (
        [f"{SETTING}.lr=-1"],
        f"{OPTIMIZER}: torch.optim.AdamW refuses its settings, or this network (Invalid learning rate: -1",
    ),
    ([f"{SETTING}.lr=abc"], f"{SETTING}.lr: 'abc' does not fit (wanted: float)"),
    ([f"{OPTIMIZER}=torch.optim.Muon"], f"{OPTIMIZER}: torch.optim.Muon refuses"),
    ([f"{OPTIMIZER}=torch.optim.LBFGS"], f"{OPTIMIZER}: torch.optim.LBFGS refuses"),
    ([f"{OPTIMIZER}=torch.optim.SparseAdam"], f"{OPTIMIZER}: SparseAdam takes sparse gradients"),
    ([f"{OPTIMIZER}=null"], f"{OPTIMIZER}: null refuses"),
    ([f"{SCHEDULE}.init_args.warmup=2"], "the warmup is 2.0"),
    ([f"{SCHEDULE}=torch.optim.lr_scheduler.StepLR"], "StepLR is no Schedule"),
]
CALLBACKS = [
    (
        [f"{ADDED}.EarlyStopping", f"{CALLBACK}.monitor=val/loss"],
        f"{CALLBACK}.monitor: EarlyStopping looks for 'val/loss'",
    ),
    (
        [f"{ADDED}.ModelCheckpoint", f"{CALLBACK}.monitor=val_loss"],
        f"{CALLBACK}.monitor: ModelCheckpoint looks for 'val_loss'",
    ),
    (
        [f"{ADDED}.EarlyStopping", f"{CALLBACK}.monitor=val/miou", f"{CALLBACK}.mode=up"],
        "`mode` can be min, max, got up",
    ),
    (
        [f"{ADDED}.ModelCheckpoint", f"{CALLBACK}.save_top_k=3"],
        f"{CALLBACK}: pytorch_lightning.callbacks.ModelCheckpoint refuses",
    ),
    ([f"{ADDED}.BackboneFinetuning"], f"{CALLBACK}: BackboneFinetuning does not fit"),
    ([f"{ADDED}.LearningRateFinder"], f"set {SETTING}.lr"),
    ([f"{ADDED}.BatchSizeFinder"], "set --data.init_args.batch_size"),
    (
        [f"{ADDED}.StochasticWeightAveraging", f"{CALLBACK}.swa_lrs=0.1"],
        "take lightning_modules.callbacks.stochastic_weights",
    ),
    ([f"{ADDED}.LearningRateMonitor", f"{LOGGER}=false"], f"{CALLBACK}: LearningRateMonitor writes into a logger"),
    (
        [f"{LOGGER}=MLFlowLogger"],
        f"{LOGGER}: pytorch_lightning.loggers.MLFlowLogger needs a package that is not installed",
    ),
    ([f"{LOGGER}=TensorBoardLogger"], f"pass {LOGGER}.save_dir"),
]
TRAINER = [
    ([f"--trainer.{name}={value}"], f"--trainer.{name}")
    for name, value in (
        ("accelerator", "tpu"),
        ("accelerator", "abc"),
        ("devices", "abc"),
        ("strategy", "abc"),
        ("profiler", "abc"),
        ("num_nodes", 0),
        ("precision", "abc"),
        ("sync_batchnorm", "abc"),
        ("max_time", "5min"),
        ("max_epochs", "abc"),
        ("limit_train_batches", 1.5),
        ("limit_val_batches", 0.1),
        ("val_check_interval", 100),
        ("val_check_interval", 0),
        ("check_val_every_n_epoch", 0),
        ("accumulate_grad_batches", 0),
        ("gradient_clip_val", -1),
        ("gradient_clip_algorithm", "abc"),
        ("fast_dev_run", -1),
        ("overfit_batches", -1),
    )
]
OTHERS = [
    (["--seed_everything=-1"], "--seed_everything: -1 is no seed"),
    (["--data.init_args.train=null"], "--data.init_args.train: null does not fit"),
    (["--data.init_args.size=null"], "--data.init_args.size: null does not fit"),
]


@pytest.mark.parametrize(
    ("words", "message"),
    [*LOSSES, *METHODS, *OPTIMIZATION, *CALLBACKS, *TRAINER, *OTHERS],
    ids=lambda part: str(part)[:70],
)
def test_a_refused_setting_is_named(words: list[str], message: str, tmp_path: Path) -> None:
    sentence = read_refusal("fit", *SMALL, f"--run={tmp_path}", *words)
    assert message in sentence, sentence
    assert ": " in sentence
    assert len(sentence) < 600
    assert not list(tmp_path.rglob("*.ckpt"))
