"""Folders and files of this user alone: made so whatever the umask, and refused where they are not.

What PymoniK keeps between runs it loads again, code included. So nobody else may put something
there, and nobody else needs to read it. Root may: nothing can be kept from it.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path

# Whoever may write to these files chooses what is unpickled.
_OTHERS_WRITE = stat.S_IWGRP | stat.S_IWOTH
# Nor is anybody else to read what tasks have been given and have made.
FOLDER, FILE = 0o700, 0o600


def make_folder(path: Path, to_read: bool = True) -> Path:
    """Make a folder, and those above it, or take the one that is there.

    Raises PermissionError when it is somebody else's, or, `to_read`, when others may write to it.
    """
    if not path.is_dir():
        make_folder_above(path)
        try:
            path.mkdir(mode=FOLDER)
            # The umask may have taken bits that this user needs.
            os.chmod(path, FOLDER)
        except FileExistsError:  # another process has made it just now
            pass
    demand_ours(path, os.stat(path), to_read)
    return path


def make_folder_above(path: Path) -> None:
    """Make the folders in which a path will lie; those that are new are of this user alone."""
    for parent in reversed(path.parents):
        if not parent.is_dir():
            parent.mkdir(mode=FOLDER, exist_ok=True)
            os.chmod(parent, FOLDER)


def demand_ours(path: Path, status: os.stat_result, to_read: bool = True) -> None:
    """Raise PermissionError when a path is somebody else's, or others may write to it."""
    if status.st_uid not in (os.geteuid(), 0):
        raise PermissionError(
            f"{path} belongs to user {status.st_uid}, not to this user, and is not read"
        )
    if to_read and status.st_mode & _OTHERS_WRITE:
        raise PermissionError(
            f"other users may write to {path} (mode {stat.S_IMODE(status.st_mode):o}), so it is "
            f"not read: run chmod go-w {path}, if no other user has written to it"
        )


def open_ours(path: Path, flags: int = os.O_RDONLY) -> int:
    """Open a file of this user and return its descriptor; a link, a pipe or a device is none.

    Raises PermissionError as `demand_ours` does. A file that is made is of this user alone.
    """
    # Without O_NONBLOCK a pipe would be waited for.
    flags |= os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK
    descriptor = os.open(path, flags, FILE)
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise PermissionError(f"{path} is not a regular file, and is not read")
        demand_ours(path, status)
        if flags & os.O_EXCL:  # it is new, and the umask may have taken more
            os.fchmod(descriptor, FILE)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor
