"""Findings of a data check: a sentence, its certainty, and the remedy."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

Level = Literal["wrong", "look", "note"]
ORDER: tuple[Level, ...] = ("wrong", "look", "note")
MEANING = {
    "wrong": "certain: scores or training would be wrong, or stop",
    "look": "a suspicion: look at it",
    "note": "to know",
}


@dataclass(frozen=True)
class Finding:
    """One finding.

    Args:
        level: how certain it is.
        kind: a word for programs.
        says: what was found, and where.
        mend: the lines of YAML or the command that mend it; nothing where `says` has them.
        where: images or files that it is about.
    """

    level: Level
    kind: str
    says: str
    mend: str = ""
    where: Sequence[str] = field(default_factory=tuple)

    def as_json(self) -> dict[str, Any]:
        """Plain data."""
        return {**asdict(self), "where": list(self.where)}


def name_some(names: Sequence[str], most: int = 3) -> str:
    """The first of some names, and how many more there are."""
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(map(repr, names[:most])) + more


def describe(findings: Sequence[Finding]) -> str:
    """Findings for the terminal, the certain ones first."""
    lines: list[str] = []
    for level in ORDER:
        found = [one for one in findings if one.level == level]
        if found:
            lines.append(f"\n{level} ({MEANING[level]}):")
        for one in found:
            lines.append(f"  - {one.says}")
            lines += [f"      {line}" for line in one.mend.splitlines()]
    return "\n".join(lines) + "\n" if lines else "\nnothing was found that is wrong\n"
