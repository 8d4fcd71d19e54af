"""A component that is named by its class takes its other settings from the defaults of that class.

jsonargparse by itself keeps settings of the previous component that the new one accepts, so that an ablation over networks
would run each with settings of the recipe's network. A component that is given by its class, in a file, a mapping or on the
command line, is completed with the defaults of its class here, before it is merged; single settings
(``--model.init_args.network.init_args.encoder``) still change the component that is set.
"""

from collections.abc import Sequence
from inspect import isabstract
from typing import Any

from jsonargparse import Namespace, _typehints

from experiments.evaluation.earlier_settings import translate
from user_error import UserError

FRAME = "SegmentationModule"
"""Base class of the module that holds components: changing the module keeps the components of the recipe."""


MODEL = "model"
"""The option of that module."""


class _CompleteComponent(Namespace):
    """A component whose class was named along with its settings."""


def begin_from_defaults() -> None:
    """Have every parser of jsonargparse complete components by their defaults; calling this again changes nothing.

    jsonargparse has no hook for this: two functions that the pinned version calls wherever components are read are replaced.
    """
    if _typehints.subclass_spec_as_namespace is not _mark_complete:
        _typehints.subclass_spec_as_namespace = _mark_complete
        _typehints.adapt_class_type = _fill_up


def require_order(argv: Sequence[str]) -> None:
    """Refuse a setting of a component before the component itself, whose defaults would overwrite it.

    A setting that is given again after the component, or that belongs to another one named before, is not lost.

    Raises:
        UserError: a setting stands before its component.
    """
    given = [word[2:].partition("=")[0] for word in argv if word.startswith("--")]
    for place, component in enumerate(given):
        if component == MODEL or component in given[:place]:
            continue
        early = next(
            (key for key in given[:place] if key.startswith(f"{component}.") and key not in given[place:]), None
        )
        if early is not None:
            raise UserError(
                f"--{early} stands before --{component}, which begins from the defaults of its class: put it behind"
            )


_as_namespace = _typehints.subclass_spec_as_namespace
_adapt = _typehints.adapt_class_type


def _mark_complete(val: Any, prev_val: Any = None) -> Any:
    named = isinstance(val, str) or (isinstance(val, dict | Namespace) and "class_path" in val)
    found = _as_namespace(translate(val) if isinstance(val, dict) else val, prev_val)
    if named and _typehints.is_subclass_spec(found) and not isinstance(found, _CompleteComponent):
        return _CompleteComponent(found)
    return found


def _fill_up(
    value: Any,
    serialize: bool,
    instantiate_classes: bool,
    sub_add_kwargs: dict[str, Any],
    prev_val: Any = None,
    partial_skip_args: set[str] | None = None,
    typehint: Any = None,
) -> Any:
    if isinstance(value, _CompleteComponent) and not serialize and not instantiate_classes:
        kind = _typehints.import_object(value["class_path"])
        # jsonargparse asks this of a class, and not of one that a function is to make, as of a network
        if isabstract(kind):
            raise ValueError(f"Expected an instantiatable class, but {value['class_path']} is abstract")
        if FRAME not in {base.__name__ for base in getattr(kind, "__mro__", ())}:
            parser = _typehints.ActionTypeHint.get_class_parser(kind, sub_add_kwargs, skip_args=partial_skip_args)
            settings = parser.get_defaults()
            given = value.get("init_args")
            for name, setting in vars(given).items() if isinstance(given, Namespace) else ():
                settings[name] = setting
            _forget(prev_val)  # before `value` is changed: within a list it may be the same object
            value["init_args"] = settings
    return _adapt(
        value,
        serialize,
        instantiate_classes,
        sub_add_kwargs,
        prev_val=prev_val,
        partial_skip_args=partial_skip_args,
        typehint=typehint,
    )


def _forget(former: Any) -> None:
    """Empty the settings of the previous component, which the parser would merge into the new one."""
    if isinstance(former, Namespace):
        former.pop("dict_kwargs", None)
        if "init_args" in former:
            former["init_args"] = Namespace()
