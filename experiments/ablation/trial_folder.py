"""The folder of a trial: which trial it holds, and whether that is done."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import cache, cached_property
from pathlib import Path

from experiments.ablation.record_origin import read_origin
from experiments.ablation.resolved import resolved_changes
from experiments.ablation.same_data import Done
from experiments.ablation.stamp import ROOT, Stamp, changes, make_stamp, options_of, read_stamp
from experiments.ablation.sweep_file import SUITE, record_path
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
        self.record = record_path(path, str(options_of(words).get("suite", SUITE)))
        self.log = path / "trial.log"
        self._stamp = path / "trial.json"
        self._lock = path / "trial.lock"

    @contextmanager
    def locked(self) -> Iterator[int]:
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
    def now(self) -> Stamp:
        """What the trial is made of."""
        return make_stamp(self.words)

    @property
    def done(self) -> Done:
        """What it is made of, once it is done."""
        return Done(self.path, self.record, self.root)

    @property
    def root(self) -> str | None:
        """Where the options say that the data lie, if they do."""
        found = options_of(self.words).get(ROOT)
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
        before = read_stamp(self._stamp)
        if before is None or not (claimed or self.has_work()):
            return
        if changed := changes(before, self.now):
            raise UserError(f"{self.path} holds a trial with other settings ({', '.join(changed)}): {REMEDY}")

    def is_done(self) -> bool:
        """Whether the trial has its record; of the content of the data see `experiments.ablation.same_data`.

        Raises:
            UserError: the folder holds a trial of other settings, or a record of another checkpoint than its own.
        """
        self.require_same()
        if not self.record.exists():
            return False
        before = read_stamp(self._stamp)
        if before is None:
            self._require_same_recipe()
        elif not self.now.suites.keys() <= before.suites.keys():  # it is of what was trained here before
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
        """What `require_same` does, for a folder in which earlier versions wrote down no more than the record."""
        if self.training is None:
            raise UserError(f"{self.path} holds a trial whose settings are not written down: {REMEDY}")
        if changed := resolved_changes(self.training, self.record):
            raise UserError(f"{self.path} holds a trial with other settings ({', '.join(changed)}): {REMEDY}")

    def claim(self, *, restart: bool = False) -> None:
        """Write down what the trial is made of, before it is trained.

        Args:
            restart: whether what was swept here goes.
        """
        before = read_stamp(self._stamp) if self.has_work() and not restart else None
        replace(self.now, suites={} if before is None else before.suites).write(self._stamp)

    @contextmanager
    def claimed(self, restart: bool) -> Iterator[None]:
        """Claim the folder for a training; one that refuses to begin leaves the trial that is there."""
        before, record = (path.read_bytes() if path.exists() else None for path in (self._stamp, self.record))
        self.claim(restart=restart)
        try:
            yield
        except SystemExit:
            if before is not None and self.record.exists() and self.record.read_bytes() == record:
                with atomic_write(self._stamp, "wb") as file:
                    file.write(before)
            raise

    def note_sweep(self) -> None:
        """Write down the suite as well, before the sweep."""
        before = read_stamp(self._stamp)
        replace(self.now, suites={**(before.suites if before else {}), **self.now.suites}).write(self._stamp)


@cache
def _digest(path: Path, mtime_ns: int) -> str:
    """The digest of a file as it is at a time: an ablation asks twice for that of every trial."""
    return compute_sha256(path)
