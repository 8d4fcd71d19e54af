"""A component that is named by its class begins from the defaults of that class, whatever stood in its place before.

jsonargparse by itself keeps the settings of the former component that the new one accepts, so that an ablation over networks
would run each with settings of the recipe's. What is given as a whole, in a file, a mapping or as a class, is filled up with
its class's defaults here, before it is merged; single settings (``--model.init_args.network.init_args.encoder``) still change
what stands.
"""

from collections.abc import Sequence
from typing import Any

from jsonargparse import Namespace, _typehints

from experiments.evaluation.earlier_settings import translate
from user_error import UserError

FRAME = "SegmentationModule"
"""What components are put into: another module keeps those of the recipe, which are no settings of its own."""


MODEL = "model"
"""The option of the frame."""


class _Whole(Namespace):
    """A component whose class was named along with its settings."""


def begin_from_defaults() -> None:
    """Let every parser of jsonargparse treat components so; calling it again changes nothing.

    It has no hook for this: two functions are replaced that the pinned version goes through wherever components are read.
    """
    if _typehints.subclass_spec_as_namespace is not _mark_whole:
        _typehints.subclass_spec_as_namespace = _mark_whole
        _typehints.adapt_class_type = _fill_up


def require_order(argv: Sequence[str]) -> None:
    """Refuse a setting of a component before the component itself, which would begin from its defaults and lose it.

    One that is given again behind the component, or belongs to another one that was named before, is not lost.

    Raises:
        UserError: it names both.
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


def _mark_whole(val: Any, prev_val: Any = None) -> Any:
    named = isinstance(val, str) or (isinstance(val, dict | Namespace) and "class_path" in val)
    found = _as_namespace(translate(val) if isinstance(val, dict) else val, prev_val)
    if named and _typehints.is_subclass_spec(found) and not isinstance(found, _Whole):
        return _Whole(found)
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
    if isinstance(value, _Whole) and not serialize and not instantiate_classes:
        kind = _typehints.import_object(value["class_path"])
        if FRAME not in {base.__name__ for base in getattr(kind, "__mro__", ())}:
            parser = _typehints.ActionTypeHint.get_class_parser(kind, sub_add_kwargs, skip_args=partial_skip_args)
            settings = parser.get_defaults()
            given = value.get("init_args")
            for name, setting in vars(given).items() if isinstance(given, Namespace) else ():
                settings[name] = setting
            _forget(prev_val)  # before: within a list it may be the value itself
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
    """Empty what stood there, which the parser would go on merging into."""
    if isinstance(former, Namespace):
        former.pop("dict_kwargs", None)
        if "init_args" in former:
            former["init_args"] = Namespace()
