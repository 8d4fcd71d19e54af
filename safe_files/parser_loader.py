"""The checks of `yaml_file` for the YAML that jsonargparse reads, in files and in options.

jsonargparse reads files of settings itself, at any depth. Importing this module puts the checks before its loader and
limits the size of the files; a module that makes a parser, or rebuilds a network by one, imports it first.
"""

from pathlib import Path as FilePath
from typing import Any

import jsonargparse
import yaml
from jsonargparse import get_loader, set_loader

from safe_files.text import MEBI, read_text
from safe_files.yaml_file import MOST_SETTINGS, FormError, require_form
from user_error import UserError

LARGEST = 4 * MEBI
REMEDY = "name a YAML of settings, such as those of experiments/configs"

_load = get_loader("yaml")
_read_anything = jsonargparse.Path.read_text


def load_settings(text: str) -> Any:
    """Parse a text as jsonargparse does, after checking its form.

    Raises:
        yaml.YAMLError: it is no YAML, or too large or too deep; the parser then keeps it as a text.
    """
    require_form(text, MOST_SETTINGS)
    try:
        return _load(text)
    except (ValueError, TypeError, KeyError, AttributeError, ArithmeticError) as error:
        raise yaml.YAMLError(f"a value is not of its kind ({str(error)[:80]})") from error


def read_settings_text(path: Any) -> str:
    """The content of a file of settings that jsonargparse opens.

    Raises:
        UserError: the file, which is named, is no text or too large, or its aliases unfold beyond the bound.
    """
    if path.is_url or path.is_fsspec or str(path) == "-":
        return _read_anything(path)
    file = FilePath(path.absolute)
    text = read_text(file, REMEDY, LARGEST)
    try:
        require_form(text, MOST_SETTINGS)
    except FormError as error:
        raise UserError(f"{file} is not to be read ({error}): {REMEDY}") from error
    except yaml.YAMLError:
        pass  # the parser reports the place
    return text


set_loader("yaml", load_settings, (yaml.YAMLError,))
jsonargparse.Path.read_text = read_settings_text  # type: ignore[method-assign, assignment]
