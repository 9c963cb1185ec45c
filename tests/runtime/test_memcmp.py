"""Comparing memory: the same bytes are found equal wherever they lie, and one other byte tells."""

from __future__ import annotations

import mmap
from typing import Any

import numpy as np
import pytest

from pymonik.system.memcmp import equal
from pymonik.system.memory_file import MemoryFile

SIZE = 1_000_003
HOLDERS = {
    "bytes": bytes,
    "bytearray": bytearray,
    "memoryview": memoryview,
    "array": lambda data: np.frombuffer(data, np.uint8),
    "mapping": lambda data: MemoryFile.copy_of(memoryview(data)).map(),
}


@pytest.mark.parametrize("second", HOLDERS)
@pytest.mark.parametrize("first", HOLDERS)
def test_buffers_of_any_kind_are_compared(first: str, second: str) -> None:
    data = np.random.default_rng(7).integers(0, 256, SIZE, np.uint8).tobytes()
    assert equal(HOLDERS[first](data), HOLDERS[second](data))
    for place in (0, SIZE // 2, SIZE - 1):
        other = bytearray(data)
        other[place] ^= 1
        assert not equal(HOLDERS[first](data), HOLDERS[second](bytes(other)))
    assert not equal(HOLDERS[first](data), HOLDERS[second](data[:-1]))
    assert equal(HOLDERS[first](data[:0] + b"a"), HOLDERS[second](b"a"))


def test_a_buffer_is_let_go_after_it_was_compared() -> None:
    held = bytearray(SIZE)
    assert equal(held, bytes(SIZE))
    held.append(0)  # refused while somebody holds its memory
    mapped = mmap.mmap(-1, 4096)
    assert equal(mapped, bytes(4096))
    mapped.close()


def test_what_has_no_memory_of_its_own_is_refused() -> None:
    strided: Any = np.zeros(10)[::2]
    for nothing in (1, "text", strided):
        with pytest.raises((TypeError, ValueError, BufferError)):
            equal(nothing, b"")


def test_a_file_is_mapped_once_however_often_it_is_compared(monkeypatch: Any) -> None:
    data = bytes(range(256)) * 4096
    file = MemoryFile.copy_of(memoryview(data))
    assert file.equals(memoryview(data))
    monkeypatch.setattr(MemoryFile, "map", lambda self: pytest.fail("mapped again"))
    assert file.equals(memoryview(data))
    assert not file.equals(memoryview(data[::-1]))


def test_a_file_is_compared_when_no_more_can_be_mapped(monkeypatch: Any) -> None:
    data = bytes(range(256)) * 4096
    file = MemoryFile.copy_of(memoryview(data))
    monkeypatch.setattr(MemoryFile, "has_room", lambda: False)
    assert file.equals(memoryview(data))
    assert not file.equals(memoryview(data[::-1]))
