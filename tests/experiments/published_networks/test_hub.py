"""Repositories of the hub, by a server of this machine that answers as it does."""

import hashlib
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from command_line import read_refusal, run_command
from huggingface_hub import errors
from published_folders import make_transformers
from safetensors.torch import load_file, save_file

from experiments.checkpoints.checkpoint import read_checkpoint
from experiments.published_networks import hub
from user_error import UserError

COMMIT = "0123456789abcdef0123456789abcdef01234567"


def shard(folder: Path, names: tuple[str, str] = ("part-1.safetensors", "part-2.safetensors")) -> None:
    """Split the weights of a folder into two files and an index."""
    state = load_file(folder / "model.safetensors")
    (folder / "model.safetensors").unlink()
    halves = [dict(list(state.items())[:20]), dict(list(state.items())[20:])]
    for name, half in zip(names, halves, strict=True):
        save_file(half, folder / Path(name).name, metadata={"format": "pt"})
    index = {
        "metadata": {},
        "weight_map": {key: name for name, half in zip(names, halves, strict=True) for key in half},
    }
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))


class Handler(BaseHTTPRequestHandler):
    """The few addresses of the hub that a download asks for."""

    folder: Path

    def do_GET(self) -> None:
        self.answer(send=True)

    def do_HEAD(self) -> None:
        self.answer(send=False)

    def answer(self, send: bool) -> None:
        address = self.path.partition("?")[0]
        if address == "/":
            self.reply(b"", {}, send)
        elif address.startswith("/api/models/someone/net"):
            files = [{"rfilename": path.name} for path in self.folder.iterdir()]
            self.reply(json.dumps({"id": "someone/net", "sha": COMMIT, "siblings": files}).encode(), {}, send)
        elif address.startswith((f"/someone/net/resolve/{COMMIT}/", "/someone/net/resolve/main/")):
            content = (self.folder / Path(address).name).read_bytes()
            etag = hashlib.sha256(content).hexdigest()
            self.reply(content, {"ETag": f'"{etag}"', "X-Repo-Commit": COMMIT, "Accept-Ranges": "bytes"}, send)
        else:
            self.send_response(404)
            self.send_header("X-Error-Code", "RepoNotFound")
            self.send_header("Content-Length", "0")
            self.end_headers()

    def reply(self, content: bytes, headers: dict[str, str], send: bool) -> None:
        self.send_response(200)
        for name, value in {**headers, "Content-Length": str(len(content))}.items():
            self.send_header(name, value)
        self.end_headers()
        if send:
            self.wfile.write(content)

    def log_message(self, *_: Any) -> None:
        """Nothing is printed."""


@pytest.fixture
def server(tmp_path: Path) -> Iterator[str]:
    """The address of a hub with one repository, whose weights are in two parts."""
    folder = tmp_path / "repository"
    make_transformers(folder, "segformer")
    shard(folder)
    running = ThreadingHTTPServer(("127.0.0.1", 0), type("Bound", (Handler,), {"folder": folder}))
    threading.Thread(target=running.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{running.server_port}"
    running.shutdown()
    running.server_close()


def test_a_repository_and_its_commit(server: str, words: list[str], tmp_path: Path) -> None:
    checkpoint = tmp_path / "run" / "best.ckpt"
    environment = {"HF_ENDPOINT": server, "HF_HOME": tmp_path / "home", "HF_HUB_DISABLE_XET": "1"}
    call = ("convert", "--source=someone/net", f"--output={checkpoint}", *words)
    run_command(*call, HF_HUB_OFFLINE="0", **environment)
    (step,) = read_checkpoint(checkpoint)["derived_from"]
    assert step["settings"]["source"] == "someone/net"
    assert step["settings"]["commit"] == COMMIT
    again = tmp_path / "again" / "best.ckpt"  # of the cache, where the network is forbidden
    run_command(*call, f"--output={again}", HF_HUB_OFFLINE="1", **environment)
    assert torch.equal(
        *(
            next(
                iter(
                    value for name, value in read_checkpoint(path)["state_dict"].items() if "classifier.weight" in name
                )
            )
            for path in (checkpoint, again)
        )
    )


def make_error(kind: type[Any]) -> Exception:
    """An error of the hub's client."""
    response: Any = SimpleNamespace(headers={}, status_code=403, request=None, text="")
    return kind("refused", response=response)


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        (errors.GatedRepoError, "is gated: accept its terms"),
        (errors.RepositoryNotFoundError, "neither a file or folder"),
        (errors.RevisionNotFoundError, "has no revision 'old'"),
        (errors.HfHubHTTPError, "cannot be had from the hub"),
    ],
)
def test_what_the_hub_refuses(
    kind: type[Any], message: str, words: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def model_info(*_: Any, **__: Any) -> None:
        raise make_error(kind)

    monkeypatch.setattr(hub, "require_reachable", lambda *_: None)
    monkeypatch.setattr(hub.HfApi, "model_info", model_info)
    output = f"--output={tmp_path / 'run' / 'best.ckpt'}"
    assert message in read_refusal("convert", "--source=someone/net", "--revision=old", output, *words)


def test_sources_that_are_none(words: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lightning_modules.networks.pretrained.constants.HF_HUB_OFFLINE", True)
    call = ("convert", f"--output={tmp_path / 'run' / 'best.ckpt'}", *words)
    assert "cannot be reached" in read_refusal(*call, "--source=someone/net")
    for source in ("missing.pth", "./missing", "a/b/c", "../x", "https://example.org/net.pth"):
        assert "there is no file or folder" in read_refusal(*call, f"--source={source}")
    for source in ("Unet_Weights.V1", "LRASPP_MobileNet_V3_Small_Weights.COCO_WITH_VOC_LABELS_V1"):  # no repositories
        assert "torchvision has no weights" in read_refusal(*call, f"--source={source}")
    missing = tmp_path / "lraspp_mobilenet_v3_large-d234d4ea.pth"  # torchvision's own name for a file
    assert "there is no file or folder" in read_refusal(*call, f"--source={missing}")
    (tmp_path / "empty").mkdir()
    assert "has no config.json" in read_refusal(*call, f"--source={tmp_path / 'empty'}")
    (tmp_path / "x.txt").write_text("nothing")
    assert "x.txt" in read_refusal(*call, f"--source={tmp_path / 'x.txt'}")


def test_options_of_other_formats(words: list[str], tmp_path: Path) -> None:
    folder = tmp_path / "net"
    make_transformers(folder, "segformer")
    call = ("convert", f"--source={folder}", f"--output={tmp_path / 'run' / 'best.ckpt'}", *words)
    assert "--network is for a plain" in read_refusal(*call, "--network=experiments/configs/network/unet.yaml")
    assert "--revision is of a repository" in read_refusal(*call, "--revision=main")
    assert "names no class of smp" in read_refusal(*call, "--from=smp")


def test_weights_of_several_parts(words: list[str], tmp_path: Path) -> None:
    folder = tmp_path / "net"
    make_transformers(folder, "segformer")
    shard(folder)
    call = ("convert", f"--source={folder}", f"--output={tmp_path / 'run' / 'best.ckpt'}", *words)
    run_command(*call)
    index = folder / "model.safetensors.index.json"
    given = json.loads(index.read_text())
    for name, message in (
        ("../part-1.safetensors", "was refused"),
        ("/etc/passwd", "was refused"),
        ("part-1.bin", "was refused"),
        ("..", "was refused"),
        ("part-3.safetensors", "lacks part-3.safetensors"),
        (3, "lists no parts"),
    ):
        index.write_text(json.dumps({**given, "weight_map": {**given["weight_map"], "x": name}}))
        assert message in read_refusal(*call)


def test_weights_of_pytorch(words: list[str], tmp_path: Path) -> None:
    folder, output = tmp_path / "net", tmp_path / "run" / "best.ckpt"
    make_transformers(folder, "segformer")
    state = load_file(folder / "model.safetensors")
    (folder / "model.safetensors").unlink()
    call = ("convert", f"--source={folder}", f"--output={output}", *words)
    assert "has no weights" in read_refusal(*call)
    torch.save(state, folder / "pytorch_model.bin")
    run_command(*call)
    marker = tmp_path / "ran"
    from payloads import Reduced

    torch.save({**state, "x": Reduced(marker)}, folder / "pytorch_model.bin")
    assert "cannot be read (it names getattr)" in (said := read_refusal(*call))
    assert "weights_only" not in said  # PyTorch advises to run what is in the file
    assert not marker.exists()
    (folder / "model.safetensors").write_bytes(b"no tensors")
    assert "cannot be read" in read_refusal(*call)


def test_names_of_parts(tmp_path: Path) -> None:
    (tmp_path / "model.safetensors.index.json").write_text("[]")
    with pytest.raises(UserError, match="no JSON object"):
        hub.list_shards(tmp_path)
