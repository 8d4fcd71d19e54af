import base64
import hashlib
import json
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import yaml
from command_line import TINY, run_command

from experiments.evaluation.recipe import compute_recipe_key
from experiments.files.digest import compute_sha256
from experiments.record_files.record_file import read_record
from experiments.tracking.session import choose_wandb_mode, find_run_id, make_fit_logger, make_sync_hint

BLOCK, HEADER = 32768, 7


def list_entries(path: Path) -> Iterator[bytes]:
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


class Offline(NamedTuple):
    """What the offline W&B files below a folder hold."""

    runs: list[Any]
    rows: list[dict]
    artifacts: list[Any]


def read_offline_history(run: Path) -> Offline:
    """Runs, logged rows and artifacts of the offline W&B files below `run`, in the order of their writing."""
    from wandb.proto import wandb_internal_pb2

    found = Offline([], [], [])
    for path in sorted(run.rglob("*.wandb")):
        for data in list_entries(path):
            entry = wandb_internal_pb2.Record()
            entry.ParseFromString(data)
            if entry.HasField("run"):
                found.runs.append(entry.run)
            if entry.HasField("artifact"):
                found.artifacts.append(entry.artifact)
            if entry.HasField("history"):
                items = entry.history.item
                found.rows.append(
                    {item.key or "/".join(item.nested_key): json.loads(item.value_json) for item in items}
                )
    return found


class Tracked(NamedTuple):
    """A run folder after training and sweep, and what its W&B files hold."""

    run: Path
    wandb: Path
    messages: list[str]
    offline: Offline


@pytest.fixture(scope="module")
def tracked(tmp_path_factory: pytest.TempPathFactory) -> Tracked:
    """Training and sweep, offline and by two processes each; W&B lays a folder for media when it is imported."""
    folder = tmp_path_factory.mktemp("tracked")
    run, own = folder / "run", folder / "wandb"
    mode = {"WANDB_MODE": "offline", "OMP_NUM_THREADS": "1", "WANDB_DATA_DIR": str(own), "WANDB_CACHE_DIR": str(own)}
    words = ("--trainer.accelerator=cpu", "--trainer.devices=2")
    fit = run_command("fit", *TINY, "--trainer.max_epochs=1", "--seed_everything=3", f"--run={run}", *words, **mode)
    swept = run_command("benchmark", f"--checkpoint={run / 'best.ckpt'}", "--suite=smoke", *words, **mode)
    return Tracked(run, own, [fit.stdout, swept.stdout], read_offline_history(run))


def test_training_and_sweep_are_one_run(tracked: Tracked) -> None:
    """One W&B run for two commands of two processes, of the group of its recipe, tagged with its seed."""
    runs, rows, _ = tracked.offline
    settings = yaml.safe_load((tracked.run / "config.yaml").read_text())
    assert {run.run_id for run in runs} == {find_run_id(tracked.run)}
    assert len(list(tracked.run.rglob("*.wandb"))) == 2
    assert {run.run_group for run in runs} == {
        f"unet-tu-mobilenetv3_small_050-synthetic-{compute_recipe_key(settings)}"
    }
    for command in sorted(tracked.run.rglob("*.wandb")):
        last = read_offline_history(command.parent).runs[-1]
        assert list(last.tags) == ["seed-3"]
        config = {update.key: json.loads(update.value_json) for update in last.config.update}
        assert (config["seed"], config["recipe"]) == (3, compute_recipe_key(settings))
    assert any("val/miou" in row for row in rows)
    for message in tracked.messages:
        assert f"wandb sync {tracked.run}/wandb/offline-run-*" in message


def test_curves(tracked: Tracked) -> None:
    """Every corruption and their mean over the severity, from clean on."""
    record = read_record(tracked.run / "record-smoke.json")
    points = {
        (key.removeprefix("smoke/robustness/"), row["smoke/severity"]): value
        for row in tracked.offline.rows
        for key, value in row.items()
        if key.startswith("smoke/robustness/")
    }
    scores = {(cell.corruption, cell.severity): cell.miou for cell in record.cells if cell.severity}
    for severity in (1, 5):
        at = [miou for (_, level), miou in scores.items() if level == severity]
        scores["mean", severity] = sum(at) / 2
    scores |= {(name, 0): record.summary.clean_miou for name in (*record.summary.corruptions, "mean")}
    assert points == pytest.approx(scores)


def test_table_holds_every_score_of_every_cell(tracked: Tracked) -> None:
    record = read_record(tracked.run / "record-smoke.json")
    (file,) = (path for path in tracked.run.rglob("cells*.table.json") if "media" in path.parts)
    table = json.loads(file.read_text())
    rows = [dict(zip(table["columns"], row, strict=True)) for row in table["data"]]
    assert len(rows) == len(record.cells)
    for row, cell in zip(rows, record.cells, strict=True):
        assert (row.pop("miou_low"), row.pop("miou_high")) == cell.miou_interval.edges
        scalars = {key: value for key, value in cell.scores.items() if not isinstance(value, list)}
        assert row == {"corruption": cell.corruption, "severity": cell.severity, **scalars}
        assert len(row) == 16


def test_worst_images_are_media(tracked: Tracked) -> None:
    record = read_record(tracked.run / "record-smoke.json")
    (images,) = (row for row in tracked.offline.rows if any(key.startswith("smoke/worst") for key in row))
    images = {key.removeprefix("smoke/worst/"): value for key, value in images.items()}
    assert len(images["filenames"]) == len(record.pictures) > 0
    (media,) = tracked.run.rglob("media")
    for name, caption, picture in zip(images["filenames"], images["captions"], record.pictures, strict=True):
        assert compute_sha256(media.parent / name) == picture.sha256
        assert caption.startswith(f"{picture.id}, {picture.corruption} {picture.severity}, ")
        clean, fallen = (float(word.strip(" %")) for word in caption.split(", ")[2].split("->"))
        assert (clean, fallen) == pytest.approx((100 * picture.clean_miou, 100 * picture.miou), abs=0.051)


def test_artifacts_refer_to_the_files(tracked: Tracked) -> None:
    """Record and checkpoint, by the digest of W&B; nothing of them is copied."""
    found = {artifact.type: artifact for artifact in tracked.offline.artifacts}
    wanted = {"record": ["record-smoke.json", "record-smoke.npz"], "model": ["best.ckpt"]}
    for kind, names in wanted.items():
        contents = found[kind].manifest.contents
        assert [entry.path for entry in contents] == names
        for entry in contents:
            file = tracked.run / entry.path
            assert Path(entry.local_path) == file.resolve()
            assert base64.b64decode(entry.digest) == hashlib.md5(file.read_bytes()).digest()
    assert found["record"].name == f"record-smoke-{find_run_id(tracked.run)}"
    assert found["model"].name == f"model-{find_run_id(tracked.run)}"
    own = [path for folder in (tracked.wandb, tracked.run / "wandb") for path in folder.rglob("*") if path.is_file()]
    copies = {compute_sha256(path) for path in own} & {
        compute_sha256(tracked.run / name) for names in wanted.values() for name in names
    }
    assert not copies


def test_a_failure_is_a_warning(tiny_run: Path, tmp_path: Path) -> None:
    """W&B refuses the mode; the sweep is on disk all the same."""
    output = tmp_path / "record.json"
    words = ("benchmark", f"--checkpoint={tiny_run / 'best.ckpt'}", "--suite=smoke", f"--output={output}")
    result = run_command(*words, WANDB_MODE="nonsense")
    assert "W&B did not take it" in result.stderr
    assert read_record(output).data.images == 13


def test_a_training_goes_on_without(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("WANDB_MODE", "nonsense")
    with pytest.warns(UserWarning, match="goes on without W&B"):
        assert make_fit_logger(tmp_path / "run", {"seed_everything": 0}) == []
    monkeypatch.setenv("WANDB_MODE", "offline")
    (tmp_path / "file").write_text("")
    with pytest.warns(UserWarning, match="goes on without W&B"):
        assert make_fit_logger(tmp_path / "file" / "run", {"seed_everything": 0}) == []


def test_hint(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("WANDB_MODE", "dryrun")
    assert make_sync_hint(tmp_path) is None
    (tmp_path / "wandb").mkdir()
    assert f"wandb sync {tmp_path}" in str(make_sync_hint(tmp_path))
    monkeypatch.setenv("WANDB_MODE", "disabled")
    assert make_sync_hint(tmp_path) is None


def test_mode(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    monkeypatch.delenv("WANDB_API_KEY", raising=False)
    monkeypatch.delenv("WANDB_MODE")
    assert choose_wandb_mode() == "offline"
    monkeypatch.setenv("WANDB_API_KEY", "0" * 40)
    assert choose_wandb_mode() == "online"
    monkeypatch.setenv("WANDB_MODE", "disabled")
    assert choose_wandb_mode() == "disabled"
    monkeypatch.setenv("WANDB_MODE", "dryrun")  # what Lightning makes of offline
    assert choose_wandb_mode() == "offline"


def test_id_stays(tmp_path: Path) -> None:
    assert find_run_id(tmp_path / "run") == find_run_id(tmp_path / "run")
    assert find_run_id(tmp_path / "run") != find_run_id(tmp_path / "other")
