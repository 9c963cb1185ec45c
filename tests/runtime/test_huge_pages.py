"""Huge pages: asked for once, where whole ones fit; what is in a file is the same without them."""

from __future__ import annotations

import ctypes
import errno
import gc
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pymonik.runtime.executor import mappings
from pymonik.system import huge_pages, memory_file
from pymonik.system.memcmp import address_of
from pymonik.system.memory_file import MemoryFile

PAGE = 2 << 20
SIZES = [PAGE - 1, PAGE, PAGE + 1, 3 * PAGE - 5, 3 * PAGE]
pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="Linux makes huge pages on request")

Asked = list[tuple[int, int, int]]


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> Asked:
    """Let files of any size have huge pages of 2 MiB, and note what the kernel is asked."""
    asked: Asked = []
    real = huge_pages._madvise

    def note(place: int, size: int, advice: int) -> int:
        asked.append((place % PAGE, size, advice))
        return int(real(place, size, advice))

    monkeypatch.setattr(huge_pages, "page_size", lambda: PAGE)
    monkeypatch.setattr(huge_pages, "_madvise", note)
    monkeypatch.setattr(huge_pages._Kernel, "makes_them", True)
    monkeypatch.setattr(memory_file, "_LARGE", PAGE - 1)
    return asked


def pattern(size: int) -> Any:
    return np.resize(np.arange(251, dtype=np.uint8), size)


def read(file: MemoryFile) -> Any:
    return np.frombuffer(file.map(), np.uint8)


@pytest.mark.parametrize("size", SIZES)
def test_whole_huge_pages_are_asked_for_once(asked: Asked, size: int) -> None:
    data = pattern(size)
    file = MemoryFile.copy_of(memoryview(data))
    assert asked == ([(0, size // PAGE * PAGE, huge_pages._MADV_COLLAPSE)] if size >= PAGE else [])
    assert os.fstat(file.fd).st_size == size
    assert np.array_equal(read(file), data)
    assert file.equals(memoryview(data))


@pytest.mark.parametrize("size", SIZES)
def test_what_fills_huge_pages_is_copied_and_the_rest_written(
    asked: Asked, size: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    copied: list[int] = []
    written: list[int] = []
    copy, write = huge_pages._memcpy, os.pwrite

    def note(place: int, source: int, count: int) -> None:
        copied.append(count)
        copy(place, source, count)

    def note_written(fd: int, view: Any, offset: int) -> int:
        written.append(len(view))
        return write(fd, view, offset)

    monkeypatch.setattr(huge_pages, "_memcpy", note)
    monkeypatch.setattr(os, "pwrite", note_written)
    data = pattern(size)
    file = MemoryFile.copy_of(memoryview(data))
    if huge_pages._Kernel.makes_them:  # this kernel does
        assert sum(copied) == size // PAGE * PAGE
        # A byte of each extent asks for its page.
        assert sum(written) == size - sum(copied) + size // PAGE
    assert os.pread(file.fd, size, 0) == data.tobytes()


def refused(number: int) -> Callable[[int, int, int], int]:
    def answer(place: int, size: int, advice: int) -> int:
        ctypes.set_errno(number)
        return -1

    return answer


@pytest.mark.parametrize("number", [errno.EINVAL, errno.ENOMEM, errno.EAGAIN])
def test_a_kernel_that_makes_none_takes_none_of_the_bytes(
    asked: Asked, number: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(huge_pages, "_madvise", refused(number))
    # A page that is not there would be a SIGBUS, where memory has run out.
    monkeypatch.setattr(huge_pages, "_memcpy", lambda *_: pytest.fail("copied where none may be"))
    data = pattern(3 * PAGE - 5)
    assert np.array_equal(read(MemoryFile.copy_of(memoryview(data))), data)
    # One that does not know the request is not asked again; one that has none now is.
    assert huge_pages._Kernel.makes_them == (number != errno.EINVAL)


def test_where_no_addresses_are_left_it_is_written_as_any_other(
    asked: Asked, monkeypatch: pytest.MonkeyPatch
) -> None:
    def is_full(*_: Any) -> int:
        raise OSError(errno.ENOMEM, os.strerror(errno.ENOMEM))

    data = pattern(3 * PAGE - 5)
    with monkeypatch.context() as patch:
        patch.setattr(huge_pages, "map_into", is_full)
        file = MemoryFile.copy_of(memoryview(data))
    assert not asked
    assert np.array_equal(read(file), data)


def test_a_kernel_that_does_not_know_them_is_not_asked_again(
    asked: Asked, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(huge_pages._Kernel, "makes_them", False)
    MemoryFile.copy_of(memoryview(pattern(PAGE)))
    assert not asked


SAID = {"hpage_pmd_size": f"{PAGE}\n", "enabled": "[madvise]", "shmem_enabled": "[never] deny"}


@pytest.mark.parametrize(
    ("said", "size"),
    [
        (SAID, PAGE),
        ({**SAID, "enabled": "madvise [never]"}, 0),
        ({**SAID, "shmem_enabled": "never [deny]"}, 0),
        ({**SAID, "hpage_pmd_size": f"{512 << 20}"}, 0),
        ({}, 0),
    ],
)
def test_who_wants_none_gets_none(
    said: dict[str, str], size: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    def answer(name: str) -> str:
        if name not in said:
            raise FileNotFoundError
        return said[name]

    monkeypatch.setattr(huge_pages, "_said", answer)
    assert huge_pages.page_size.__wrapped__() == size


@pytest.mark.parametrize("size", SIZES[1:])
@pytest.mark.parametrize("kind", [MemoryFile, mappings.ReusableMapping])
def test_a_mapping_begins_where_a_huge_page_may(
    asked: Asked, kind: type[MemoryFile], size: int
) -> None:
    sent = MemoryFile.copy_of(memoryview(pattern(size)))
    file = kind(os.dup(sent.fd), size)
    held = [file.map() for _ in range(3)]
    assert [address_of(memory) % PAGE for memory in held] == [0, 0, 0]
    assert [len(memory) for memory in held] == [size] * 3


@pytest.mark.parametrize("place", [0, PAGE - 1, PAGE, 3 * PAGE - 6])
def test_what_is_written_stays_in_its_mapping(asked: Asked, place: int) -> None:
    data = pattern(3 * PAGE - 5)
    sent = MemoryFile.copy_of(memoryview(data))
    file = mappings.ReusableMapping(os.dup(sent.fd), len(data))
    for _ in range(3):
        array = read(file)
        assert np.array_equal(array, data)
        array[place] ^= 255
        other = read(file)
        assert other[place] == data[place]
        del array, other
    assert sent.equals(memoryview(data))


def test_one_that_was_only_read_is_handed_out_again(asked: Asked) -> None:
    sent = MemoryFile.copy_of(memoryview(pattern(3 * PAGE - 5)))
    file = mappings.ReusableMapping(os.dup(sent.fd), sent.size)
    places = set()
    for _ in range(4):
        array = read(file)
        array.sum()
        places.add(array.__array_interface__["data"][0])
        del array
    assert len(places) == 1


@pytest.fixture
def elsewhere(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[], bool]]:
    """Refuse to map files, behind which another thread maps one of its own in that place.

    Linux, before 6.12 and here and there since, has unmapped what was there when it refuses.
    """
    real, other = huge_pages._mmap, os.memfd_create("of_another_thread")
    os.ftruncate(other, 4 * PAGE)
    taken: list[tuple[int, int]] = []

    def refuse(place: int, size: int, prot: int, flags: int, fd: int, offset: int) -> int:
        assert real(place, size, prot, flags, other, 0) == place
        taken.append((place, size))
        ctypes.set_errno(errno.ENOMEM)
        return -1

    def is_there() -> bool:
        maps = Path("/proc/self/maps").read_text().splitlines()
        lines = [line for line in maps if "of_another_thread" in line]
        return [line.split("-")[0] for line in lines] == [f"{place:x}" for place, _ in taken]

    monkeypatch.setattr(huge_pages, "_mmap", refuse)
    yield is_there
    if is_there():
        for place, size in taken:
            assert not ctypes.CDLL(None).munmap(ctypes.c_void_p(place), ctypes.c_size_t(size))
    os.close(other)


def test_a_mapping_that_is_refused_leaves_others_where_they_are(
    asked: Asked, elsewhere: Callable[[], bool]
) -> None:
    file = MemoryFile(os.memfd_create("sent"), 2 * PAGE)
    os.ftruncate(file.fd, file.size)
    with pytest.raises(OSError, match="Cannot allocate memory"):
        file.map()
    gc.collect()
    assert elsewhere()


def test_a_file_that_cannot_be_mapped_when_it_is_made_leaves_others_where_they_are(
    asked: Asked, elsewhere: Callable[[], bool]
) -> None:
    data = pattern(2 * PAGE)
    file = MemoryFile.copy_of(memoryview(data))
    gc.collect()
    assert elsewhere()
    assert os.pread(file.fd, len(data), 0) == data.tobytes()


def test_a_mapping_that_fails_says_so(asked: Asked) -> None:
    reader, writer = os.pipe()  # which nobody can map
    with pytest.raises(OSError, match="No such device"):
        MemoryFile(reader, PAGE).map()
    os.close(writer)
