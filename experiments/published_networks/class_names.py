"""The classes of a network and those of the data, matched by their names.

Names are compared without case, spaces, underscores and hyphens. A name may list synonyms separated by commas or
semicolons, as ADE20K's do ("road, route"); each of them counts. `SYNONYMS` are the few words that the common data sets write
differently. Nothing else is taken for the same.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from user_error import UserError

SYNONYMS = (
    ("aeroplane", "airplane", "plane"),
    ("motorbike", "motorcycle"),
    ("diningtable", "dining table"),
    ("pottedplant", "potted plant"),
    ("tvmonitor", "tv monitor", "tv", "tv/monitor"),
    ("background", "__background__"),
)
"""Words for one thing: Pascal VOC's, COCO's, Cityscapes' and torchvision's."""

IGNORE = "ignore"
OTHER = "other="
UNNAMED = "LABEL_"  # how Transformers calls a class without a name


def _shorten(word: str) -> str:
    return re.sub(r"[\s_\-]+", "", word.strip().casefold())


_GROUPS = {_shorten(word): _shorten(group[0]) for group in SYNONYMS for word in group}


def list_keys(name: str) -> set[str]:
    """The words of a name in the form in which they are compared."""
    keys = (_shorten(part) for part in re.split("[,;]", name))
    return {_GROUPS.get(key, key) for key in keys if key}


@dataclass(frozen=True)
class Stated:
    """What the user says of classes that do not match by name.

    Args:
        named: names of the data by those of the network; several of the network may be one of the data.
        absent: classes of the data that the network does not know, and shall never answer.
        unmatched: what becomes of classes of the network that the data lack: "ignore", or "other=CLASS" of the data.
    """

    named: Mapping[str, str] = field(default_factory=dict)
    absent: Sequence[str] = ()
    unmatched: str | None = None


@dataclass(frozen=True)
class ClassMap:
    """The classes of the data, each made of classes of the network.

    Args:
        sources: for each class of the data the indices of the network's.
        own: names of the network's classes.
        names: of the data's classes.
        left_out: names of the network's classes that none is made of.
    """

    sources: list[list[int]]
    own: Sequence[str]
    names: Sequence[str]
    left_out: list[str]

    @property
    def is_identity(self) -> bool:
        """Whether the network's classes are the data's, in their order."""
        return self.sources == [[index] for index in range(len(self.own))]

    def as_json(self) -> dict[str, Any]:
        """The map as a checkpoint records it."""
        made = {name: [self.own[index] for index in one] for name, one in zip(self.names, self.sources, strict=True)}
        return {"classes": made, "left_out": self.left_out}


def match_classes(own: Sequence[str], names: Sequence[str], stated: Stated, where: str) -> ClassMap:
    """Match the classes of a network to those of the data.

    Args:
        own: names of the network's classes.
        names: those of the data's.
        stated: what the user says of others.
        where: the network, for the message.

    Raises:
        UserError: a class of either side has no partner and nothing is said of it, or several might be its partner.
    """
    _require_known(own, names, stated, where)
    unclear: list[str] = []
    partner: list[str | None] = [_find_partner(name, names, stated, unclear) for name in own]
    _settle_rivals(own, names, partner, stated, unclear)
    chosen = stated.unmatched.removeprefix(OTHER) if stated.unmatched and stated.unmatched != IGNORE else None
    sources = {name: [index for index, found in enumerate(partner) if found == name] for name in names}
    rest = [index for index, found in enumerate(partner) if found is None]
    if chosen is not None:
        sources[chosen] = sorted(sources[chosen] + rest)
    lacking = [name for name in names if not sources[name] and name not in stated.absent]
    problem = "; ".join(
        [*unclear, *_describe_lacking(lacking), *([] if stated.unmatched else _describe_rest([own[i] for i in rest]))]
    )
    if problem:
        raise UserError(f"the classes of {where} are not those of the data: {problem}")
    if not any(sources.values()):
        raise UserError(f"{where} knows none of the data's classes ({', '.join(names)}): pass other --data")
    left_out = [own[index] for index in rest] if chosen is None else []
    return ClassMap([sources[name] for name in names], list(own), list(names), left_out)


def _require_known(own: Sequence[str], names: Sequence[str], stated: Stated, where: str) -> None:
    """Refuse options that name a class which is not there."""
    for name, meant in stated.named.items():
        if name not in own or meant not in names:
            side, known = (where, own) if name not in own else ("the data", names)
            raise UserError(
                f"--map.classes has {name!r}: {meant!r}, but {side} {'has' if side == where else 'have'} the classes "
                f"{', '.join(known)}: give names of the network, each with one of the data"
            )
    for option, given in (("--absent", list(stated.absent)), ("--unmatched", _find_other(stated.unmatched))):
        wrong = next((name for name in given if name not in names), None)
        if wrong is not None:
            raise UserError(
                f"{option} has {wrong!r}, but the data have the classes {', '.join(names)}: give one of them"
            )


def _find_other(unmatched: str | None) -> list[str]:
    if unmatched is None or unmatched == IGNORE:
        return []
    if not unmatched.startswith(OTHER):
        raise UserError(f"--unmatched is {unmatched!r}: write ignore, or other=CLASS with a class of the data")
    return [unmatched.removeprefix(OTHER)]


def _find_partner(name: str, names: Sequence[str], stated: Stated, unclear: list[str]) -> str | None:
    if name in stated.named:
        return stated.named[name]
    free = [one for one in names if one not in stated.absent]
    if name in free:
        return name
    found = [one for one in free if list_keys(one) & list_keys(name)]
    if len(found) > 1:
        unclear.append(f"its {name!r} may be {' or '.join(map(repr, found))} (say which by --map.classes)")
        return None
    return next(iter(found), None)


def _settle_rivals(
    own: Sequence[str], names: Sequence[str], partner: list[str | None], stated: Stated, unclear: list[str]
) -> None:
    """Of several classes that match one of the data by a synonym, only one of the very name is taken without asking."""
    for name in names:
        rivals = [index for index, found in enumerate(partner) if found == name and own[index] not in stated.named]
        given = any(stated.named.get(one) == name for one in own)
        if len(rivals) + given < 2:
            continue
        same = [index for index in rivals if _shorten(own[index]) == _shorten(name)]
        if not given and len(same) != 1:
            shown = " or ".join(repr(own[index]) for index in rivals)
            unclear.append(f"the data's {name!r} may be its {shown} (say which by --map.classes)")
        for index in rivals:
            if index not in same:
                partner[index] = None


def _describe_lacking(lacking: Sequence[str]) -> list[str]:
    if not lacking:
        return []
    named, words = ", ".join(map(repr, lacking)), " ".join(map(repr, lacking))
    return [
        f"it lacks {named} of the data (name its own class for each by --map.classes '{{ITS NAME: {lacking[0]}}}', or pass "
        f"--absent {words} if it shall never answer so)"
    ]


def _describe_rest(rest: Sequence[str]) -> list[str]:
    if not rest:
        return []
    return [
        f"the data lack its {', '.join(map(repr, rest))} (pass --unmatched ignore, and it answers among the others alone, or "
        "--unmatched other=CLASS for a class of the data)"
    ]


def require_names(
    stated: Sequence[str] | None,
    asked: Sequence[str] | None,
    in_order: bool,
    number: int,
    names: Sequence[str],
    where: str,
) -> list[str]:
    """The names of a network's classes: its own, else those that the user gives.

    Args:
        stated: its own names; `None` where it has none.
        asked: names by the user, in the network's order.
        in_order: whether the user says that they are the data's, in their order.
        number: of the network's classes.
        names: of the data's classes.
        where: the network, for the message.

    Raises:
        UserError: nobody names them, or there is another number of names.
    """
    if in_order and asked is not None:
        raise UserError("--classes and --classes-in-order both name the network's classes: pass one of them")
    found = list(names) if in_order else list(asked) if asked is not None else stated
    if found is None:
        raise UserError(
            f"{where} tells {number} classes apart and names none of them: name them in its order by --classes, or pass "
            f"--classes-in-order if they are the data's {len(names)} ({', '.join(names[:4])}, ...) in this order"
        )
    if len(found) != number:
        whose = "the data have" if in_order else "--classes has" if asked is not None else "it names"
        raise UserError(
            f"{where} tells {number} classes apart, but {whose} {len(found)}: name each of its classes once"
        )
    return [f"{name} ({index})" if found.count(name) > 1 else name for index, name in enumerate(found)]


def read_label_map(labels: Mapping[int, Any], count: int, where: str) -> list[str] | None:
    """The names of the classes in the ``id2label`` of a configuration of Transformers; `None` where there are none.

    Args:
        labels: name by number.
        count: how many classes there are.
        where: the source, for the message.

    Raises:
        UserError: some classes have a name and others none.
    """
    names = {index: str(name).strip() for index, name in labels.items()}
    named = [index for index, name in names.items() if name]
    if not named or all(name.startswith(UNNAMED) for name in names.values()):
        return None
    gap = next((index for index in range(max(count, *named)) if not names.get(index)), None)
    if gap is not None:
        raise UserError(
            f"the id2label of {where} names {len(named)} classes, but not the number {gap}: name it there, or name all classes "
            "in their order by --classes"
        )
    return [names[index] for index in range(count)]
