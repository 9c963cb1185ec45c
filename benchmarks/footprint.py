"""The peak memory of this process and its children on Linux, shared memory counted once.

Private pages are those of the process tree. Shared memory, in files without a name or under
/dev/shm, mapped or not, is only counted exactly for the whole machine: proportional set sizes are
read one process after the other and miss or double it.
"""

from __future__ import annotations

import gc
import os
import threading
from pathlib import Path

from benchmarks.peers import Unsupported

INTERVAL = 0.005


class Footprint:
    """Samples the process tree while the block runs; `growth` is peak minus start, in bytes."""

    def __enter__(self) -> Footprint:
        if not Path("/proc/meminfo").exists():
            raise Unsupported
        gc.collect()
        self._start = self._peak = in_use()
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._done.set()
        self._thread.join()

    @property
    def growth(self) -> int:
        """Return by how many bytes the tree grew at its peak."""
        return self._peak - self._start

    def _watch(self) -> None:
        while not self._done.wait(INTERVAL):
            self._peak = max(self._peak, in_use())


def in_use() -> int:
    """Add up the private pages of this process tree and the machine's shared memory."""
    private = sum(kibibytes(f"/proc/{pid}/status", "RssAnon:") for pid in tree(os.getpid()))
    return 1024 * (private + kibibytes("/proc/meminfo", "Shmem:"))


def tree(root: int) -> list[int]:
    """List a process and its descendants."""
    found = [root]
    for pid in found:  # grows while it is read
        for children in Path(f"/proc/{pid}/task").glob("*/children"):
            try:
                found.extend(map(int, children.read_text().split()))
            except OSError:
                continue  # the thread ended meanwhile
    return found


def kibibytes(path: str, field: str) -> int:
    """Read one field of a file of /proc, 0 once its process has ended."""
    try:
        lines = Path(path).read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) for line in lines if line.startswith(field)), 0)
