"""Memory: how much this container may use, and how much of it a process has for itself.

Enters: files of the kernel. Leaves: bytes. Where there are no such files (macOS), a process has
none for itself: nothing is replaced for its size there.
"""

from __future__ import annotations

import os

_LIMITS = ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes")


def available(files: tuple[str, ...] = _LIMITS) -> int:
    """Return the bytes that this container may use: the machine's where there is no limit."""
    machine = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return min([machine, *(limit for limit in map(_limit, files) if limit)])


def is_measurable() -> bool:
    """Return whether this system says how much memory a process has."""
    return os.path.exists("/proc/self/statm")


def private(pid: int) -> int:
    """Return the bytes that a process does not share: mapped contents, for one, do not count."""
    try:
        with open(f"/proc/{pid}/statm") as file:
            _, resident, shared, *_ = map(int, file.read().split())
    except OSError:
        return 0
    return (resident - shared) * os.sysconf("SC_PAGE_SIZE")


def _limit(path: str) -> int:
    try:
        with open(path) as file:
            text = file.read().strip()
    except OSError:
        return 0
    return int(text) if text.isdecimal() else 0  # "max"
