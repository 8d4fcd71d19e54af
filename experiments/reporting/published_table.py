"""A published table as Markdown: one for each data set, and beneath it what does not agree with itself."""

import math
from collections.abc import Sequence

from experiments.evaluation.published import NAMES, Published, Table
from experiments.evaluation.published_checks import find_copies, find_misstated, find_repeated, find_stuck
from experiments.evaluation.ranking import DEGRADATIONS, RECOMPUTED, Row
from experiments.files.tables import format_percent, make_markdown_table

TITLES = {
    "mcd": "mCD",
    "mrcd": "mrCD",
    "cd_of_sums": "CD of sums",
    "rcd_of_sums": "rCD of sums",
    "mce": "mCE",
}


def format_published(rows: Sequence[Row], table: Table, wide: bool) -> str:
    """Format a Markdown table of each data set, in percent.

    Args:
        rows: of this table.
        table: one of `read_table`.
        wide: show every condition as well.
    """
    groups = dict.fromkeys(row.get("data", "") for row in rows)
    parts = [_make_table([row for row in rows if row.get("data", "") == group], table, group, wide) for group in groups]
    described = table.description
    note = f"{described.title}, as published, in percent: {described.source}. Severities: {described.severities}."
    findings = "".join(f"- {sentence}\n" for sentence in list_findings(table))
    return "\n".join([*parts, f"{note}\n", *([findings] if findings else [])])


def _make_table(rows: Sequence[Row], table: Table, group: str, wide: bool) -> str:
    metric, called = table.description.metric, TITLES | table.description.titles
    shown = NAMES[metric]
    numbers = {
        f"clean_{metric}": f"clean {shown}",
        f"mean_corrupted_{metric}": f"corrupted {shown}",
        "retention": called.get("retention", "retention"),
    }
    numbers |= {key: called[key] for key in DEGRADATIONS if any(key in row for row in rows)}
    further = find_columns(RECOMPUTED, rows)
    numbers |= {key: called.get(key.removeprefix(RECOMPUTED), title) for key, title in further.items()}
    numbers |= find_columns(f"{metric}_", rows) if wide else {}
    model = f"published model, {group}" if group else "published model"
    cells = [[str(row["rank"]), row["name"], *(format_percent(row.get(key)) for key in numbers)] for row in rows]
    return make_markdown_table(["#", model, *numbers.values()], cells)


def find_columns(prefix: str | None, rows: Sequence[Row]) -> dict[str, str]:
    """Keys of rows that have a further column, with its title."""
    keys = dict.fromkeys(key for row in rows for key in row if prefix is not None and key.startswith(prefix))
    return {key: key.removeprefix(prefix or "").replace("_", " ") for key in keys}


def list_findings(table: Table) -> list[str]:
    """A sentence for each row that does not agree with its own cells, or has cells that cannot be its own."""
    called = table.description.titles
    found = [
        f"{_name(one.model)} does not agree with its own cells: {called.get(one.name, one.name)} is stated as "
        f"{_show(one.stated, table)}, and is {_show(one.recomputed, table)} by them{_find_origin(one.model, one.name, table)}."
        for one in find_misstated(table)
    ]
    found += [
        f"{_name(one.model)} does not agree with itself: {_show(one.clean, table)} on clean images, and one and the same "
        f"score under {one.times} of its {one.total} corruptions, {_show(one.score, table)}."
        for one in find_stuck(table.models)
    ]
    found += [
        f"{_name(one)} and {_name(other)} have the same scores under every corruption: one has the cells of the other, "
        "or both those of a third network."
        for one, other in find_copies(table.models)
    ]
    for model in table.models:
        found += [
            f"{_name(model)} has the same scores under {one.replace('_', ' ')} and {other.replace('_', ' ')}."
            for one, other in find_repeated(model)
        ]
    return found


def _find_origin(model: Published, name: str, table: Table) -> str:
    """Whose number it is, if another model of the same family and data set has it."""
    value = model.stated[name].value
    same = [
        other.name
        for other in table.models
        if other is not model
        and (other.data, other.family) == (model.data, model.family)
        and name in other.stated
        and other.stated[name].value == value
    ]
    return f"; {same[0]!r} states the same" if len(same) == 1 else ""


def _name(model: Published) -> str:
    return f"{model.name!r} ({model.data})" if model.data else repr(model.name)


def _show(value: float, table: Table) -> str:
    digits = max(0, round(-math.log10(table.step)) - 2)
    return f"{100 * value:.{digits}f}"
