"""The log of graphs that run where they were made: what is read of it is what was written."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from pymonik.wire.activation_log import begun, entries
from pymonik.wire.journal import SharedJournal, open_page

Pages = tuple[SharedJournal, SharedJournal]


@pytest.fixture
def pages() -> Iterator[Pages]:
    fd = open_page()
    theirs, ours = SharedJournal(fd), SharedJournal(fd)
    os.close(fd)
    yield theirs, ours
    theirs.close()
    ours.close()


def told(page: SharedJournal) -> list[object]:
    return entries(page.journal().log)


def test_entries_are_read_as_written_until_they_are_cut_off(pages: Pages) -> None:
    executor, host = pages
    executor.begin(7, 3)
    assert begun(host.journal().log) is None
    executor.log.begin(4, 1)
    assert (begun(host.journal().log), told(host)) == ((4, 1), [])
    assert executor.log.push("graph")
    mark = executor.log.mark
    assert executor.log.push(["another", 1])
    assert told(host) == ["graph", ["another", 1]]
    executor.log.cut(mark)
    assert executor.log.push("value")
    assert told(host) == ["graph", "value"]


def test_it_goes_with_its_unit(pages: Pages) -> None:
    executor, host = pages
    executor.begin(7, 3)
    executor.log.begin(4, 1)
    executor.begin(8, 0)
    assert host.journal().log == b""


def test_what_was_overwritten_ends_it(pages: Pages) -> None:
    executor, host = pages
    executor.begin(7, 3)
    executor.log.begin(4, 1)
    for entry in ("one", "two", "three"):
        assert executor.log.push(entry)
    log = bytearray(host.journal().log)
    place = log.index(b"two")
    log[place : place + 3] = b"ten"
    assert entries(bytes(log)) == ["one"]
    assert entries(bytes(log[:-1])) == ["one"]
    assert begun(b"") is None


def test_what_has_no_room_is_refused_and_nothing_is_lost(pages: Pages) -> None:
    executor, host = pages
    executor.begin(7, 3)
    executor.log.begin(0, 0)
    assert executor.log.push("kept")
    assert not executor.log.push(b"x" * (1 << 18))
    assert told(host) == ["kept"]


def test_a_fork_writes_where_its_parent_does_not(pages: Pages) -> None:
    """A graph that runs in the fork, as its call goes on there, notes what ends in its own copy."""
    executor, host = pages
    executor.begin(7, 3)
    executor.log.begin(4, 1)
    assert executor.log.push("graph")
    mark, held = executor.log.mark, executor.log
    noted = host.journal().log
    executor.leave()
    held.cut(mark)
    assert held.push("of the fork")
    held.begin(5, 0)
    assert held.push("x" * 1000)
    assert host.journal().log == noted
    assert told(executor) == ["x" * 1000]
