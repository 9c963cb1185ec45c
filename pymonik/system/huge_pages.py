"""Huge pages: what is large in memory files lies in pages of 2 MiB, where Linux has them.

Enters: memory files. Leaves: the same with huge pages under them, mapped where the processor can
use them. A page of 4 KiB costs its allocation, a fault of each process and a miss of the TLB each
time it is read: 200 MB take 65 ms to write, 35 to read first, 20 to read again, 25 to free. In huge
pages they are 55, 13, 12 and 1, and the first a fifth less where the bytes are copied, since in a
write the kernel counts in pages of 4 KiB. What cannot have them works as without.

Files in memory get huge pages of themselves only where an administrator has said so. Linux makes
them on request (`MADV_COLLAPSE`, 6.1), and moves what is there: of an extent with one page it moves
one page, so it is asked before the bytes come.
"""

from __future__ import annotations

import ctypes
import errno
import functools
import mmap
import os
import sys
from typing import ClassVar

from pymonik.system.memcmp import address_of

# Larger ones (512 MiB, on kernels with pages of 64 KiB) would seldom be whole.
_LARGEST = 32 << 20
_SYSFS = "/sys/kernel/mm/transparent_hugepage"
# Of Linux; Python has no names for them.
_MADV_COLLAPSE = 25
_MAP_FIXED = 0x10  # nor for this one
_BOTH = mmap.PROT_READ | mmap.PROT_WRITE

_libc = ctypes.CDLL(None, use_errno=True)
_mmap, _madvise = _libc.mmap, _libc.madvise
_mmap.argtypes = (ctypes.c_void_p, ctypes.c_size_t, *[ctypes.c_int] * 3, ctypes.c_ssize_t)
_mmap.restype = ctypes.c_void_p
_madvise.argtypes = (ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int)
_memcpy = _libc.memcpy
_memcpy.argtypes, _memcpy.restype = (ctypes.c_void_p, ctypes.c_void_p, ctypes.c_size_t), None
_keep = ctypes.pythonapi.Py_IncRef
_keep.argtypes, _keep.restype = (ctypes.py_object,), None


@functools.cache
def page_size() -> int:
    """Return how large a huge page is; 0 where there are none, or an administrator wants none."""
    if sys.platform != "linux" or sys.maxsize <= 1 << 32:
        return 0
    try:
        size = int(_said("hpage_pmd_size"))
        is_refused = "[never]" in _said("enabled") or "[deny]" in _said("shmem_enabled")
    except (OSError, ValueError):  # a kernel without them
        return 0
    return 0 if is_refused or size > _LARGEST else size


def _said(name: str) -> str:
    with open(f"{_SYSFS}/{name}", encoding="ascii") as file:
        return file.read()


class _Kernel:
    """What is known of the kernel by having asked it."""

    makes_them: ClassVar[bool] = True


def copy_under(fd: int, view: memoryview) -> int:
    """Put huge pages under an empty file and copy what fills them; return how many bytes that is.

    The rest is for the caller to write: all, where there are no huge pages.
    """
    page = page_size()
    if not page or view.nbytes < page or not _Kernel.makes_them:
        return 0
    whole = view.nbytes - view.nbytes % page
    for start in range(0, whole, page):
        os.pwrite(fd, b"\0", start)  # an extent without any page is left as it is
    os.ftruncate(fd, whole)
    try:
        # Only read, so that it counts for nothing where memory is promised strictly.
        reserved = mmap.mmap(-1, whole + page, flags=mmap.MAP_PRIVATE, prot=mmap.PROT_READ)
        first = address_of(reserved) + map_into(reserved, fd, whole, mmap.MAP_SHARED)
    except OSError:  # no addresses left: the file is written, if it cannot be mapped here
        return 0
    if _madvise(first, whole, _MADV_COLLAPSE):
        # Else there are none left now, and there may be some for the next file.
        _Kernel.makes_them = ctypes.get_errno() != errno.EINVAL
        return 0
    # Every page is there: where one were missing and memory had run out, the copy would be a
    # SIGBUS, which only a write makes an error of.
    _memcpy(first, address_of(view), whole)
    return whole


def map_into(reserved: mmap.mmap, fd: int, size: int, flags: int) -> int:
    """Map a file over memory reserved for it, which has room for a huge page more.

    Return where in that memory it begins: where pages of the file are huge pages of memory. That
    memory is unmapped as a whole; after an OSError, never.
    """
    first = address_of(reserved)
    start = -first % page_size()
    if _mmap(first + start, size, _BOTH, flags | _MAP_FIXED, fd, 0) != first + start:
        number = ctypes.get_errno()
        # Whether what was there is still there, no kernel says: by now it may be another thread's.
        # So the memory that was reserved stays, to the end of the process: Python would unmap all.
        _keep(reserved)
        raise OSError(number, os.strerror(number))
    return start
