"""The page of an executor: it can be read at any moment, and says what has ended."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from pymonik.values.content import Content
from pymonik.wire.journal import GONE, Journal, Page, open_page

Pages = tuple[Page, Page]


@pytest.fixture
def pages() -> Iterator[Pages]:
    """One page, as its executor and as its host see it."""
    fd = open_page()
    theirs, ours = Page(fd), Page(fd)
    os.close(fd)
    yield theirs, ours
    theirs.close()
    ours.close()


def test_elements_and_the_steps_behind_them_are_read_as_written(pages: Pages) -> None:
    executor, host = pages
    executor.begin(7, 3)
    assert host.journal() == Journal(7, 3, [], [])
    assert executor.add("three")
    assert executor.note((4,))
    assert executor.note(GONE)
    assert host.journal() == Journal(7, 3, ["three"], [(4,), GONE])


def test_the_end_of_an_element_takes_the_place_of_its_steps(pages: Pages) -> None:
    executor, host = pages
    executor.begin(7, 3)
    executor.note((list(range(1000)),))
    executor.add([1, 2])
    assert host.journal() == Journal(7, 3, [[1, 2]], [])
    executor.note(("next",))
    assert host.journal() == Journal(7, 3, [[1, 2]], [("next",)])


def test_a_new_unit_starts_with_an_empty_page(pages: Pages) -> None:
    executor, host = pages
    executor.begin(7, 3)
    executor.add(1)
    executor.note((2,))
    executor.begin(8, 0)
    assert host.journal() == Journal(8, 0, [], [])


def test_a_look_gives_only_what_is_new(pages: Pages) -> None:
    executor, host = pages
    executor.begin(7, 0)
    assert host.peek() is None
    executor.note((1,))
    assert host.peek() == Journal(7, 0, [], [(1,)])
    assert host.peek() is None
    executor.add(1)
    assert host.peek() == Journal(7, 0, [1], [])
    executor.begin(7, 1)
    executor.add(1)  # as many bytes as before: it is new all the same
    assert host.peek() == Journal(7, 1, [1], [])


def test_what_does_not_fit_ends_the_notes(pages: Pages) -> None:
    executor, host = pages
    executor.begin(7, 0)
    assert executor.note((b"x" * 100_000,))
    assert not executor.note((b"y" * 200_000,))
    assert host.journal().steps == [(b"x" * 100_000,)]
    assert not executor.add(b"z" * 300_000)
    assert executor.add(b"z")
    assert host.journal() == Journal(7, 0, [b"z"], [])


def test_a_step_with_a_large_value_is_noted_without_it(pages: Pages) -> None:
    from pymonik.values.content import freeze_buffer

    executor, host = pages
    executor.begin(7, 0)
    large = Content(b"array", [freeze_buffer(memoryview(bytes(4 << 20)))])
    assert executor.note((large,))
    assert host.journal().steps == [GONE]


def test_a_page_that_was_written_over_says_what_can_be_read(pages: Pages) -> None:
    executor, host = pages
    executor.begin(7, 0)
    executor.add("first")
    at = executor.numbers[4]
    executor.add("second")
    executor._bytes[64 + at : 64 + at + 4] = b"\xff\xff\xff\xff"
    assert host.journal() == Journal(7, 0, ["first"], [])
