"""Notebooks import and never define, are committed without outputs, and run from above to below."""

import ast
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from command_line import ROOT

NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
CHECKS = {
    "corruptions": "assert len(plt.get_fignums()) == 2, plt.get_fignums()\nassert len(tiles) == 4",
    "classical_features": "assert len(plt.get_fignums()) == 1, plt.get_fignums()\nassert len(rows) == 4 * 14",
}


def cells(path: Path) -> list[dict]:
    notebook = json.loads(path.read_text())
    assert notebook["nbformat"] == 4
    return [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_clean_and_without_definitions(path: Path) -> None:
    for cell in cells(path):
        assert cell["outputs"] == []
        assert cell["execution_count"] is None
        defined = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Lambda)
        assert not any(isinstance(node, defined) for node in ast.walk(ast.parse("".join(cell["source"]))))


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_runs(path: Path, tmp_path: Path) -> None:
    sources = ["".join(cell["source"]) for cell in cells(path)]
    assert 'suite_name = "imagenet_c"' in sources[0]
    sources[0] = sources[0].replace('"imagenet_c"', '"smoke"')
    script = tmp_path / "notebook.py"
    script.write_text("\n".join([*sources, CHECKS[path.stem], ""]))
    environment = {**os.environ, "MPLBACKEND": "Agg"}
    command = [sys.executable, str(script)]
    result = subprocess.run(command, cwd=path.parent, env=environment, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr


def test_there_is_one() -> None:
    assert {path.stem for path in NOTEBOOKS} == set(CHECKS)
