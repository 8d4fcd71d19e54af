"""Components that are built from a YAML of `experiments/configs` outside of a training."""

from pathlib import Path
from typing import Any

from user_error import UserError


def build_component(base: type[Any], path: Path, kind: str) -> Any:
    """The object that a YAML describes by ``class_path`` and ``init_args``.

    Args:
        base: class that it must be of.
        path: of the YAML.
        kind: folder of `experiments/configs`, such as "batch_transform".

    Raises:
        UserError: the YAML does not parse, or its class refuses the settings.
    """
    import safe_files.parser_loader  # noqa: F401  # isort: skip  (first: see there)
    from jsonargparse import ArgumentParser

    from experiments.command_line.parser_errors import describe_parser_error

    parser = ArgumentParser(exit_on_error=False)
    parser.add_subclass_arguments(base, kind, required=True)
    try:
        return parser.instantiate_classes(parser.parse_args([f"--{kind}={path}"]))[kind]
    except UserError as error:
        raise UserError(f"{path}: {error}") from error
    except Exception as error:  # the parser lets through whatever YAML, an import or a constructor raises
        raise UserError(
            f"{path} is no {kind.replace('_', ' ')}: {describe_parser_error(error).removeprefix('--')}"
        ) from error
