"""Data sets of the Hugging Face hub: their tables are downloaded, never their code."""

from pathlib import Path

from user_error import UserError, shorten

TABLES = ("*.parquet", "*.arrow", "*dataset_dict.json", "*state.json", "*metadata.csv", "*metadata.jsonl")
PICTURES = ("*.png", "*.jpg", "*.jpeg", "*.tif", "*.tiff", "*.bmp", "*.webp")
"""Files that are downloaded; a repository may hold others, scripts among them."""


def download_tables(name: str, revision: str | None = None) -> Path:
    """Download the tables and images of a data set, unless they are in the cache, and return their folder.

    Args:
        name: of the data set on the hub, ``OWNER/NAME``.
        revision: branch, tag or commit; ``refs/convert/parquet`` is the hub's own conversion of other formats.

    Raises:
        UserError: there is none, or the hub cannot be reached.
    """
    from huggingface_hub import snapshot_download  # here, since few commands need it
    from huggingface_hub.errors import (
        HFValidationError,
        LocalEntryNotFoundError,
        RepositoryNotFoundError,
        RevisionNotFoundError,
    )

    try:
        found = snapshot_download(name, repo_type="dataset", revision=revision, allow_patterns=[*TABLES, *PICTURES])
    except (HFValidationError, RepositoryNotFoundError, RevisionNotFoundError) as error:
        at = "" if revision is None else f" at {revision!r}"
        raise UserError(
            f"the hub has no data set {name!r}{at} that you may read: check its name ({shorten(error)})"
        ) from error
    except (LocalEntryNotFoundError, OSError) as error:
        raise UserError(
            f"the data set {name!r} is not in the cache, and the hub cannot be reached ({shorten(error)}): download it where it "
            "can, and set --data.init_args.root to its folder"
        ) from error
    return Path(found)
