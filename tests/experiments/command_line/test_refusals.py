"""What libraries say, and what a user is told instead."""

import errno
import re
from types import SimpleNamespace

import pytest
import torch
from command_line import read_refusal
from pytorch_lightning.utilities.exceptions import MisconfigurationException
from yaml.representer import RepresenterError

from experiments.__main__ import main
from experiments.command_line.refusals import TABLE, find_refusal
from experiments.commands.analyse import report

EXAMPLES: list[tuple[BaseException, str]] = [
    (torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB. GPU 0 has ..."), "2.00 GiB more .*batch_size"),
    (torch.OutOfMemoryError("CUDA out of memory"), "the GPU's memory is full: lower .*--data.init_args.batch_size"),
    (RuntimeError("CUDA error: out of memory\nCUDA kernel errors might be ..."), "the GPU's memory is full"),
    (
        RuntimeError("[enforce fail at alloc_cpu.cpp:127] . DefaultCPUAllocator: can't allocate memory: you tried to allocate "
                     "4000000000000 bytes. Error code 12 (Cannot allocate memory)"),
        "4000000000000 bytes more were asked for.*--data.init_args.size",
    ),
    (MemoryError("Unable to allocate 3.64 TiB for an array with shape (1000000, 500000) and data type float64"), "3.64 TiB"),
    (MemoryError(), "the memory is full: lower the batch size"),
    (
        RuntimeError("DataLoader worker (pid 12) is killed by signal: Bus error. It is possible that dataloader's workers are "
                     "out of shared memory. Please try to raise your shared memory limit."),
        "little shared memory .*num_workers 0.*--shm-size",
    ),
    (RuntimeError("unable to write to file </torch_12_34_0>: No space left on device (28)"), "little shared memory"),
    (
        RuntimeError("Caught RuntimeError in DataLoader worker process 0.\nOriginal Traceback (most recent call last):\n"
                     "RuntimeError: unable to allocate shared memory(shm) for file </torch_9_8_1>: No space left on device"),
        "little shared memory",
    ),
    (RuntimeError("DataLoader worker (pid(s) 12, 13) exited unexpectedly"), "a loader process was killed.*num_workers"),
    (RuntimeError("received 0 items of ancdata"), "too many files are open: .*ulimit"),
    (OSError(errno.EMFILE, "Too many open files"), "too many files are open: .*ulimit"),
    (
        RuntimeError("It looks like your LightningModule has parameters that were not used in producing the loss returned by "
                     "training_step. If this is intentional, ..."),
        "ddp_find_unused_parameters_true",
    ),
    (RuntimeError("Expected to have finished reduction in the prior iteration before starting"), "ddp_find_unused"),
    (ValueError("SyncBatchNorm layers only work with GPU modules"), "--trainer.sync_batchnorm false"),
    (ValueError("SyncBatchNorm expected input tensor to be on cuda or xpu"), "--trainer.sync_batchnorm false"),
    (AttributeError("Can't pickle local object 'SegmentationDataModule.__init__.<locals>.<lambda>'"), "--trainer.strategy ddp"),
    (
        RuntimeError("Early stopping conditioned on metric `val/loss` which is not available. Pass in or modify your "
                     "`EarlyStopping` callback to use any of the following: `train/loss`, `val/miou`"),
        "--trainer.callbacks.monitor: .*'val/loss'.* pass one of 'train/loss', 'val/miou'",
    ),
    (
        MisconfigurationException("`ModelCheckpoint(monitor='val_loss')` could not find the monitored key in the returned "
                                  "metrics: ['train/loss', 'val/miou']. HINT: Did you call `log('val_loss', value)`?"),
        "--trainer.callbacks.monitor: .*'val_loss'.* pass one of 'train/loss', 'val/miou'",
    ),
    (
        MisconfigurationException("Cannot use `LearningRateMonitor` callback with `Trainer` that has no logger."),
        "LearningRateMonitor writes into a logger, and --trainer.logger is false",
    ),
    (
        RuntimeError("SparseAdam does not support dense gradients, please consider Adam instead"),
        "--model.init_args.optimizer: SparseAdam",
    ),
    (
        AssertionError("If capturable=True, params and state_steps must be on supported devices: ['cuda']."),
        "--model.init_args.optimizer.init_args.capturable",
    ),
    (
        RuntimeError("The current optimizer, AdamW, does not allow for gradient clipping because it performs unscaling"),
        "--trainer.gradient_clip_val: .*fused false",
    ),
    (
        RuntimeError("upsample_bilinear2d_backward_out_cuda does not have a deterministic implementation, but you set"),
        "--trainer.deterministic: upsample_bilinear2d_backward_out_cuda has no .*warn",
    ),
    (ValueError("-1 is not in bounds, numpy accepts from 0 to 42"), "--seed_everything: -1 is no seed.* from 0 to 42"),
    (ModuleNotFoundError("Requirement 'torch_xla>=1.13' not met. HINT: Try running"), "--trainer.accelerator, .*torch_xla"),
    (ModuleNotFoundError("Requirement 'transformer_engine>=0.11.0' not met."), "--trainer.precision: .*bf16-mixed"),
    (
        ModuleNotFoundError("`DeviceStatsMonitor` cannot log CPU stats as `psutil` is not installed."),
        "--trainer.callbacks: DeviceStatsMonitor needs the package psutil",
    ),
    (
        MisconfigurationException("To use the `DeepSpeedStrategy`, you must have DeepSpeed installed."),
        "--trainer.strategy: DeepSpeed is not installed",
    ),
    (
        ValueError("The strategy `fsdp` requires a GPU accelerator, but received `accelerator='cpu'`."),
        "--trainer.strategy: 'fsdp' runs on GPUs alone",
    ),
    (RepresenterError("cannot represent an object", "<Interval.step: 'step'>"), "--trainer.callbacks: .*--trainer.max_time"),
    (
        MisconfigurationException("`gradient_clip_algorithm` abc is invalid. Allowed algorithms: ['value', 'norm']."),
        "--trainer.gradient_clip_algorithm: .*abc is invalid.*: correct the value",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("error", "message"), EXAMPLES, ids=lambda part: part[:30] if isinstance(part, str) else None)
def test_one_sentence_for_what_a_library_says(error: BaseException, message: str) -> None:
    found = find_refusal(error)
    assert found is not None
    assert re.search(message, found), found
    assert "\n" not in found


def test_every_entry_has_an_example() -> None:
    for entry in TABLE:
        assert any(
            {kind.__name__ for kind in type(error).__mro__} & set(entry.kinds)
            and re.search(entry.pattern, str(error), re.DOTALL)
            for error, _ in EXAMPLES
        ), entry


@pytest.mark.parametrize(
    "error",
    [RuntimeError("mat1 and mat2 shapes cannot be multiplied"), KeyError("epoch"), ValueError("`size` must be a pair"),
     TypeError("'NoneType' object is not callable"), OSError(errno.ENOSPC, "No space left on device", "a.json")],
)  # fmt: skip
def test_what_no_entry_knows_is_left_alone(error: BaseException) -> None:
    assert find_refusal(error) is None


def test_a_full_shared_memory_is_no_full_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    """The lock of a loader's queue: the system says "no space left" of it, and not where."""

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("multiprocessing.synchronize._multiprocessing", SimpleNamespace(SemLock=full))

    def begin(argv: list[str]) -> None:
        torch.multiprocessing.get_context("fork").Queue()

    monkeypatch.setattr(report, "main", begin)
    assert "little shared memory (/dev/shm)" in read_refusal("report")


def test_an_unexpected_error_keeps_its_traceback(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    def fail(argv: list[str]) -> None:
        raise KeyError("a fault of ours")

    monkeypatch.setattr(report, "main", fail)
    assert main(["report", "a b.json"]) == 70
    *lines, last = capsys.readouterr().err.splitlines()
    assert lines[0].startswith("Traceback")
    assert lines[-1] == "KeyError: 'a fault of ours'"
    assert last.startswith("unexpected: ")
    assert "python -m experiments report 'a b.json'" in last
    assert f"torch {torch.__version__}" in last
