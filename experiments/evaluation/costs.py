"""Costs of networks: parameters, operations, latency and memory, to set beside the scores of records."""

from collections.abc import Sequence
from typing import Annotated

from pydantic import Field, model_validator

from experiments.evaluation.record import Count, Facts, Strict

FORMAT = "robust-segmentation-costs/1"

Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Digest = Annotated[str, Field(pattern="^[0-9a-f]{64}$")]
Side = Annotated[int, Field(ge=1)]


class Batch(Strict):
    """Latency and memory at one batch size.

    The ratio is that of this network's seconds to the reference's in the same round: the median over the rounds, the
    least and the most. The reference is measured against itself in the same way: its ratios show the noise of the machine.
    ``peak_memory_bytes`` are weights, images and what a forward pass holds beside them, see
    `experiments.measuring.peak_memory.measure_peak_bytes`. ``onnx_ratio`` is that of ONNX Runtime's seconds to PyTorch's for
    the same network in the same round; `None` where it was not measured.
    """

    batch_size: int = Field(ge=1)
    milliseconds_per_image: Positive
    latency_ratio: Positive
    latency_ratio_least: Positive
    latency_ratio_most: Positive
    peak_memory_bytes: Count
    onnx_milliseconds_per_image: Positive | None = None
    onnx_ratio: Positive | None = None
    onnx_ratio_least: Positive | None = None
    onnx_ratio_most: Positive | None = None


class Cost(Strict):
    """What one checkpoint costs.

    ``parameters`` and ``buffers`` are numbers of elements, ``weight_bytes`` the bytes of both. ``training_bytes``
    are those of ``file_bytes`` that go to a training in progress, above all the state of its optimiser: they are no cost
    of the network. ``multiply_adds`` are those of one image, see `lightning_modules.multiply_adds`.
    ``zero_weights`` is the number of elements of kernels and matrices that are zero. ``size`` is (height, width).
    ``onnx_refused`` says why ONNX Runtime was not measured where it was asked for.
    """

    name: str
    sha256: Digest
    network: str
    in_channels: int = Field(ge=1)
    num_classes: int = Field(ge=1)
    size: tuple[Side, Side]
    parameters: Count
    trainable_parameters: Count
    buffers: Count
    weight_bytes: Count
    file_bytes: Count
    multiply_adds: Count
    training_bytes: Count | None = None  # missing in earlier files, where ``file_bytes`` include them
    zero_weights: Count = 0  # missing in files from before there was pruning
    onnx_refused: str | None = None
    batches: list[Batch] = Field(min_length=1)

    @property
    def network_file_bytes(self) -> int:
        """Bytes of the file as far as they are known to be the network's."""
        return self.file_bytes - (self.training_bytes or 0)


class Costs(Strict):
    """Costs of checkpoints, measured in one run; ``reference`` is the checkpoint that latencies are ratios to."""

    format: str
    created: str
    reference: Digest
    rounds: int = Field(ge=1)
    environment: Facts
    costs: list[Cost] = Field(min_length=1)

    @model_validator(mode="after")
    def _check_measured_alike(self) -> "Costs":
        digests = [cost.sha256 for cost in self.costs]
        if len(set(digests)) != len(digests):
            raise ValueError("a checkpoint has two entries")
        if self.reference not in digests:
            raise ValueError("the reference has no entry")
        if len({(cost.size, tuple(batch.batch_size for batch in cost.batches)) for cost in self.costs}) > 1:
            raise ValueError("the entries differ in size or batch sizes")
        return self

    def find(self, digest: str | None) -> Cost | None:
        """The entry of the checkpoint with this sha256, if there is one."""
        return next((cost for cost in self.costs if cost.sha256 == digest), None)

    @property
    def reference_cost(self) -> Cost:
        """The entry of the reference."""
        return next(cost for cost in self.costs if cost.sha256 == self.reference)


def describe_file_sizes(costs: Costs) -> str:
    """A sentence on what file sizes exclude; empty for files that were measured without ``training_bytes``."""
    known = all(cost.training_bytes is not None for cost in costs.costs)
    return " Files are without the state of a training in progress, such as its optimiser's." if known else ""


def make_reference_key(costs: Costs) -> tuple:
    """A key of the network that latencies are ratios to: its architecture and sizes, since weights do not affect latency."""
    reference = costs.reference_cost
    first = reference.batches[0].batch_size
    return (reference.network, reference.parameters, reference.multiply_adds, reference.size, first)


def find_cost(files: Sequence[Costs], digest: str | None) -> Cost | None:
    """The entry of the checkpoint with this sha256 in the first file that has one."""
    return next((cost for costs in files if (cost := costs.find(digest)) is not None), None)
