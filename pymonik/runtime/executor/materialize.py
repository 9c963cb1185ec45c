"""Files of a call: in place when its arguments are loaded, that is, before it starts.

Enters: a `Materialize` and its bytes, as arguments come. Leaves: where it lies. Relative paths lie
in a folder of the call's own, where it runs; `state` removes it after the call. Absolute paths are
shared by all calls of a machine: a file stays as it is while one of them uses it. How a file is put
in place whole stands in `files`.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

from pymonik.errors import MaterializeError
from pymonik.files.folder_cache import cache_folder
from pymonik.files.locks import BusyError, Lock
from pymonik.files.materialize import Materialize
from pymonik.files.place import is_in_place, place, target_of
from pymonik.runtime.executor import state as running

# What lay where when it was last looked at: a hash need not be worked out again for what has not
# been touched. A change within a tick of the clock leaves no trace, so what is fresh is not kept.
_seen: dict[str, tuple[Any, list[tuple[Any, ...]]]] = {}
# Ten ticks of a clock of 100 Hz, the coarsest that Linux has for times of files.
_FRESH_NS = 100_000_000
# Files that are remembered at most.
_MAX_KEPT = 1024
# The absolute paths that the call that runs uses.
_USED: list[str] = []
# Seconds that it waits for one more: others put gigabytes in place in that time, and two that wait
# for each other are told so.
_PATIENCE = 60.0
# Seconds between two tries of a lock that cannot be waited for with a time.
_PAUSE = 0.02


def put_in_place(mat: Materialize, content: Any) -> str:
    """Put a file or folder in place for the call that runs; give where it lies.

    Raises MaterializeError.
    """
    is_own = not os.path.isabs(mat.worker_path)
    root = Path(running.call_folder() if is_own else "/")
    target = str(target_of(mat, root))
    _refuse_two(mat, target)
    if is_own:
        if not _was_right(mat, target):
            place(mat, content, root)
            _remember(mat, target)
    else:
        try:
            _share(mat, content, target)
        except OSError as error:
            raise MaterializeError(f"cannot put a file at {target!r}: {error}") from error
    return target


def _share(mat: Materialize, content: Any, target: str) -> None:
    """Put a file in place and keep it there until the call has ended.

    Calls that want the same there share it, and one that wants something else waits for them.
    """
    folder, name = os.path.split(target)
    real = os.path.join(os.path.realpath(folder), name)
    # A name of a length that a file system takes, as in `files.place`.
    digest = hashlib.blake2b(os.fsencode(real), digest_size=16).hexdigest()
    path = cache_folder() / "locks" / f"{digest}.use"
    while True:
        # Before the look: what is right from now on stays so until the lock is released.
        use = Lock(path, shared=True)
        if _was_right(mat, target) or is_in_place(mat, Path(target)):
            _remember(mat, target)
            _USED.append(target)
            running.defer_until_stored(partial(_release, use, target))
            return
        use.release()
        if target in _USED:  # this call has it, and has changed it
            place(mat, content, Path("/"))
            continue
        # Not kept until the lock is shared again: another call may put its own there in between, so
        # it is looked at anew.
        with _alone(path, target):
            place(mat, content, Path("/"))


def _alone(path: Path, target: str) -> Lock:
    """Wait until no call uses what is at a path, but not for ever while others may wait for us."""
    deadline = time.monotonic() + _PATIENCE
    # While this call uses other paths: only then can two wait for each other.
    while _USED:
        try:
            return Lock(path, wait=False)
        except BusyError:
            if time.monotonic() > deadline:
                raise MaterializeError(
                    f"another call has put another file at {target!r}, and may be waiting for "
                    f"{_USED[0]!r}, which this call uses: give each file its own place"
                ) from None
            time.sleep(_PAUSE)
    return Lock(path)


def _release(use: Lock, target: str) -> None:
    _USED.remove(target)
    use.release()
    with contextlib.suppress(BusyError, OSError):
        # By the last one that has used it: for the others it is busy.
        Lock(use.path, wait=False).remove()


def is_there(mat: Materialize) -> bool:
    """Return whether a file or folder is in place already."""
    if mat._placed is None and not os.path.isabs(mat.worker_path):
        return False
    return is_in_place(mat, Path(mat._placed or mat.worker_path))


def _refuse_two(mat: Materialize, target: str) -> None:
    placed = running.PLACED.setdefault(target, mat.content_hash)
    running.CHANGES.append("placed")
    if placed != mat.content_hash:
        raise MaterializeError(
            f"the task takes two different files at {mat.worker_path!r}: give each its own place"
        )


def _was_right(mat: Materialize, target: str) -> bool:
    seen = _seen.get(target)
    # In this order: what nobody has put there may be large.
    return (
        seen is not None
        and seen[0] == (mat.content_hash, mat.mode)
        and seen[1] == _signature(target)
    )


def _remember(mat: Materialize, target: str) -> None:
    signature = _signature(target)
    if any(time.time_ns() - entry[-1] < _FRESH_NS for entry in signature):
        return
    if len(_seen) >= _MAX_KEPT:
        _seen.clear()
    _seen[target] = ((mat.content_hash, mat.mode), signature)


def _signature(target: str) -> list[tuple[Any, ...]]:
    """Return what changes whenever a file, or anything in a folder, is touched."""
    return [_touched(path) for path in _walk(target)]


def _walk(target: str) -> Iterator[str]:
    yield target
    if os.path.isdir(target) and not os.path.islink(target):
        for folder, folders, files in os.walk(target):
            folders.sort()
            yield from (os.path.join(folder, name) for name in sorted((*folders, *files)))


def _touched(path: str) -> tuple[Any, ...]:
    try:
        status = os.lstat(path)
    except OSError:
        return (path, 0)
    # The time of the last change of the inode, which no program can set.
    return (path, status.st_mode, status.st_ino, status.st_size, status.st_ctime_ns)
