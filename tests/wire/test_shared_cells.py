"""Cells that executors share: each holds what was written, whoever looks, or nothing."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from pymonik.capture import freeze as pickling
from pymonik.system.memory_file import MemoryFile
from pymonik.values.content import Content, freeze_buffer
from pymonik.values.outcome import Failure
from pymonik.wire.shared_cells import AGAIN, EMPTY, HELD, OVER, SharedCells

COUNT = 40


@pytest.fixture
def file() -> MemoryFile:
    return SharedCells.new_file(COUNT, 2)


@pytest.fixture
def two(file: MemoryFile) -> Iterator[list[SharedCells]]:
    found = [SharedCells(file.fd, COUNT, 2, member) for member in range(2)]
    yield found
    for cells in found:
        cells.close()


RECORDS = [
    *(0, 1, -1, (1 << 63) - 1, -(1 << 63), 1 << 63, 0.0, -0.0, 1e300, True, False, None),
    *("", "text", b"\0" * 100, (1, "two"), Failure("error", "message", "task", "here.py:1")),
]


def test_a_record_is_what_was_written_and_of_the_same_type(two: list[SharedCells]) -> None:
    for place, record in enumerate(RECORDS):
        assert two[1].get(place) is EMPTY
        assert two[place % 2].put(place, record)
        found = two[1].get(place)
        assert repr(found) == repr(record)
        assert type(found) is type(record)
    assert [repr(record) for record in two[0].records().values()] == list(map(repr, RECORDS))


def test_a_content_is_another_with_the_same_bytes(two: list[SharedCells]) -> None:
    assert two[0].put(0, Content(b"pickle", [b"buffer"]))
    found = two[1].get(0)
    assert (found.data, list(found.buffers)) == (b"pickle", [b"buffer"])


@pytest.mark.parametrize("torn", range(2))
def test_a_cell_of_which_one_word_is_seen_is_empty(two: list[SharedCells], torn: int) -> None:
    """Another processor may see the words in any order; a dead executor has written one of them."""
    two[0].put(3, 12345)
    two[0]._words[6 + torn] = 0
    assert two[1].get(3) is EMPTY


def test_a_pickle_that_was_written_over_is_none(two: list[SharedCells]) -> None:
    two[0].put(3, "text")
    two[0]._pickles[10] ^= 1
    assert two[1].get(3) is EMPTY


def test_what_is_large_stays_where_it_is(two: list[SharedCells]) -> None:
    data, raw, _ = pickling.freeze(bytearray(1 << 19))
    content = Content(data, [freeze_buffer(view) for view in raw])
    for place, record in enumerate(["x" * (1 << 17), content]):
        assert not two[0].put(place, record)
        assert two[1].get(place) is HELD
    assert two[1].records() == {}


def test_a_copy_has_the_records_and_lets_calls_begin(two: list[SharedCells]) -> None:
    two[0].put(0, 7)
    two[1].put(1, "text")
    two[1].come()
    two[0].stop(AGAIN)
    file = two[0].copied()
    other = SharedCells(file.fd, COUNT, 2, 1)
    assert other.put(2, "more")
    assert other.records() == {0: 7, 1: "text", 2: "more"}
    assert (other.stopped, other.has_come(1)) == (0, False)
    assert two[0].records() == {0: 7, 1: "text"}
    other.close()


def test_what_is_over_does_not_begin_again(two: list[SharedCells]) -> None:
    two[0].stop(OVER)
    two[1].stop(AGAIN)
    assert two[0].stopped == OVER


def test_cells_take_no_memory_before_they_are_written_to(file: MemoryFile) -> None:
    assert os.fstat(file.fd).st_blocks == 0
    assert file.size > 1 << 24
