"""Kept mappings: handed out again when nobody can tell them from new ones."""

from __future__ import annotations

import ctypes
import mmap
import os
import sys
import threading
import types
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from pymonik.runtime.executor import mappings
from pymonik.system.memory_file import MemoryFile, open_memory_file

SIZE = (4 << 20) + 1234
pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="pages are told of on Linux only")


@pytest.fixture
def file() -> mappings.ReusableMapping:
    """Give a file of bytes that are all 7."""
    fd = open_memory_file()
    os.write(fd, b"\7" * SIZE)
    return mappings.ReusableMapping(fd, SIZE)


def first_of(file: mappings.ReusableMapping) -> tuple[int, Any]:
    array: Any = np.frombuffer(file.map(), np.uint8)
    return array.__array_interface__["data"][0], array


def test_what_was_only_read_is_handed_out_again(file: mappings.ReusableMapping) -> None:
    places = set()
    for _ in range(5):
        place, array = first_of(file)
        assert int(array.sum()) == 7 * SIZE
        places.add(place)
        del array
    assert len(places) == 1


@pytest.mark.parametrize("at", [0, SIZE // 2, SIZE - 1])
@pytest.mark.parametrize("read", [False, True])
def test_what_was_written_to_is_not(file: mappings.ReusableMapping, at: int, read: bool) -> None:
    for _ in range(5):
        _, array = first_of(file)
        if read:
            assert int(array.sum()) == 7 * SIZE
        assert array[at] == 7
        array[at] = 8
        del array


def test_what_somebody_holds_is_not(file: mappings.ReusableMapping) -> None:
    place, array = first_of(file)
    part = array[10:20]
    del array
    other, array = first_of(file)
    assert other != place
    array[:] = 1
    assert part.tolist() == [7] * 10


def test_what_was_written_to_is_freed_after_the_unit(file: mappings.ReusableMapping) -> None:
    _, array = first_of(file)
    array[:] = 0
    del array
    mappings.sweep()
    assert file._kept is None
    _, array = first_of(file)
    assert int(array.sum()) == 7 * SIZE
    del array
    mappings.sweep()
    assert file._kept is not None


def test_where_pages_are_not_told_of_each_call_maps_anew(
    file: mappings.ReusableMapping, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mappings, "_PAGES", "/nowhere")
    _, array = first_of(file)
    array[5] = 9
    del array
    _, array = first_of(file)
    assert array[5] == 7


def test_the_mask_of_an_array_of_8_mb_is_handed_out_again() -> None:
    fd = open_memory_file()
    os.write(fd, b"\7" * 1_000_000)
    file = mappings.ReusableMapping(fd, 1_000_000)
    place, array = first_of(file)
    assert int(array.sum()) == 7_000_000
    del array
    assert first_of(file)[0] == place


def test_small_files_are_mapped_anew() -> None:
    fd = open_memory_file()
    os.write(fd, bytes(mmap.PAGESIZE))
    file = mappings.ReusableMapping(fd, mmap.PAGESIZE)
    assert file.map() is not file.map()


def written_directly(array: Any) -> None:
    array[SIZE // 3] = 9


def written_by_the_kernel(array: Any) -> None:
    reader, writer = os.pipe()
    os.write(writer, b"\11")
    os.readv(reader, [memoryview(array)[SIZE // 3 : SIZE // 3 + 1]])
    os.close(reader)
    os.close(writer)


def written_by_a_thread(array: Any) -> None:
    thread = threading.Thread(target=written_directly, args=(array,))
    thread.start()
    thread.join()


def written_by_c(array: Any) -> None:
    ctypes.memset(array.__array_interface__["data"][0] + SIZE // 3, 9, 1)


@pytest.mark.parametrize(
    "write", [written_directly, written_by_the_kernel, written_by_a_thread, written_by_c]
)
@pytest.mark.parametrize("looks", [1, 4])
def test_a_write_after_many_reads_is_seen_however_it_is_done(
    file: mappings.ReusableMapping, write: Callable[[Any], None], looks: int
) -> None:
    for _ in range(looks):
        _, array = first_of(file)
        assert int(array.sum()) == 7 * SIZE
        del array
        file.let_go()
        assert file._faults > 0, "the pages were looked at"
    _, array = first_of(file)
    before = mappings.page_faults()
    write(array)
    assert mappings.page_faults() > before
    assert array[SIZE // 3] == 9
    del array
    _, array = first_of(file)
    assert int(array.sum()) == 7 * SIZE


def test_pages_are_looked_at_again_only_after_a_page_fault(
    file: mappings.ReusableMapping, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks, faults = [], [100]
    monkeypatch.setattr(mappings, "page_faults", lambda: faults[0])
    real = mappings.is_untouched
    monkeypatch.setattr(mappings, "is_untouched", lambda *args: looks.append(1) or real(*args))
    for _ in range(10):
        first_of(file)
    assert len(looks) == 1
    faults[0] += 1
    for _ in range(10):
        first_of(file)
    assert len(looks) == 2


def test_a_module_of_the_user_stands_in_for_none_of_python(
    file: mappings.ReusableMapping, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "resource", types.ModuleType("resource"))
    assert MemoryFile.has_room()
    for _ in range(2):
        assert int(first_of(file)[1].sum()) == 7 * SIZE
    assert mappings.page_faults() > 0
