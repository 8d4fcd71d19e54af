"""The folder of a trial: which trial it holds, and whether that is done."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import cache, cached_property
from pathlib import Path

from experiments.ablation.fingerprint import (
    ROOT,
    TrialFingerprint,
    find_differences,
    make_fingerprint,
    name_sweep,
    parse_options,
    read_fingerprint,
)
from experiments.ablation.record_origin import read_origin
from experiments.ablation.resolved import find_resolved_changes
from experiments.ablation.same_data import DoneTrial
from experiments.ablation.sweep_file import SUITE
from experiments.files.atomic_write import atomic_write
from experiments.files.digest import compute_sha256
from experiments.files.lock import hold_lock, is_locked
from user_error import UserError

REMEDY = "pass another folder to keep it, or --restart to train anew"


class TrialFolder:
    """A run folder, and the trial that is to be in it.

    Args:
        path: of the folder.
        words: the options of the trial.
        training: those of its training alone, as `fit` takes them, where they are known.
    """

    def __init__(self, path: Path, words: Sequence[str], training: Sequence[str] | None = None) -> None:
        self.path = path
        self.words = list(words)
        self.training = training
        options = parse_options(words)
        self.record = path / f"record-{name_sweep(str(options.get('suite', SUITE)), options.get('protocol'))}.json"
        self.log = path / "trial.log"
        self._fingerprint_file = path / "trial.json"
        self._lock = path / "trial.lock"

    @contextmanager
    def hold_lock(self) -> Iterator[int]:
        """Hold the folder, from the first look at its record to the last file that is written.

        Raises:
            UserError: another process does.
        """
        with hold_lock(self._lock, f"a trial is running in {self.path}") as lock:
            yield lock

    def is_running(self) -> bool:
        """Whether a process holds the folder right now."""
        return is_locked(self._lock)

    @cached_property
    def fingerprint(self) -> TrialFingerprint:
        """The fingerprint of the trial."""
        return make_fingerprint(self.words)

    @property
    def done_trial(self) -> DoneTrial:
        """The trial as `experiments.ablation.same_data` takes it once it is done."""
        return DoneTrial(self.path, self.record, self.root)

    @property
    def root(self) -> str | None:
        """The folder of the data, where the options name it."""
        found = parse_options(self.words).get(ROOT)
        return found if isinstance(found, str) else None

    def has_work(self) -> bool:
        """Whether something was trained or swept here."""
        return any(next(self.path.glob(name), None) is not None for name in ("best.ckpt", "last.ckpt", "record-*.json"))

    def require_same(self, *, claimed: bool = False) -> None:
        """Refuse a folder that holds a trial of other settings.

        Args:
            claimed: also where nothing was trained yet.

        Raises:
            UserError: it does.
        """
        before = read_fingerprint(self._fingerprint_file)
        if before is None or not (claimed or self.has_work()):
            return
        if changed := find_differences(before, self.fingerprint):
            raise UserError(f"{self.path} holds a trial with other settings ({', '.join(changed)}): {REMEDY}")

    def is_done(self) -> bool:
        """Whether the trial has its record; of the content of the data see `experiments.ablation.same_data`.

        Raises:
            UserError: the folder holds a trial of other settings, or a record of another checkpoint than its own.
        """
        self.require_same()
        if not self.record.exists():
            return False
        before = read_fingerprint(self._fingerprint_file)
        if before is None:
            self._require_same_recipe()
        elif not self.fingerprint.suites.keys() <= before.suites.keys():  # it is of what was trained here before
            return False
        best = self.path / "best.ckpt"
        if best.exists() and _digest(best, best.stat().st_mtime_ns) != read_origin(self.record).checkpoint.get(
            "sha256"
        ):
            raise UserError(
                f"{self.record} is the record of another checkpoint than {best}: remove it to sweep that one, or {REMEDY}"
            )
        return True

    def is_swept(self) -> bool:
        """Whether it has its record; unlike `is_done`, a trial of other settings has none, and nothing is refused."""
        try:
            return self.is_done()
        except UserError:
            return False

    def _require_same_recipe(self) -> None:
        """What `require_same` does, for a folder in which earlier versions stored only the record."""
        if self.training is None:
            raise UserError(f"{self.path} holds a trial whose settings are not written down: {REMEDY}")
        if changed := find_resolved_changes(self.training, self.record):
            raise UserError(f"{self.path} holds a trial with other settings ({', '.join(changed)}): {REMEDY}")

    def claim(self, *, restart: bool = False) -> None:
        """Write the fingerprint of the trial before it is trained.

        Args:
            restart: whether to discard the earlier sweeps of this folder.
        """
        before = read_fingerprint(self._fingerprint_file) if self.has_work() and not restart else None
        replace(self.fingerprint, suites={} if before is None else before.suites).write(self._fingerprint_file)

    @contextmanager
    def claim_for_training(self, restart: bool) -> Iterator[None]:
        """Claim the folder for a training; one that refuses to begin leaves the trial that is there."""
        before, record = (
            path.read_bytes() if path.exists() else None for path in (self._fingerprint_file, self.record)
        )
        self.claim(restart=restart)
        try:
            yield
        except SystemExit:
            if before is not None and self.record.exists() and self.record.read_bytes() == record:
                with atomic_write(self._fingerprint_file, "wb") as file:
                    file.write(before)
            raise

    def note_sweep(self) -> None:
        """Add the suite to the fingerprint before the sweep."""
        before = read_fingerprint(self._fingerprint_file)
        replace(self.fingerprint, suites={**(before.suites if before else {}), **self.fingerprint.suites}).write(
            self._fingerprint_file
        )


@cache
def _digest(path: Path, mtime_ns: int) -> str:
    """The digest of a file as it is at a time: cached, since an ablation needs that of every trial twice."""
    return compute_sha256(path)
