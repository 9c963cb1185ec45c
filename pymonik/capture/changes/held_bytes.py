"""What objects hold that have nothing inside to look at: compared by their bytes.

Enters: arrays, and objects that only their pickle tells of, such as data frames, tensors and
generators of random numbers. Leaves: whether they hold what they held. More than 64 KiB is data,
which is passed as an argument, and is not looked at.
"""

from __future__ import annotations

import functools
import io
import pickle
import sys
import types
from array import array
from collections.abc import Callable
from functools import partial
from typing import Any

from pymonik.system.attributes import role_of

# Bytes of one object that are compared.
LIMIT = 1 << 16


class _Epoch:
    """The time from one flush to the next: what takes a while is looked at once in each."""

    token = object()


EPOCH = _Epoch()


def begin_epoch() -> None:
    """Let everything be looked at again: a flush has ended what was before."""
    EPOCH.token = object()


class HeldBytes:
    """Bytes of objects as they were: `hold` tells whether they are the same."""

    __slots__ = ("_seen",)

    def __init__(self) -> None:
        # What looks at the bytes of an object, and what it has seen when that was taken.
        self._seen: list[tuple[Callable[[], Any], Any]] = []

    def __len__(self) -> int:
        return len(self._seen)

    def add_array(self, buffer: Any) -> None:
        """Take an array that is not too long: see `size_of`."""
        look = partial(bytes_of, buffer)
        self._seen.append((look, look()))

    def add_pickled(self, obj: Any) -> None:
        """Take an object, if its pickle can be had and is not too long."""
        look = partial(pickle_of, obj)
        seen = look()
        if seen is not None:
            self._seen.append((look, seen))

    def hold(self) -> bool:
        """Return whether all hold what they held; may raise what an object of the user raises."""
        return all([look() == seen for look, seen in self._seen])


def is_array(obj: Any) -> bool:
    """Return whether an object is memory that is compared as it is."""
    kind = type(obj)
    if kind in (bytearray, array):
        return True
    numpy = sys.modules.get("numpy")
    return numpy is not None and kind is numpy.ndarray and not obj.dtype.hasobject


def size_of(buffer: Any) -> int:
    """Return how many bytes there are in an array."""
    size = getattr(buffer, "nbytes", None)  # NumPy knows, also of arrays that give no view
    return int(memoryview(buffer).nbytes if size is None else size)


def bytes_of(buffer: Any) -> Any:
    """Return the bytes of an array, and what can be set of one beside them."""
    if isinstance(buffer, bytearray):
        return bytes(buffer)
    if isinstance(buffer, array):
        return buffer.tobytes()
    return buffer.tobytes(), buffer.shape, buffer.dtype, buffer.flags.writeable


def is_opaque(kind: Any) -> bool:
    """Return whether only the pickles of a type's objects tell what they hold, which may change."""
    return role_of(kind) is None


def pickle_of(obj: Any) -> list[bytes] | None:
    """Return the pickle of an object and its buffers, None where there is none, or too much."""
    parts: list[bytes] = []
    try:
        if getattr(obj, "nbytes", 0) > LIMIT:  # tensors are copied to be pickled
            return None
        file = _Bounded()
        _ByIdentity(file, protocol=5, buffer_callback=partial(_take, file, parts)).dump(obj)
    except Exception:  # whatever objects of the user do when they are pickled: capturing them tells
        return None
    return [file.getvalue(), *parts]


class _ByIdentity(pickle.Pickler):
    """Takes classes and functions for themselves: by their names their modules would be imported.

    In an executor that would run a program's module a second time, with what its file says.
    """

    def persistent_id(self, obj: Any) -> int | None:
        is_named = isinstance(obj, (type, types.FunctionType, functools._lru_cache_wrapper))
        return id(obj) if is_named else None


class _Bounded(io.BytesIO):
    """A file that refuses what is too long, as soon as it is."""

    left = LIMIT

    def write(self, data: Any) -> int:
        self.spend(memoryview(data).nbytes)
        return super().write(data)

    def spend(self, size: int) -> None:
        """Count bytes."""
        self.left -= size
        if self.left < 0:
            raise OverflowError("more than is compared")


def _take(file: _Bounded, parts: list[bytes], buffer: pickle.PickleBuffer) -> None:
    view = buffer.raw()
    file.spend(view.nbytes)
    parts.append(bytes(view))
