"""Mappings that are kept: a large argument of many calls is mapped once in an executor.

Enters: memory files that arrived. Leaves: private mappings of them, a new one for each call as far
as anyone can tell: one that is neither held nor was written to is as good as new, and
spares a page fault for every few pages (20 MB: 3.4 ms to map and read it anew, 1 ms to read it
again). Linux tells which pages were written; elsewhere every call gets a new mapping.

Asking for each page takes 3 ms for 200 MB. The first write to a page of a private mapping is a page
fault, of whichever thread, and in the kernel too: where this process has had none since the pages
were looked at, they are what they were.
"""

from __future__ import annotations

import mmap
import os

# Before executors take the paths of the user, who may have a module of that name.
import resource
import sys

from pymonik.system.memory_file import Buffer, MemoryFile

# Smaller files are mapped and read anew as soon as the kernel is asked about their pages.
_SMALLEST = 1 << 19
_PAGES = "/proc/self/pagemap"
# An entry of 8 bytes a page, of which the last tells: present, swapped, page of a file.
_ENTRY, _TOLD, _FILE = 8, 0xE0, 0xA0


def received(fd: int) -> Buffer:
    """Take over a memory file that was passed here: its bytes alone when too many are open."""
    file = ReusableMapping(fd, os.fstat(fd).st_size)
    return file if MemoryFile.has_room() else bytes(file.map())


class ReusableMapping(MemoryFile):
    """A memory file whose mapping is handed out again."""

    __slots__ = ("_faults", "_kept", "_start")

    def __init__(self, fd: int, size: int) -> None:
        super().__init__(fd, size)
        # The mapping that was handed out last, if it may be once more.
        self._kept: mmap.mmap | None = None
        # Where in it the file begins.
        self._start = 0
        # Faults of this process when the pages were last known to be untouched.
        self._faults = -1

    def map(self) -> mmap.mmap | memoryview | bytearray:
        """Map it privately: the mapping of before, where it is neither held nor written to."""
        if self.size < _SMALLEST:
            return super().map()
        self.let_go()
        mapping = self._kept
        if mapping is None:
            if not MemoryFile.has_room():
                return super().map()
            mapping, self._start = self.mapping()
            self._kept, self._faults = mapping, -1
            _USED.append(self)
        return self.within(mapping, self._start)

    def let_go(self) -> None:
        """Forget the mapping, unless it can be handed out again."""
        mapping, self._kept = self._kept, None
        if mapping is None or sys.getrefcount(mapping) != _ALONE:
            return
        # Behind the count of references: from then on only this frame holds it, and nobody writes
        # any more while its pages are looked at.
        if self._faults != page_faults():
            if not is_untouched(self.within(mapping, self._start), self.size):
                return
            self._faults = page_faults()  # those of looking count for nothing
        self._kept = mapping


def _alone() -> int:
    """Count the references to what a single variable holds."""
    lonely = object()
    return sys.getrefcount(lonely)


# What `getrefcount` gives for an object that one variable holds: not the same in all versions.
_ALONE = _alone()
# Files that were mapped since the last `sweep`.
_USED: list[ReusableMapping] = []


def sweep() -> None:
    """Free the private pages that calls have made by writing, after a unit."""
    for file in _USED:
        file.let_go()
    _USED.clear()


def page_faults() -> int:
    """Return how many page faults the threads of this process have had so far."""
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_minflt + usage.ru_majflt


def is_untouched(mapping: mmap.mmap | memoryview, size: int) -> bool:
    """Return whether a private mapping of a file was never written to; in doubt no."""
    from pymonik.system.memcmp import address_of  # with the first of them: it loads ctypes

    first = address_of(mapping) // mmap.PAGESIZE
    length = -(-size // mmap.PAGESIZE) * _ENTRY
    try:
        with open(_PAGES, "rb", buffering=0) as pages:
            entries = os.pread(pages.fileno(), length, first * _ENTRY)
    except OSError:  # no Linux, or a system that does not say
        return False
    last = {byte & _TOLD for byte in set(entries[_ENTRY - 1 :: _ENTRY])}
    # A page is not there yet, or it is the file's; a copy of its own belongs to no file.
    return len(entries) == length and sys.byteorder == "little" and last <= {0, _FILE}
