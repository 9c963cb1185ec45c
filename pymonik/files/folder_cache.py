"""A bounded cache of folders, shared by every PymoniK process of a user.

In: a key and a function that fills a folder. Out: the folder, complete, held against pruning until
it is released. A folder is filled under another name and renamed when whole, so a builder that is
killed leaves nothing that looks whole; what it leaves behind is swept away by the next one. What
goes in is the caller's business.

    entries/<key>/content    what was built; beside it a file `size`, as old as the last use
    building/<key>.<token>   being built, or being deleted
    locks/<key>              shared by those who use it, exclusive for who makes or deletes it
"""

from __future__ import annotations

import contextlib
import logging
import os
import secrets
import shutil
import stat
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from pymonik.files import private
from pymonik.files.locks import BusyError, Lock
from pymonik.settings import settings

log = logging.getLogger("pymonik.environments")
# What was said of folders that cannot be used: once is enough.
_WARNED: set[str] = set()


@dataclass(frozen=True)
class Held:
    """An entry in use: `path` stays until `release`, or until this process ends."""

    path: Path
    fresh: bool
    _lock: Lock

    def release(self) -> None:
        """Let the entry be pruned."""
        self._lock.release()


class Cache:
    """Folders by key under `root`, at most `max_bytes` of them besides those in use."""

    def __init__(self, root: Path, max_bytes: int) -> None:
        self.root = root
        self.max_bytes = max_bytes

    def hold(self, key: str, fill: Callable[[Path], object]) -> Held:
        """Return the entry of `key`, which one caller fills while the others wait."""
        fresh = False
        while True:
            # Before the look: whoever prunes has to have it alone, so what is there stays.
            lock = Lock(self._lock(key), shared=True)
            try:
                # The time of the last use; and the proof that the folder is whole: `size` comes
                # last.
                os.utime(self._entry(key) / "size")
                return Held(self._entry(key) / "content", fresh, lock)
            except FileNotFoundError:
                lock.release()
            except BaseException:
                lock.release()
                raise
            # Exclusive while it is made; shared again behind it, since others may wait to use it.
            # In between somebody may prune it: then all of this begins anew.
            with Lock(self._lock(key)):
                if not (self._entry(key) / "size").exists():
                    remove_tree(self._entry(key))  # somebody tampered with it
                    for part in self.root.glob(f"building/{key}.*"):  # its builder is dead
                        remove_tree(part)
                    self._fill(key, fill)
                    fresh = True

    def drop(self, held: Held) -> None:
        """Release an entry and remove it, unless others use it."""
        held.release()
        self._delete(held.path.parent.name)

    def prune(self) -> None:
        """Delete what was used least recently until the rest fits, and what dead builders left."""
        sized = [(entry, *_age_and_size(entry)) for entry in _children(self.root / "entries")]
        total = sum(size for _, _, size in sized)
        # The least recently used first; those in use are skipped, since their locks are held.
        for entry, _, size in sorted(sized, key=lambda item: item[1]):
            if total <= self.max_bytes:
                break
            if self._delete(entry.name):
                log.info("pruned %s (%.1f MB)", entry, size / 1e6)
                total -= size
        self._sweep()

    def _fill(self, key: str, fill: Callable[[Path], object]) -> None:
        part = self._part(key)
        try:
            private.make_folder(part.parent, to_read=False)
            (part / "content").mkdir(parents=True)
            fill(part / "content")
            (part / "size").write_text(str(tree_bytes(part / "content")))
            private.make_folder(self._entry(key).parent, to_read=False)
            # One step: nobody finds an entry that is only in part there.
            part.rename(self._entry(key))
        except BaseException:
            remove_tree(part)
            raise

    def _delete(self, key: str) -> bool:
        try:
            # Who holds it uses the entry, or makes it: there is nothing to wait for.
            lock = Lock(self._lock(key), wait=False)
        except BusyError:
            return False
        with lock:
            part = self._part(key)
            part.parent.mkdir(exist_ok=True)
            # Renamed first: removing takes a while, and somebody may be killed in the middle of it.
            with contextlib.suppress(FileNotFoundError):
                self._entry(key).rename(part)
                remove_tree(part)
            lock.remove()
        return True

    def _sweep(self) -> None:
        for part in _children(self.root / "building"):
            # Whoever builds holds its lock alone: where that is free, the builder is dead.
            with (
                contextlib.suppress(BusyError),
                Lock(self._lock(part.name.partition(".")[0]), wait=False) as lock,
            ):
                remove_tree(part)
                lock.remove()

    def _entry(self, key: str) -> Path:
        return self.root / "entries" / key

    def _part(self, key: str) -> Path:
        return self.root / "building" / f"{key}.{secrets.token_hex(6)}"

    def _lock(self, key: str) -> Path:
        return self.root / "locks" / key


def cache_folder() -> Path:
    """Return PymoniK's folder: that of a setting, in the user's cache, or in the temporary folder.

    One that is named and cannot be used is replaced, with a warning.
    """
    named = settings().cache_folder
    if named:
        chosen = Path(named).expanduser()
        try:
            return private.make_folder(chosen)
        except OSError as error:
            folder = _private(Path(tempfile.gettempdir()) / f"pymonik-{os.getuid()}")
            text = f"PYMONIK_CACHE_FOLDER: {error}; {folder} is used instead"
            if text not in _WARNED:
                _WARNED.add(text)
                log.warning("%s", text)
            return folder
    from platformdirs import user_cache_path

    folder = user_cache_path("pymonik", appauthor=False)
    try:
        if folder.is_dir() and folder.stat().st_uid == os.geteuid():
            folder.chmod(folder.stat().st_mode & ~0o022)  # earlier ones were made by the umask
        private.make_folder(folder)
        if os.access(folder, os.W_OK | os.X_OK):
            return folder
    except OSError:
        pass
    return _private(Path(tempfile.gettempdir()) / f"pymonik-{os.getuid()}")


def tree_bytes(folder: Path) -> int:
    """Return what the files of a folder add up to."""
    return sum(
        os.lstat(os.path.join(parent, name)).st_size
        for parent, _, names in os.walk(folder)
        for name in names
    )


def remove_tree(path: Path) -> None:
    """Remove a file or folder, read-only ones too; what is gone is fine, what resists is logged."""
    if not os.path.lexists(path):
        return
    try:
        if path.is_dir() and not path.is_symlink():
            _open_up(path)
            for parent, names, _ in os.walk(path):
                for name in names:
                    _open_up(os.path.join(parent, name))
            shutil.rmtree(path)
        else:
            path.unlink()
    except FileNotFoundError:
        pass
    except OSError as error:
        log.warning("cannot remove %s: %s", path, error)


def _open_up(folder: str | Path) -> None:
    mode = os.lstat(folder).st_mode
    if stat.S_ISDIR(mode) and mode & stat.S_IRWXU != stat.S_IRWXU:
        os.chmod(folder, stat.S_IMODE(mode) | stat.S_IRWXU)


def _private(folder: Path) -> Path:
    """Make a folder in a shared place, and refuse one that somebody else made."""
    folder.mkdir(mode=0o700, exist_ok=True)
    status = folder.lstat()
    if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.getuid():
        raise PermissionError(
            f"{folder} belongs to another user: set PYMONIK_CACHE_FOLDER to a folder of your own"
        )
    folder.chmod(private.FOLDER)
    return folder


def _children(folder: Path) -> list[Path]:
    try:
        return list(folder.iterdir())
    except FileNotFoundError:
        return []


def _age_and_size(entry: Path) -> tuple[float, int]:
    try:
        return (entry / "size").stat().st_mtime, int((entry / "size").read_text())
    except (OSError, ValueError):
        return 0.0, 0
