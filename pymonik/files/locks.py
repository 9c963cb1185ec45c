"""A lock between processes, in a file.

In: a path. Out: exclusive or shared ownership of it, which the kernel takes back from a process
that dies. Two threads of one process exclude each other too, since each lock opens the file for
itself.
"""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

from pymonik.files.private import make_folder_above


class BusyError(Exception):
    """Somebody else has the lock, and the caller did not want to wait."""


class Lock:
    """Own `path` from construction until `release`, or for a `with` block."""

    def __init__(self, path: Path, *, shared: bool = False, wait: bool = True) -> None:
        self.path = path
        make_folder_above(path)
        operation = (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | (0 if wait else fcntl.LOCK_NB)
        self._descriptor = _lock(path, operation)
        # Whoever had the lock before may have removed its file: then ours is a lock on nothing.
        while not _is_current(path, self._descriptor):
            os.close(self._descriptor)
            self._descriptor = _lock(path, operation)

    def release(self) -> None:
        """Give the lock up; a second call does nothing."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def remove(self) -> None:
        """Remove the lock's file while holding it exclusively, and release it."""
        # Before it is released: who has waited for it sees that its file is gone, and takes a new
        # one.
        self.path.unlink(missing_ok=True)
        self.release()

    def read(self) -> str:
        """Return what the last exclusive owner noted."""
        # A note is a line; this is all that one read of a page gives.
        return os.pread(self._descriptor, 4096, 0).decode()

    def note(self, text: str) -> None:
        """Leave a note for the next owner."""
        os.ftruncate(self._descriptor, 0)
        os.pwrite(self._descriptor, text.encode(), 0)

    def __enter__(self) -> Lock:
        return self

    def __exit__(self, *_: object) -> None:
        self.release()


def _lock(path: Path, operation: int) -> int:
    # Not inherited: a child would hold the lock on, as long as it lives.
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, operation)
    except BlockingIOError:
        os.close(descriptor)
        raise BusyError(str(path)) from None
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def _is_current(path: Path, descriptor: int) -> bool:
    try:
        return os.path.samestat(os.stat(path), os.fstat(descriptor))
    except FileNotFoundError:
        return False
