"""The formats of exported networks, by the suffix of their file."""

from pathlib import Path

from user_error import UserError

ONNX, TORCHSCRIPT, PT2 = "onnx", "torchscript", "pt2"

SUFFIXES = {ONNX: ".onnx", TORCHSCRIPT: ".pt", PT2: ".pt2"}


def find_format(output: Path, asked: str | None) -> str:
    """The format of a file: that of its suffix, which has to be the one that was asked for.

    Raises:
        UserError: the suffix is that of another format, or of none.
    """
    named = next((name for name, suffix in SUFFIXES.items() if suffix == output.suffix), None)
    if asked is not None and named != asked:
        raise UserError(
            f"the output {str(output)!r} is asked for as {asked}, whose files are named *{SUFFIXES[asked]}: name it so, or "
            "change --format"
        )
    if named is None:
        listed = ", ".join(f"*{suffix} ({name})" for name, suffix in SUFFIXES.items())
        raise UserError(f"the output {str(output)!r} must be named as one of {listed}")
    return named
