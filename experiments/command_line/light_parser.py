"""The parser of the verbs that need no configuration files."""

import argparse


def light_parser(verb: str, description: str, examples: str) -> argparse.ArgumentParser:
    """A parser whose help ends with examples, one to a line; names are not abbreviated."""
    listed = "\n".join(f"  python -m experiments {verb} {line}" for line in examples.strip().splitlines())
    return argparse.ArgumentParser(
        prog=f"python -m experiments {verb}",
        description=description,
        epilog=f"examples:\n{listed}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
