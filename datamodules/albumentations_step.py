"""A transform of albumentations by its name and arguments, or a sentence that says what is wrong with them."""

import inspect
import os
from collections.abc import Mapping
from typing import Any

os.environ.setdefault("NO_ALBUMENTATIONS_UPDATE", "1")  # its import would otherwise ask the network for news

import albumentations
from albumentations.core.transforms_interface import BasicTransform

from datamodules.dataset import IGNORED
from user_error import UserError


def find_transform(where: str, name: str) -> type[BasicTransform]:
    """The class of albumentations (Buslaev et al., Information 2020) that is called `name`.

    Raises:
        UserError: there is none, in a sentence that begins with `where`.
    """
    kind: Any = getattr(albumentations, name, None)
    # What the module of the interface itself defines are the base classes, and a transform that does nothing.
    bases = BasicTransform.__module__
    if not (inspect.isclass(kind) and issubclass(kind, BasicTransform) and kind.__module__ != bases):
        raise UserError(f"{where}: albumentations has no transform {name!r}: name one of its classes")
    return kind


def make_transform(
    where: str, kind: type[BasicTransform], arguments: Mapping[str, Any], **fixed: Any
) -> BasicTransform:
    """A transform with `arguments`, and those that are `fixed`; what it moves into a mask from outside is ignored there.

    Raises:
        UserError: it does not take them, in a sentence that begins with `where`.
    """
    # albumentations only warns of arguments that it does not know, and drops those that its schema lacks in silence.
    known = set(inspect.signature(kind.__init__).parameters) & set(kind.InitSchema.model_fields)
    unknown = sorted(set(arguments) - (known - set(fixed)))
    if unknown:
        raise UserError(
            f"{where}: {kind.__name__} has no argument {unknown[0]!r}: give some of {', '.join(sorted(known - set(fixed)))}"
        )
    outside = {"fill_mask": IGNORED} if "fill_mask" in known else {}
    try:
        return kind(**{**outside, **arguments, **fixed})
    except (ValueError, TypeError) as error:
        reason = " ".join(str(error).split())
        raise UserError(f"{where}: {kind.__name__} refuses {dict(arguments)}: {reason}") from error
