import json
import struct
from collections.abc import Iterator
from pathlib import Path

import pytest
from command_line import TINY, experiments

from experiments.record import read_record
from experiments.tracking import run_id, wandb_mode

BLOCK, HEADER = 32768, 7


def entries(path: Path) -> Iterator[bytes]:
    """Entries of an offline W&B file: LevelDB's log format, blocks of chunks (checksum, length, kind) after a header."""
    content, at, parts = path.read_bytes(), HEADER, b""
    while at + HEADER <= len(content):
        if BLOCK - at % BLOCK < HEADER:  # no chunk begins in the last bytes of a block
            at += BLOCK - at % BLOCK
            continue
        _, length, kind = struct.unpack("<IHB", content[at : at + HEADER])
        if not kind:
            break
        parts += content[at + HEADER : at + HEADER + length]
        at += HEADER + length
        if kind in (1, 4):  # a whole entry, or its last chunk
            yield parts
            parts = b""


def offline_history(run: Path) -> tuple[set[str], list[dict]]:
    """Run ids and logged rows of the offline W&B files below `run`."""
    from wandb.proto import wandb_internal_pb2

    ids, rows = set(), []
    for path in sorted(run.rglob("*.wandb")):
        for data in entries(path):
            entry = wandb_internal_pb2.Record()
            entry.ParseFromString(data)
            if entry.HasField("run"):
                ids.add(entry.run.run_id)
            if entry.HasField("history"):
                items = entry.history.item
                rows.append({item.key or "/".join(item.nested_key): json.loads(item.value_json) for item in items})
    return ids, rows


def test_training_and_sweep_are_one_run_with_curves(tmp_path: Path) -> None:
    """Offline, two processes: one W&B run, the training's metrics, every curve and the table of cells."""
    run, mode = tmp_path / "run", {"WANDB_MODE": "offline", "OMP_NUM_THREADS": "1"}
    words = ("--trainer.accelerator=cpu", "--trainer.devices=2")
    experiments("fit", *TINY, "--trainer.max_epochs=1", f"--run={run}", *words, **mode)
    experiments("benchmark", f"--checkpoint={run / 'best.ckpt'}", "--suite=smoke", *words, **mode)
    ids, rows = offline_history(run)
    assert ids == {run_id(run)}
    assert any("val/miou" in row for row in rows)
    record = read_record(run / "record-smoke.json")
    points = {
        (key.removeprefix("robustness/"), row["severity"]): value
        for row in rows
        for key, value in row.items()
        if key.startswith("robustness/")
    }
    wanted = {(cell.corruption, cell.severity): cell.miou for cell in record.cells if cell.severity}
    wanted |= {(name, 0): record.summary.clean_miou for name in record.summary.corruptions}
    assert points == pytest.approx(wanted)
    tables = list(run.rglob("cells*.table.json"))
    assert len(json.loads(tables[0].read_text())["data"]) == len(record.cells)


def test_mode(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    monkeypatch.delenv("WANDB_API_KEY", raising=False)
    monkeypatch.delenv("WANDB_MODE")
    assert wandb_mode() == "offline"
    monkeypatch.setenv("WANDB_API_KEY", "0" * 40)
    assert wandb_mode() == "online"
    monkeypatch.setenv("WANDB_MODE", "disabled")
    assert wandb_mode() == "disabled"


def test_id_stays(tmp_path: Path) -> None:
    assert run_id(tmp_path / "run") == run_id(tmp_path / "run")
    assert run_id(tmp_path / "run") != run_id(tmp_path / "other")
