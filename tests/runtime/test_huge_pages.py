"""Large memory files have huge pages where the system gives them, and the same bytes everywhere."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from pymonik.system import huge_pages, memory_file
from pymonik.system.huge_pages import BLOCK, lay_out
from pymonik.system.memory_file import MemoryFile, open_memory_file

pytestmark = pytest.mark.skipif(not hasattr(os, "memfd_create"), reason="memory files of Linux")


@pytest.fixture
def fd() -> Iterator[int]:
    fd = open_memory_file()
    yield fd
    os.close(fd)


@pytest.fixture
def refusals(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """A system that gives no huge pages; the sizes that it was asked for."""
    asked: list[int] = []

    def refuse(begin: int, length: int, advice: int) -> int:
        asked.append(length)
        return -1

    monkeypatch.setattr(huge_pages, "_is_given", True)
    monkeypatch.setattr(huge_pages, "_advise", refuse)
    return asked


def test_whole_blocks_are_one_page_each(fd: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(huge_pages, "_is_given", huge_pages._is_allowed())
    lay_out(fd, 3 * BLOCK + 5)
    if not huge_pages._is_given:
        pytest.skip("this system gives memory files no huge pages")
    assert os.fstat(fd).st_size == 3 * BLOCK + 5
    # Only the first bytes of each were written to: what has no page is a hole.
    assert os.lseek(fd, 0, os.SEEK_HOLE) >= 3 * BLOCK


@pytest.mark.parametrize("size", [1, BLOCK - 1, BLOCK, 2 * BLOCK + 7])
def test_a_file_has_the_bytes_that_it_is_a_copy_of(
    size: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(memory_file, "_HUGE", BLOCK)
    data = os.urandom(1 << 10) * (size // (1 << 10) + 1)
    file = MemoryFile.copy_of(memoryview(data)[:size])
    assert os.fstat(file.fd).st_size == size
    assert bytes(file.map()) == data[:size]


def test_a_system_that_refuses_is_not_asked_again(fd: int, refusals: list[int]) -> None:
    lay_out(fd, 2 * BLOCK)
    lay_out(fd, 2 * BLOCK)
    assert refusals == [2 * BLOCK]


def test_small_files_are_left_alone(refusals: list[int]) -> None:
    MemoryFile.copy_of(memoryview(bytes(BLOCK)))
    assert refusals == []
