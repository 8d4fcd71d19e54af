"""Notebooks import and never define, are committed without outputs, and run from above to below."""

import ast
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from command_line import ROOT, TINY

NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
TRAINED = [*TINY[1:], "--trainer.max_epochs=1", "--trainer.accelerator=cpu"]
SMOKE = {"suite_name": '"smoke"'}
TRIED = {
    "corruptions": (SMOKE, "assert len(plt.get_fignums()) == 2, plt.get_fignums()\nassert len(tiles) == 4"),
    "classical_features": (SMOKE, "assert len(plt.get_fignums()) == 1, plt.get_fignums()\nassert len(rows) == 4 * 14"),
    "quickstart": (
        {**SMOKE, "run": "'FOLDER/run'", "further": repr(TRAINED)},
        "assert [path.name for path in pictures] == [one.file for one in record.pictures]\nassert len(figure.axes) >= 2",
    ),
    "comparing": (
        {},
        "assert [is_significant(one.headline.p) for one in found] == [True, False]\nassert len(table) == 3 * 76",
    ),
    "medical_case": (
        {**SMOKE, "data_root": "None", "run": "'FOLDER/run'", "further": repr(TRAINED)},
        "assert records[0].summary.clean_miou == records[1].summary.clean_miou\n"
        "one, other = ([cell.counts['confusion'] for cell in record.cells] for record in records[:2])\n"
        "assert one == other\n"
        "assert [path.name for path in pictures] == [one.file for one in record.pictures]",
    ),
}
"""What a test sets in the first cell instead, and what is true when the last has run."""


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
    settings, check = TRIED[path.stem]
    for name, value in settings.items():
        assert re.search(f"^{name} = ", sources[0], re.MULTILINE), name
        sources[0] += f"\n{name} = {value.replace('FOLDER', str(tmp_path))}"
    script = tmp_path / "notebook.py"
    script.write_text("\n".join([*sources, check, ""]))
    environment = {**os.environ, "MPLBACKEND": "Agg", "WANDB_MODE": "disabled"}
    command = [sys.executable, str(script)]
    result = subprocess.run(command, cwd=path.parent, env=environment, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr


def test_there_is_one() -> None:
    assert {path.stem for path in NOTEBOOKS} == set(TRIED)
