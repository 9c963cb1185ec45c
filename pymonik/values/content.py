"""Frozen values: what an object was when it was captured, ready to be sent, mapped or compared.

Enters: pickled bytes with their out-of-band buffers. Leaves: a `Content`, or the object again.
Who pickles what, and which handles hide inside, is left to `capture`.

A buffer above `shared_size` lives in a memory file: see `memory_file`.
"""

from __future__ import annotations

import functools
import pickle
import threading
from collections.abc import Iterable, Sequence
from typing import Any, ClassVar

from pymonik._pickled import pickled
from pymonik.settings import settings
from pymonik.system.blake import blake2b
from pymonik.system.memory_file import Buffer, MemoryFile

# The types whose values cannot change: kept as they are, pickled once per unit.
IMMEDIATE = frozenset({int, float, str, bytes, bool, type(None), complex, type(Ellipsis)})
# Immediates that are never large; strings and bytes may be.
SMALL = frozenset({int, float, bool, type(None), complex, type(Ellipsis)})


def is_immediate_tuple(values: tuple[Any, ...], levels: int = 8) -> bool:
    """Return whether a tuple is kept as it is: short, and made of nothing but small immediates."""
    # Asked of every argument: 64 and not a name. What is longer is cheaper as bytes, which later
    # stages need not look into; so is what is deeper than records of records are.
    return len(values) <= 64 and all(
        type(value) in SMALL
        or (type(value) in IMMEDIATE and len(value) <= 64)
        or (type(value) is tuple and levels > 0 and is_immediate_tuple(value, levels - 1))
        for value in values
    )


@pickled
class Definition(bytes):
    """A buffer that says what a class is: contents share it, and it counts for none of them."""

    MAGIC: ClassVar[bytes] = b"PYMKDEF\1"


# What fills the holes of the pickle that this thread loads.
_slots = threading.local()


@pickled
def slot_value(number: int) -> Any:
    """Return the value of a numbered hole; called by pickles that were made around handles."""
    return _slots.values[number]


class Hole:
    """Pickled as a numbered hole: the content is loaded with a value in its place."""

    __slots__ = ("number",)

    def __init__(self, number: int) -> None:
        self.number = number

    def __reduce__(self) -> Any:
        return slot_value, (self.number,)


@pickled
class Content:
    """The frozen form of one object: a pickle and its out-of-band buffers.

    `size` is the number of bytes of both. Two contents are the same object when they are equal:
    `capture.interner.Interner` sees to that within a client.
    """

    __slots__ = ("__weakref__", "_digest", "buffers", "data", "size")

    def __init__(
        self, data: bytes, buffers: Sequence[Buffer] = (), digest: bytes | None = None
    ) -> None:
        self.data = data
        self.buffers = tuple(buffers)
        own = [buffer for buffer in self.buffers if type(buffer) is not Definition]
        self.size = len(data) + sum(map(len, own))
        # Given by who has worked it out of the same bytes already.
        self._digest = digest

    def load(self, slots: Sequence[Any] = ()) -> Any:
        """Make the object anew: a private one, `slots` standing in its numbered holes."""
        buffers = [
            buffer
            if type(buffer) is Definition
            else buffer.map()
            if isinstance(buffer, MemoryFile)
            else bytearray(buffer)
            for buffer in self.buffers
        ]
        if not slots:
            return pickle.loads(self.data, buffers=buffers)
        outer = getattr(_slots, "values", ())
        _slots.values = slots
        try:
            return pickle.loads(self.data, buffers=buffers)
        finally:
            _slots.values = outer

    def views(self) -> list[memoryview]:
        """Return the bytes, pickle first, without copying them."""
        return [memoryview(self.data), *map(_view, self.buffers)]

    @property
    def digest(self) -> bytes:
        """BLAKE2b of the bytes, computed where they leave the machine."""
        if self._digest is None:
            self._digest = digest_of(self.views())
        return self._digest

    @property
    def key(self) -> bytes:
        """What equal contents have in common: the pickle, or the digest when it is not all."""
        return self.digest if self.buffers else self.data

    def equals(self, data: bytes, raw: Sequence[memoryview]) -> bool:
        """Compare with a fresh pickle of an object, at the speed of memory."""
        return (
            self.data == data
            and len(self.buffers) == len(raw)
            and all(map(_same, self.buffers, raw))
        )

    def __reduce__(self) -> tuple[Any, ...]:
        plain = (b if isinstance(b, bytes) else bytes(_view(b)) for b in self.buffers)
        return (Content, (self.data, tuple(plain)))

    @property
    def is_shared(self) -> bool:
        """Return whether some of it lies in memory files, which go by descriptor."""
        return any(type(buffer) is MemoryFile for buffer in self.buffers)

    @property
    def has_definitions(self) -> bool:
        """Whether objects of classes are in it that travel by value."""
        return any(type(buffer) is Definition for buffer in self.buffers)


def digest_of(parts: Iterable[memoryview]) -> bytes:
    """Return the digest of parts: BLAKE2b of their lengths and bytes, the only one in use."""
    # Bytes: the `DIGEST_SIZE` of `wire.envelope`, which stands above this room.
    hasher = blake2b(digest_size=20)
    for view in parts:
        hasher.update(view.nbytes.to_bytes(8, "little"))
        hasher.update(view)
    return hasher.digest()


def _view(buffer: Buffer) -> memoryview:
    return memoryview(buffer.map() if isinstance(buffer, MemoryFile) else buffer)


def _same(buffer: Buffer, raw: memoryview) -> bool:
    if raw.obj is buffer:
        return True
    if len(buffer) != raw.nbytes:
        return False
    if isinstance(buffer, MemoryFile):
        return buffer.equals(raw)
    # memoryviews compare item by item in Python; a bytearray compares with memcmp.
    return bytearray(buffer) == raw


# Definitions of one executor or client that are asked for again and again.
@functools.lru_cache(maxsize=512)
def _definition(data: bytes) -> Definition:
    return Definition(data)


def freeze_buffer(raw: memoryview) -> Buffer:
    """Copy a buffer: into a memory file when it is large. A definition is kept as it is."""
    if type(raw.obj) is Definition:
        return raw.obj
    if raw.nbytes > len(Definition.MAGIC) and raw[: len(Definition.MAGIC)] == Definition.MAGIC:
        return _definition(bytes(raw))
    if raw.nbytes < settings().shared_size or not MemoryFile.has_room():
        return bytes(raw)
    try:
        return MemoryFile.copy_of(raw)
    except OSError:  # no descriptors or no memory files left: private memory serves as well
        return bytes(raw)
