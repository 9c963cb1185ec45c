"""The page of an executor: it can be read at any moment, and says what has ended."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from pymonik.values.content import Content
from pymonik.wire.journal import (
    _NUMBERS,
    DEADLINE,
    ELEMENT,
    ELEMENTS,
    GONE,
    LOG,
    Journal,
    SharedJournal,
    open_page,
)

Pages = tuple[SharedJournal, SharedJournal]


@pytest.fixture
def pages() -> Iterator[Pages]:
    """One page, as its executor and as its host see it."""
    fd = open_page()
    theirs, ours = SharedJournal(fd), SharedJournal(fd)
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
    at = _NUMBERS + executor._elements.end
    executor.add("second")
    executor._bytes[at : at + 8] = b"\xff" * 8
    assert host.journal() == Journal(7, 0, ["first"], [])


@pytest.mark.parametrize(
    "values",
    [
        [0, -1, 2**63 - 1, -(2**63)],
        [0.0, -0.0, float("inf"), 5e-324],
        [True, False, True],
        [None, None],
        [1, True, 2.0, None, "text"],
        [1, 2, 2**63, 3],
        [None, 1],
        ["text", 1, 2],
    ],
    ids=repr,
)
def test_what_is_noted_comes_back_as_it_was(pages: Pages, values: list[object]) -> None:
    executor, host = pages
    executor.begin(7, 0)
    for value in values:
        assert executor.add(value)
        assert executor.note((value,))
    journal = host.journal()
    assert list(map(repr, journal.entries)) == list(map(repr, values))
    assert journal.steps == [(values[-1],)]
    for value in values:
        executor.note((value,))
    assert list(map(repr, host.journal().steps)) == [repr((v,)) for v in (values[-1], *values)]


def test_numbers_are_noted_without_a_pickle(pages: Pages) -> None:
    executor, host = pages
    executor.begin(7, 0)
    count = 0
    while executor.add(count):
        count += 1
    assert (count, executor.numbers[ELEMENTS + 1]) == (((1 << 18) - _NUMBERS) // 16, 0)
    assert host.journal().entries == list(range(count))
    executor.begin(7, count)
    assert executor.add(count)
    assert host.journal() == Journal(7, count, [count], [])


def test_a_number_that_was_written_over_is_not_read(pages: Pages) -> None:
    executor, host = pages
    executor.begin(7, 0)
    for value in range(10, 20):
        executor.add(value)
    executor.note((1,))
    at = _NUMBERS + 16 * 4
    executor._bytes[at : at + 8] = (13).to_bytes(8, "little")
    assert host.journal() == Journal(7, 0, [10, 11, 12, 13], [])


def test_what_earlier_units_noted_in_the_same_place_is_not_read(pages: Pages) -> None:
    executor, host = pages
    executor.begin(7, 0)
    for value in range(10):
        executor.add(value)
    ended = executor.numbers[ELEMENTS]
    executor.begin(8, 0)
    executor.add(1)
    executor.numbers[ELEMENTS] = ended  # somebody has written over it
    assert host.journal() == Journal(8, 0, [1], [])


def test_a_look_does_not_read_again_what_it_has_told(pages: Pages) -> None:
    executor, host = pages
    executor.begin(7, 3)
    for value in (3, 4):
        executor.add(value)
    assert host.peek() == Journal(7, 3, [3, 4], [])
    executor.add(5)
    executor.note((6,))
    assert host.peek() == Journal(7, 5, [5], [(6,)])
    executor.add("six")
    assert host.peek() == Journal(7, 6, ["six"], [])
    executor.add("seven")
    assert host.peek() == Journal(7, 6, ["six", "seven"], [])
    assert host.journal() == Journal(7, 3, [3, 4, 5, "six", "seven"], [])
    host.look_anew()
    assert host.peek() == host.journal()
    executor.begin(7, 8)
    executor.add(8)
    assert host.peek() == Journal(7, 8, [8], [])


def test_a_fork_writes_where_its_parent_does_not(pages: Pages) -> None:
    """What a call holds while it forks writes into the fork's own memory from then on."""
    executor, host = pages
    executor.begin(7, 0)
    executor.add(1)
    noted, held, numbers = host.journal(), executor.add_plain, host.numbers.tolist()
    executor.leave()
    assert held(2)
    assert executor.add(3)
    assert executor.note((4,))
    executor.numbers[ELEMENT] = 9
    assert (host.journal(), host.numbers.tolist()) == (noted, numbers)


def test_behind_the_end_of_a_unit_nothing_runs_and_nothing_is_left_to_read(pages: Pages) -> None:
    executor, host = pages
    executor.begin(7, 3)
    executor.add(1)
    executor.add("pickled")
    executor.note((2,))
    executor.numbers[DEADLINE] = 5
    executor.end()
    assert host.journal() == Journal(-1, 3, [], [])
    assert host.peek() is None
    assert (host.numbers[DEADLINE], host.numbers[LOG]) == (0, 0)
    executor.begin(8, 0)
    executor.add(4)
    assert host.journal() == Journal(8, 0, [4], [])
