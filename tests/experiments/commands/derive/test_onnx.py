"""An ONNX file becomes a checkpoint, and its sweep is an ordinary one."""

import json
from pathlib import Path

import pytest
import torch
from command_line import read_refusal, run_command
from onnx import TensorProto, helper, numpy_helper

from experiments.checkpoints.checkpoint import load_module

DATA = [
    "--data=datamodules.datasets.synthetic.SyntheticDataModule",
    "--data.init_args.size=[64,64]",
    "--data.init_args.test=5",
    "--data.init_args.num_workers=0",
]


@pytest.fixture
def onnx_file(tmp_path: Path) -> Path:
    """Scores of five classes, linear in the colours."""
    weight = torch.randn(5, 3, 1, 1, generator=torch.Generator().manual_seed(0)).numpy()
    node = helper.make_node("Conv", ["image", "weight"], ["logits"])
    tensors = [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in ("image", "logits")]
    tensors[0] = helper.make_tensor_value_info("image", TensorProto.FLOAT, ["n", 3, "h", "w"])
    graph = helper.make_graph([node], "net", tensors[:1], tensors[1:], [numpy_helper.from_array(weight, "weight")])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    path = tmp_path / "model.onnx"
    path.write_bytes(model.SerializeToString())
    return path


def test_an_onnx_file_is_swept(onnx_file: Path, tmp_path: Path) -> None:
    checkpoint = tmp_path / "run" / "best.ckpt"
    run_command("onnx", f"--file={onnx_file}", f"--output={checkpoint}", "--mean=0,0,0", "--std=1,1,1", *DATA)
    image = torch.randint(0, 256, (1, 3, 20, 30), dtype=torch.uint8)
    with torch.inference_mode():
        assert load_module(checkpoint)(image).shape == (1, 5, 20, 30)
    output = tmp_path / "record.json"
    run_command("benchmark", f"--checkpoint={checkpoint}", "--suite=smoke", f"--output={output}", "--pictures=0")
    record = json.loads(output.read_text())
    assert len(record["cells"]) == 5
    assert record["recipe"]["data"]["init_args"]["test"] == 5


def test_refusals(onnx_file: Path, tmp_path: Path) -> None:
    output = f"--output={tmp_path / 'run' / 'best.ckpt'}"
    assert read_refusal("onnx", f"--file={onnx_file}", output).startswith("no data: pass --data")
    assert "no ONNX file" in read_refusal("onnx", "--file=missing.onnx", output, *DATA)
    assert "3 channels" in read_refusal("onnx", f"--file={onnx_file}", output, "--mean=0,0", *DATA)
    assert "no numbers" in read_refusal("onnx", f"--file={onnx_file}", output, "--std=a,b,c", *DATA)
    assert "does not say how the images" in read_refusal("onnx", f"--file={onnx_file}", output, *DATA)
    fed = ("--mean=0,0,0", "--std=1,1,1")
    assert "(B, 7, h, w)" in read_refusal(
        "onnx", f"--file={onnx_file}", output, *fed, *DATA, "--data.init_args.num_classes=7"
    )
    assert "named *.ckpt" in read_refusal("onnx", f"--file={onnx_file}", f"--output={tmp_path / 'x.onnx'}", *DATA)
    assert not (tmp_path / "run" / "best.ckpt").exists()
