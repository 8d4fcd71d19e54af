"""Transforms of albumentations by name and arguments, which are checked."""

import inspect
import os
from collections.abc import Mapping
from typing import Any

os.environ.setdefault("NO_ALBUMENTATIONS_UPDATE", "1")  # its import would otherwise look for updates online

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
    # The module of the interface defines the base classes, and a transform that does nothing.
    bases = BasicTransform.__module__
    if not (inspect.isclass(kind) and issubclass(kind, BasicTransform) and kind.__module__ != bases):
        raise UserError(f"{where}: albumentations has no transform {name!r}: name one of its classes")
    return kind


def make_transform(
    where: str, kind: type[BasicTransform], arguments: Mapping[str, Any], **fixed: Any
) -> BasicTransform:
    """A transform with `arguments` and `fixed` arguments; pixels that enter a mask from outside the image are ignored.

    Raises:
        UserError: the transform does not take them, in a sentence that begins with `where`.
    """
    # albumentations only warns of unknown arguments, and silently drops those that its schema lacks.
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
