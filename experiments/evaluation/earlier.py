"""Records of the second format, whose counts and scores were a fixed list: the same numbers in the form of today."""

from typing import Any

import numpy as np

from experiments.evaluation.known_counts import add_derived, list_known_shapes
from experiments.evaluation.scores.tasks import TASK

SECOND = "robust-segmentation-record/2"
SUMS = ("confusion", "boundary", "losses", "calibration", "odds")
OTHERS = ("corruption", "severity", "miou_interval", "tasks")
DERIVED = ("classes", "gaps")
PER_IMAGE = ("classes", "boundary", "losses")


def upgrade(fields: Any, present: str) -> Any:
    """The content of a record's file as it would be written today; that of another format as it is.

    Counts that followed from others, and were left out, are put in. ``gaps`` stand in the array file of most of these
    records and are read where they do; none needs them there.

    Args:
        fields: of the file.
        present: the format of today.

    Raises:
        ValueError: it is not in the second format that it states.
    """
    if not isinstance(fields, dict) or fields.get("format") != SECOND or not isinstance(fields.get("cells"), list):
        return fields
    try:
        cells = [_upgrade_cell(cell) for cell in fields["cells"]]
        tasks = {
            name: len(counts) for cell in cells for name, counts in cell["counts"].items() if name.startswith(TASK)
        }
        forms = {
            name: {"shape": [*shape], "per_image": name in PER_IMAGE}
            for name, shape in list_known_shapes(len(fields["classes"])).items()
            if name in (*SUMS, *DERIVED)
        }
    except (AttributeError, IndexError, KeyError, OverflowError, TypeError, ValueError) as error:
        raise ValueError(f"its cells are not those of {SECOND!r}") from error
    forms |= {name: {"shape": [number], "per_image": True} for name, number in tasks.items()}
    return {**fields, "format": present, "counts": forms, "cells": cells}


def _upgrade_cell(cell: dict[str, Any]) -> dict[str, Any]:
    derived = add_derived({name: np.array(cell[name]) for name in ("confusion", "calibration")})
    counts = {name: cell[name] for name in SUMS} | {name: derived[name].tolist() for name in DERIVED}
    scores = {name: value for name, value in cell.items() if name not in (*SUMS, *OTHERS)}
    for name, task in (cell.get("tasks") or {}).items():
        counts[f"{TASK}{name}"] = task["counts"]
        scores |= {f"{name}.{key}": value for key, value in task["scores"].items()}
    retained = {name: cell[name] for name in OTHERS if name in cell and name != "tasks"}
    return {**retained, "counts": counts, "scores": scores}
