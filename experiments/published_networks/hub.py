"""Repositories of the Hugging Face hub: the few files that a network needs, of one commit."""

from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from huggingface_hub import HfApi, constants, errors, hf_hub_download, try_to_load_from_cache

from experiments.published_networks.folder import CONFIG, INDEX, list_shards
from lightning_modules.networks.pretrained import HUB_TIMEOUT_S, require_reachable
from user_error import UserError, shorten

WANTED = (
    *(CONFIG, "preprocessor_config.json", "processor_config.json", "albumentations_config_eval.json"),
    *("tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "vocab.json", "merges.txt"),
)
WEIGHTS = ("model.safetensors", INDEX, "pytorch_model.bin")
"""Files of weights, the first that there is being taken."""


class Snapshot(NamedTuple):
    """A local copy of a repository's files, and the commit that they are of."""

    folder: Path
    commit: str


def fetch_repository(name: str, revision: str | None) -> Snapshot:
    """Download the files of a repository that a network needs, or take them from the cache.

    Args:
        name: of the repository, such as "nvidia/segformer-b0-finetuned-ade-512-512".
        revision: branch, tag or commit; its main branch if null.

    Raises:
        UserError: there is no such repository or revision, it is gated, or the hub cannot be reached.
    """
    if (cached := _find_cached(name, revision)) is not None:
        return cached
    require_reachable(
        f"the files of {name!r}",
        constants.ENDPOINT,
        "pass the folder of a copy of the repository as --source, or run where the hub can be reached once",
    )
    try:
        found = HfApi().model_info(name, revision=revision, timeout=HUB_TIMEOUT_S)
        commit = str(found.sha)
        listed = [one.rfilename for one in found.siblings or ()]
        folder = _download(name, commit, [one for one in WANTED if one in listed])
        _download(
            name, revision or "main", [CONFIG]
        )  # the cache notes which commit a branch is at, for work without network
        weights = next((one for one in WEIGHTS if one in listed), None)
        if weights is not None:
            _download(name, commit, [weights])
            if weights == INDEX:
                _download(name, commit, list_shards(folder))
    except UserError:
        raise
    except Exception as error:  # the hub's client has no common base for what may go wrong
        raise _explain(name, revision, error) from error
    return Snapshot(folder, commit)


def _download(name: str, commit: str, files: Iterable[str]) -> Path:
    paths = [Path(hf_hub_download(name, file, revision=commit)) for file in files]
    if not paths:
        raise UserError(
            f"the repository {name!r} has no {CONFIG}, so it holds no network of a known format: pass another one"
        )
    return paths[0].parent


def _find_cached(name: str, revision: str | None) -> Snapshot | None:
    """A complete copy in the cache: of a stated commit, or of any revision where the user forbids the network."""
    is_commit = revision is not None and len(revision) == 40 and not set(revision) - set("0123456789abcdef")
    if not (is_commit or constants.HF_HUB_OFFLINE):
        return None
    config = try_to_load_from_cache(name, CONFIG, revision=revision)
    if not isinstance(config, str):
        return None
    folder = Path(config).parent
    weights = next((folder / one for one in WEIGHTS if (folder / one).is_file()), None)
    if weights is None or (weights.name == INDEX and not all((folder / one).is_file() for one in list_shards(folder))):
        return None
    return Snapshot(folder, folder.name)


def _explain(name: str, revision: str | None, error: Exception) -> UserError:
    where = f"{name!r}" if revision is None else f"{name!r} at {revision!r}"
    if isinstance(error, errors.GatedRepoError):
        return UserError(
            f"the repository {name!r} is gated: accept its terms at {constants.ENDPOINT}/{name}, then run 'hf auth login' or "
            "set HF_TOKEN"
        )
    if isinstance(error, errors.RevisionNotFoundError):
        return UserError(
            f"the repository {name!r} has no revision {revision!r}: pass a branch, a tag or a commit of it"
        )
    if isinstance(error, errors.RepositoryNotFoundError):
        return UserError(
            f"there is neither a file or folder {name!r} here nor such a repository on the hub, or it is private: correct "
            "--source, or log in by 'hf auth login'"
        )
    return UserError(
        f"the repository {where} cannot be had from the hub ({shorten(error)}): try again, or pass a folder"
    )
