"""Files that a user has named, read whole: regular ones, within bounds.

Enters: a path, which may name anything. Leaves: bytes, or an OSError that says why not. Nothing is
waited for: a pipe that nobody writes to and a device without an end are refused.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path


def read_regular(path: str | os.PathLike[str], limit: int) -> bytes:
    """Return what a file holds; raises OSError when it is none, or has more bytes than `limit`."""
    try:
        file = Path(path).expanduser()
    except RuntimeError as error:  # ~nobody
        raise OSError(str(error)) from error
    if file.exists() and not file.is_file():  # opening a device may already do something
        raise OSError("it is no regular file")
    # Somebody may put a pipe there just now.
    descriptor = os.open(file, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    with open(descriptor, "rb") as stream:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise OSError("it is no regular file")
        data = stream.read(limit + 1)
    if len(data) > limit:
        raise OSError(f"it has more than {limit} bytes")
    return data


def is_named_pipe(path: str | os.PathLike[str]) -> bool:
    """Return whether a path is a pipe in a folder, and not one that a shell has just made.

    The latter, as of `<(command)`, has a writer, and a path that leads to no file.
    """
    real = os.path.realpath(path)
    try:
        return stat.S_ISFIFO(os.stat(real).st_mode)
    except (OSError, ValueError):
        return False
