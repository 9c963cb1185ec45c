"""A `MultiResultHandle` behaves like a list of handles."""

from __future__ import annotations

import copy
import random
from collections.abc import Sequence
from typing import Any

import pytest

from pymonik import MultiResultHandle, Pymonik, ResultHandle, as_completed
from pymonik.errors import LazyValueError
from tests.conftest import PATIENCE, Gate

from .conftest import Connect
from .programs import divide, pass_gate, square, total


@pytest.fixture
def squares(client: Pymonik) -> Any:
    return square.map_invoke(range(6))


def test_it_has_a_length_and_indices(squares: Any) -> None:
    assert len(squares) == 6
    assert isinstance(squares[0], ResultHandle)
    assert (squares[2].get(), squares[-1].get()) == (4, 25)


@pytest.mark.parametrize("index", [6, -7, 100])
def test_an_index_out_of_range_raises(squares: Any, index: int) -> None:
    with pytest.raises(IndexError):
        squares[index]


@pytest.mark.parametrize(
    "part",
    [
        slice(None, 3),
        slice(3, None),
        slice(None, None, 2),
        slice(None, None, -1),
        slice(4, 1, -2),
        slice(-2, None),
        slice(10, 20),
        slice(3, 3),
    ],
    ids=repr,
)
def test_a_slice_is_a_multi_handle(squares: Any, part: slice) -> None:
    assert isinstance(squares[part], MultiResultHandle)
    assert squares[part].wait().get() == [x * x for x in range(6)][part]
    assert total.invoke(squares[part]).get() == sum([x * x for x in range(6)][part])


def test_a_slice_of_a_slice_is_a_slice(squares: Any) -> None:
    assert squares[1:][::2][-1].get() == 25


def test_iteration_gives_handles_in_order(squares: Any) -> None:
    assert [h.get() for h in squares] == [0, 1, 4, 9, 16, 25]
    assert [h.get() for h in reversed(squares)] == [25, 16, 9, 4, 1, 0]


def test_iterating_and_counting_runs_nothing(client: Pymonik) -> None:
    squares = square.map_invoke(range(6))
    assert (len(squares), len(list(squares)), len(squares[1:])) == (6, 6, 5)
    assert client.stats.submissions == 0


def test_membership_is_by_handle(squares: Any) -> None:
    assert squares[1] in squares
    assert square.invoke(1) not in squares


def test_append_takes_a_handle(squares: Any) -> None:
    squares.append(square.invoke(10))
    assert len(squares) == 7
    assert squares.get()[-1] == 100


def test_append_refuses_what_is_no_handle(squares: Any) -> None:
    with pytest.raises(TypeError, match="append"):
        squares.append(3)


@pytest.mark.parametrize("kind", [list, tuple, MultiResultHandle, iter])
def test_extend_takes_handles(squares: Any, kind: Any) -> None:
    squares.extend(kind([square.invoke(7), square.invoke(8)]))
    assert squares.get() == [0, 1, 4, 9, 16, 25, 49, 64]


def test_extend_refuses_what_is_no_handle(squares: Any) -> None:
    with pytest.raises(TypeError):
        squares.extend([1, 2])
    assert len(squares) == 6


def test_extend_with_itself_doubles_it(squares: Any) -> None:
    squares.extend(squares)
    assert squares.get() == [0, 1, 4, 9, 16, 25] * 2


def test_addition_makes_a_new_one(squares: Any) -> None:
    both = squares[:2] + squares[4:]
    assert isinstance(both, MultiResultHandle)
    assert both.get() == [0, 1, 16, 25]
    with_a_list = squares[:1] + [square.invoke(9)]  # noqa: RUF005
    assert with_a_list.get() == [0, 81]
    assert len(squares) == 6


def test_adding_what_is_no_handle_is_refused(squares: Any) -> None:
    with pytest.raises(TypeError):
        squares + 1


def test_it_is_built_from_handles(client: Pymonik) -> None:
    handles = [square.invoke(i) for i in range(3)]
    assert MultiResultHandle(handles).wait().get() == [0, 1, 4]


def test_it_mixes_handles_of_several_calls_and_submissions(client: Pymonik) -> None:
    first = square.map_invoke([1, 2])
    first.wait()
    mixed = first[:1] + square.map_invoke([5]) + [client.put("stored")]
    assert mixed.get() == [1, 25, "stored"]


def test_an_empty_one_is_an_empty_list(client: Pymonik) -> None:
    empty: MultiResultHandle[int] = MultiResultHandle([])
    assert (len(empty), list(empty), empty.wait().get()) == (0, [], [])
    assert total.invoke(empty).get() == 0
    empty.append(square.invoke(2))
    assert empty.get() == [4]


def test_wait_returns_itself_and_raises_nothing(client: Pymonik) -> None:
    mixed = divide.map_invoke([(1, 1), (1, 0)])
    assert mixed.wait() is mixed
    with pytest.raises(ZeroDivisionError):
        mixed.get()
    assert mixed[0].get() == 1


def test_get_raises_the_first_failure_in_order(client: Pymonik) -> None:
    mixed = divide.map_invoke([(1, 1), (1, "x"), (1, 0)])
    with pytest.raises(TypeError):
        mixed.get()
    assert isinstance(mixed[2].exception(), ZeroDivisionError)


def test_it_has_what_a_sequence_has(squares: Any) -> None:
    assert isinstance(squares, Sequence)
    joined = squares[:3] + squares[::-1]
    assert (squares.index(squares[4]), joined.index(squares[4])) == (4, 4)
    assert joined.index(squares[1], 2) == joined.index(squares[1], -3) == 7
    assert (joined.count(squares[1]), joined.count(squares[4]), joined.count(3)) == (2, 1, 0)
    assert [h.get() for h in reversed(squares)] == [25, 16, 9, 4, 1, 0]
    assert [h.get() for h in reversed(joined)] == [0, 1, 4, 9, 16, 25, 4, 1, 0]
    assert list(squares).index(squares[2]) == 2
    assert set(random.Random(1).sample(squares, 6)) == set(squares)
    match squares:
        case [first, *_, last]:
            assert (first.get(), last.get()) == (0, 25)
        case _:
            raise AssertionError("it is no sequence")
    with pytest.raises(ValueError, match="is not here"):
        squares[:3].index(squares[4])
    with pytest.raises(ValueError, match="is not here"):
        squares.index(squares[4], 0, 4)
    with pytest.raises(ValueError, match="is not here"):
        squares.index(square.invoke(4))


@pytest.mark.asynchronous
def test_a_timeout_names_what_was_waited_for(client: Pymonik, gate: Gate) -> None:
    single = pass_gate.invoke(gate.path, 1)
    with pytest.raises(TimeoutError, match=r"value of 'pass_gate', called at .*test_multi\.py"):
        single.get(timeout=0.01)
    gate.open()
    assert single.get() == 1
    several = pass_gate.map_invoke([(gate.path, 1)])
    named = pass_gate.invoke(gate.path, 2).named("answer")
    with pytest.raises(TimeoutError, match=r"the value of 'pass_gate', element 0, called at"):
        several.get(timeout=0.01)
    with pytest.raises(TimeoutError, match=r"the value of 'pass_gate', element 0, called at"):
        next(iter(as_completed(several, timeout=0.01)))
    with pytest.raises(TimeoutError, match="the value of 'answer', called at"):
        named.get(timeout=0.01)
    client.cancel()


@pytest.mark.asynchronous
def test_a_timeout_covers_all_of_them(client: Pymonik, gate: Gate) -> None:
    h = pass_gate.map_invoke([(gate.path, 1)])
    with pytest.raises(TimeoutError, match=r"had not arrived after 0\.01 s"):
        h.wait(timeout=0.01)
    with pytest.raises(TimeoutError, match=r"had not arrived after 0\.01 s"):
        h.get(timeout=0.01)
    with pytest.raises(TimeoutError, match=r"had not arrived after 0\.01 s"):
        next(iter(as_completed(h, timeout=0.01)))
    gate.open()
    assert h.get(timeout=PATIENCE) == [1]


def test_as_completed_gives_every_handle_once(squares: Any) -> None:
    assert sorted(h.get() for h in squares.as_completed()) == [0, 1, 4, 9, 16, 25]
    assert sorted(h.get() for h in as_completed(list(squares))) == [0, 1, 4, 9, 16, 25]
    assert list(as_completed([])) == []


def test_as_completed_gives_failures_too(client: Pymonik) -> None:
    mixed = divide.map_invoke([(1, 1), (1, 0)])
    assert sorted(repr(h.exception()) for h in as_completed(mixed)) == [
        "None",
        repr(ZeroDivisionError("division by zero")),
    ]


@pytest.mark.asynchronous
def test_as_completed_does_not_wait_for_the_slowest(connect: Connect, gate: Gate) -> None:
    with connect(optimize=False):
        slow = pass_gate.invoke(gate.path, "slow")
        quick = [square.invoke(i) for i in range(4)]
        order = []
        for h in as_completed([slow, *quick]):
            order.append(h.get())
            if len(order) == len(quick):
                gate.open()
    assert sorted(order[:-1]) == [0, 1, 4, 9]
    assert order[-1] == "slow"


def test_a_multi_handle_says_what_it_is(squares: Any) -> None:
    assert "6" in repr(squares)


def test_an_element_is_one_handle_however_it_was_reached(squares: Any) -> None:
    assert squares[1] == squares[1] == list(squares)[1] == squares[1:][0]
    assert hash(squares[1]) == hash(squares[1:][0])
    assert squares[1] != squares[2]


def test_handles_are_looked_up_as_they_complete(client: Pymonik) -> None:
    squares = square.map_invoke(range(4))
    origin = {h: i for i, h in enumerate(squares)}
    assert {origin[h]: h.get() for h in as_completed(squares)} == {0: 0, 1: 1, 2: 4, 3: 9}


def test_handles_are_compared_as_lists_are(client: Pymonik) -> None:
    squares, others = square.map_invoke(range(3)), square.map_invoke(range(3))
    assert squares == squares[:] == list(squares)
    assert squares != others
    assert squares != squares[:2]
    assert (squares == None) is False  # noqa: E711


def test_comparing_handles_with_values_says_what_to_do(client: Pymonik) -> None:
    squares = square.map_invoke(range(3))
    for values in ([0, 1, 4], (0, 1), 3):
        with pytest.raises(LazyValueError, match=r"get\(\)"):
            assert squares == values
    assert squares != []
    assert client.stats.submissions == 0


def test_a_copy_has_the_same_handles_and_grows_alone(squares: Any) -> None:
    for copied in (copy.copy(squares), copy.deepcopy(squares)):
        copied.append(squares[0])
        assert (len(squares), len(copied)) == (6, 7)
        assert copied[6] == squares[0]
        assert copied.get() == [0, 1, 4, 9, 16, 25, 0]


def test_what_is_no_list_of_handles_is_named(squares: Any) -> None:
    with pytest.raises(TypeError, match=r"extended by handles, not by 1: .* get\(\)"):
        squares + 1
    with pytest.raises(TypeError, match="as_completed takes handles, not 3"):
        as_completed(3)  # type: ignore[arg-type]
