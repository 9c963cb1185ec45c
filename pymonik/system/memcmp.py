"""Comparing memory: whether two buffers hold the same bytes, as fast as they can be read.

Enters: two contiguous buffers. Leaves: yes or no. Python compares a `memoryview` item by item, and
bytes only once they are copied: C's memcmp is handed the addresses instead. Other threads run
meanwhile. Loaded with the first large object that is met again, since ctypes takes its time.
"""

from __future__ import annotations

import ctypes
from typing import Any


class _Buffer(ctypes.Structure):
    """`Py_buffer`, as the buffer protocol of Python lays it out (PEP 3118)."""

    _fields_ = (
        ("buf", ctypes.c_void_p),
        ("obj", ctypes.py_object),
        ("len", ctypes.c_ssize_t),
        ("itemsize", ctypes.c_ssize_t),
        ("readonly", ctypes.c_int),
        ("ndim", ctypes.c_int),
        ("format", ctypes.c_char_p),
        ("shape", ctypes.c_void_p),
        ("strides", ctypes.c_void_p),
        ("suboffsets", ctypes.c_void_p),
        ("internal", ctypes.c_void_p),
    )


_get = ctypes.pythonapi.PyObject_GetBuffer
_get.argtypes = (ctypes.py_object, ctypes.POINTER(_Buffer), ctypes.c_int)
_release = ctypes.pythonapi.PyBuffer_Release
_release.argtypes, _release.restype = (ctypes.POINTER(_Buffer),), None
_memcmp = ctypes.CDLL(None).memcmp
_memcmp.argtypes = (ctypes.c_void_p, ctypes.c_void_p, ctypes.c_size_t)
# `PyBUF_SIMPLE`: contiguous bytes, which need not be writable.
_SIMPLE = 0


def equal(first: Any, second: Any) -> bool:
    """Return whether two contiguous buffers hold the same bytes."""
    # Each is held where it is. Without context managers: they would take a third of the time of a
    # comparison of 64 KiB, and each call that shares an array makes one.
    a, b = _Buffer(), _Buffer()
    _get(first, ctypes.byref(a), _SIMPLE)
    try:
        _get(second, ctypes.byref(b), _SIMPLE)
        try:
            return a.len == b.len and not _memcmp(a.buf, b.buf, a.len)
        finally:
            _release(ctypes.byref(b))
    finally:
        _release(ctypes.byref(a))


def address_of(obj: Any) -> int:
    """Return where the memory of an object begins; it stays there as long as the object does."""
    buffer = _Buffer()
    _get(obj, ctypes.byref(buffer), _SIMPLE)
    try:
        return int(buffer.buf)
    finally:
        _release(ctypes.byref(buffer))
