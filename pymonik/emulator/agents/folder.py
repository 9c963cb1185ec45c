"""The private folder of a cluster: it goes with the cluster, or with the next one of this user.

A cluster whose process was killed leaves its folder behind. Each holds a file that is locked as
long as its process lives: a folder without that file is none of ours, and is left alone.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import stat
import tempfile
from pathlib import Path

# Short, because the path of a Unix socket has little more than a hundred bytes.
_PREFIX = "pmk-"
_LOCKED = "emulator.lock"


class ClusterFolder:
    """A folder of this process, from construction until `remove`."""

    def __init__(self) -> None:
        _sweep()
        self.path = Path(tempfile.mkdtemp(prefix=_PREFIX))
        # Its name comes when it is locked: who sweeps meanwhile sees a folder of somebody else.
        unlocked = self.path / "new"
        self._descriptor = os.open(unlocked, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        fcntl.flock(self._descriptor, fcntl.LOCK_EX)
        unlocked.rename(self.path / _LOCKED)

    def remove(self) -> None:
        """Remove the folder with all that is in it; a second call does nothing."""
        if self._descriptor >= 0:
            shutil.rmtree(self.path, ignore_errors=True)
            os.close(self._descriptor)
            self._descriptor = -1


def _sweep() -> None:
    """Remove folders of clusters whose process was killed."""
    for folder in Path(tempfile.gettempdir()).glob(f"{_PREFIX}*"):
        try:
            status = folder.lstat()
            if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.geteuid():
                continue
            descriptor = os.open(folder / _LOCKED, os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC)
        except OSError:  # somebody else's, or gone meanwhile
            continue
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(folder, ignore_errors=True)
        except OSError:  # its process lives
            continue
        finally:
            os.close(descriptor)
