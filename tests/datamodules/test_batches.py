import numpy as np
import pytest
import pytorch_lightning as pl
import torch
from hypothesis import given
from hypothesis import strategies as st

from datamodules.batches import EvaluationBatches, ShuffledBatches, collate
from user_error import UserError

LENGTHS, SIZES, WORLDS = st.integers(1, 60), st.integers(1, 9), st.integers(1, 7)


@given(length=LENGTHS, size=SIZES, world=WORLDS, even=st.booleans(), data=st.data())
def test_every_image_is_scored_exactly_once(length: int, size: int, world: int, even: bool, data: st.DataObject):
    total = -(-length // size)
    skip = data.draw(st.frozensets(st.integers(0, total - 1)))
    ranks = [list(EvaluationBatches(length, size, rank, world, skip, even)) for rank in range(world)]
    batches = [batch for rank in ranks for batch in rank]
    assert all(len(batch) == size for batch in batches), "the last batch is filled up"
    real = [index for batch in batches for index in batch if index >= 0]
    assert sorted(real) == [index for index in range(length) if index // size not in skip]
    assert all(0 <= ~index < length for batch in batches for index in batch if index < 0)
    lengths = {len(rank) for rank in ranks}
    assert max(lengths) - min(lengths) <= (0 if even else 1)
    for rank in range(world):
        assert len(EvaluationBatches(length, size, rank, world, skip, even)) == len(ranks[rank])


@given(length=LENGTHS, size=SIZES, world=WORLDS)
def test_batches_are_the_same_for_any_number_of_processes(length: int, size: int, world: int):
    alone = {tuple(batch) for batch in EvaluationBatches(length, size)}
    together = {tuple(batch) for rank in range(world) for batch in EvaluationBatches(length, size, rank, world)}
    assert alone == together


@given(length=LENGTHS, size=SIZES, world=WORLDS, seed=st.integers(0, 2**32 - 1), epoch=st.integers(0, 1000))
def test_shuffling_deals_out_disjoint_full_batches(length: int, size: int, world: int, seed: int, epoch: int):
    ranks = []
    for rank in range(world):
        batches = ShuffledBatches(length, size, seed, rank, world)
        batches.set_epoch(epoch)
        ranks.append(list(batches))
        assert ranks[-1] == list(batches), "the same epoch is the same order"
        assert len(ranks[-1]) == len(batches)
    drawn = [request for rank in ranks for batch in rank for request in batch]
    assert all(len(batch) == size for rank in ranks for batch in rank)
    assert {one for one, _ in drawn} == {epoch}
    indices = [index for _, index in drawn]
    assert set(indices) <= set(range(length))
    if length >= size * world:
        assert len(set(indices)) == len(indices)
    else:
        assert set(indices) == set(range(length)) or len(indices) < length


def test_epochs_and_seeds_shuffle_differently():
    orders = []
    for seed, epoch in [(0, 0), (0, 1), (1, 0)]:
        batches = ShuffledBatches(40, 4, seed)
        batches.set_epoch(epoch)
        orders.append([index for batch in batches for _, index in batch])
    assert orders[0] != orders[1] != orders[2] != orders[0]


class _Epochs(pl.LightningModule):
    """Notes the (epoch, index) requests that a Trainer makes."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[list[list[int]]] = []
        self.weight = torch.nn.Parameter(torch.zeros(()))

    def training_step(self, batch: torch.Tensor) -> torch.Tensor:
        self.seen.append(batch.tolist())
        return self.weight * 1.0

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.SGD(self.parameters(), 0.1)


class _Requests(torch.utils.data.Dataset):
    def __getitem__(self, request: tuple[int, int]) -> torch.Tensor:
        return torch.tensor(request)


def test_lightning_sets_the_epoch():
    loader = torch.utils.data.DataLoader(_Requests(), batch_sampler=ShuffledBatches(8, 4, 0))
    module = _Epochs()
    silent = {"logger": False, "enable_checkpointing": False, "enable_progress_bar": False}
    pl.Trainer(max_epochs=3, accelerator="cpu", enable_model_summary=False, **silent).fit(module, loader)
    assert [batch[0][0] for batch in module.seen] == [0, 0, 1, 1, 2, 2]


def test_collate_says_which_sizes_meet():
    samples = [{"image": torch.zeros(3, *size), "id": name} for size, name in [((4, 5), "a"), ((6, 5), "b")]]
    with pytest.raises(UserError, match=r"'a' is 4 x 5 .* 'b' is 6 x 5 .*size"):
        collate(samples)
    batch = collate([{"image": torch.zeros(3, 4, 5), "mask": torch.from_numpy(np.zeros((4, 5))), "id": "a"}] * 2)
    assert batch["image"].shape == (2, 3, 4, 5)
    assert batch["id"] == ["a", "a"]
