"""Memory files: buffers that processes share by descriptor, and map copy-on-write.

Enters: buffers, and descriptors that came over a socket. Leaves: an unlinked file in memory, mapped
privately, so that arrays are writable and cost no copy; or a copy, where too many files are open.
Large files lie in huge pages (`huge_pages.py`).
"""

from __future__ import annotations

import mmap
import os
from typing import Any, ClassVar

# Huge pages pay where much is read again and again: 8 MB, in and out, gain nothing by them.
_LARGE = 32 << 20
_BOTH = mmap.PROT_READ | mmap.PROT_WRITE


def open_memory_file() -> int:
    """Open a file that lives in memory and has no name."""
    if hasattr(os, "memfd_create"):
        return os.memfd_create("pymonik", os.MFD_CLOEXEC)
    import tempfile

    with tempfile.TemporaryFile() as file:
        return os.dup(file.fileno())


class MemoryFile:
    """A buffer in a file that has no name: shared by descriptor, mapped copy-on-write."""

    __slots__ = ("__weakref__", "_seen", "fd", "size")
    # How many files and mappings are open. Counted without a lock, also by finalizers: there is no
    # call within `+= 1`, where Python would let another thread, or a finalizer, go on.
    _open: ClassVar[int] = 0

    def __init__(self, fd: int, size: int) -> None:
        self.fd = fd
        self.size = size
        # What `equals` has mapped.
        self._seen: mmap.mmap | memoryview | bytearray | None = None
        MemoryFile._open += 1

    @classmethod
    def has_room(cls) -> bool:
        """Return whether one more may be open: half of the descriptors are left to the user."""
        # Not of `resource`: loaded only now, it could be a module of the user's by that name.
        limit = os.sysconf("SC_OPEN_MAX")  # negative: there is none
        return limit < 0 or cls._open < limit // 2

    @classmethod
    def copy_of(cls, view: memoryview) -> MemoryFile:
        """Copy a contiguous buffer of bytes into a new memory file."""
        file = cls(open_memory_file(), view.nbytes)
        done = 0
        if view.nbytes >= _LARGE:
            from pymonik.system.huge_pages import copy_under  # not for `import pymonik`

            done = copy_under(file.fd, view)
        while done < view.nbytes:
            done += os.pwrite(file.fd, view[done:], done)
        return file

    def map(self) -> mmap.mmap | memoryview | bytearray:
        """Map it privately: writes stay in that mapping. Copied when too many are mapped."""
        if MemoryFile.has_room():
            mapping, start = self.mapping()
            return self.within(mapping, start)
        copy = bytearray(self.size)
        done = 0
        while done < self.size:
            done += os.preadv(self.fd, [memoryview(copy)[done:]], done)
        return copy

    def mapping(self) -> tuple[mmap.mmap, int]:
        """Return a private mapping, and where in it the file begins."""
        if self.size >= _LARGE:
            from pymonik.system import huge_pages

            if page := huge_pages.page_size():
                # Of no file yet.
                mapping = _Mapping(-1, self.size + page, flags=mmap.MAP_PRIVATE)
                return mapping, huge_pages.map_into(mapping, self.fd, self.size, mmap.MAP_PRIVATE)
        return _Mapping(self.fd, self.size, flags=mmap.MAP_PRIVATE, prot=_BOTH), 0

    def within(self, mapping: mmap.mmap, start: int) -> mmap.mmap | memoryview:
        """Return the memory of the file in a mapping of it, which lives as long."""
        if len(mapping) == self.size:
            return mapping
        return memoryview(mapping)[start : start + self.size]

    def equals(self, raw: memoryview) -> bool:
        """Compare with other bytes; the mapping is kept, since what is met twice is met again."""
        from pymonik.system.memcmp import equal

        if self._seen is None and not MemoryFile.has_room():
            return equal(self.map(), raw)
        if self._seen is None:
            self._seen = self.map()
        return equal(self._seen, raw)

    def __len__(self) -> int:
        return self.size

    def __del__(self) -> None:
        MemoryFile._open -= 1
        try:
            os.close(self.fd)
        except OSError:  # the interpreter is ending, or somebody closed every descriptor
            pass


class _Mapping(mmap.mmap):
    """A mapping; it holds a descriptor of its own, which counts like that of a file."""

    def __init__(self, *_: Any, **__: Any) -> None:
        MemoryFile._open += 1

    def __del__(self) -> None:
        MemoryFile._open -= 1


Buffer = bytes | MemoryFile


def received(fd: int) -> Buffer:
    """Take over a memory file that was passed here: its bytes alone when too many are open."""
    file = MemoryFile(fd, os.fstat(fd).st_size)
    return file if MemoryFile.has_room() else bytes(file.map())
