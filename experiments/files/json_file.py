"""JSON files that follow a schema; what is wrong with one is reported in one sentence."""

from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel, ValidationError

from safe_files.text import read_text
from user_error import UserError

Content = TypeVar("Content", bound=BaseModel)


def read_json(path: Path, schema: type[Content], what: str, wrong: str, verb: str) -> Content:
    """The content of a file, checked against its schema.

    Args:
        path: of the file.
        schema: what it must hold.
        what: the name of such a file in messages, "record".
        wrong: how a message describes another file, "is not a record".
        verb: the verb that writes such files.

    Raises:
        UserError: no such file, or it holds something else.
    """
    try:
        return schema.model_validate_json(read_text(path, f"it {wrong}; pass what {verb!r} wrote"))
    except FileNotFoundError as error:
        raise UserError(f"no {what} {str(path)!r}: pass the JSON file that {verb!r} wrote") from error
    except IsADirectoryError as error:
        raise UserError(f"{str(path)!r} {wrong}: pass the JSON file that {verb!r} wrote") from error
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False, include_context=False)[0]
        where = ".".join(str(part)[:80] for part in first["loc"])
        problem = f"{where}: {first['msg']}" if where else first["msg"]
        raise UserError(f"{str(path)!r} {wrong} ({problem}): write it anew with {verb!r}") from error
