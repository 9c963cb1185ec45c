"""`cancel()`: it takes back what has not run, and says whether it did."""

from __future__ import annotations

import gc
import queue

import pytest

from pymonik import Pymonik, Task
from pymonik.errors import Cancelled, NoClientError, TaskFailed
from tests.conftest import Gate, Ledger

from .conftest import Connect
from .programs import add, divide, inc, note, pass_gate, square, total


def test_a_call_cancelled_before_the_flush_never_runs(client: Pymonik, ledger: Ledger) -> None:
    kept, dropped = note.invoke(ledger.path, "kept"), note.invoke(ledger.path, "dropped")
    assert dropped.cancel() is True
    kept.wait()
    with pytest.raises(Cancelled):
        dropped.get()
    assert ledger.lines() == ["kept"]


def test_the_dependents_of_a_cancelled_call_are_cancelled(client: Pymonik, ledger: Ledger) -> None:
    first = note.invoke(ledger.path, "first", 1)
    second = note.invoke(ledger.path, "second", first)
    third = add.invoke(second, 1)
    apart = square.invoke(3)
    assert first.cancel() is True
    for h in (first, second, third):
        assert isinstance(h.exception(), Cancelled)
    assert apart.get() == 9
    assert ledger.lines() == []


def test_cancelling_a_dependent_leaves_its_inputs_alone(client: Pymonik) -> None:
    first = inc.invoke(1)
    second = inc.invoke(first)
    assert second.cancel() is True
    assert first.get() == 2
    with pytest.raises(Cancelled):
        second.get()


def test_an_element_of_a_map_can_be_cancelled(client: Pymonik, ledger: Ledger) -> None:
    handles = note.map_invoke([(ledger.path, i, i) for i in range(5)])
    assert handles[2].cancel() is True
    assert [h.get() for i, h in enumerate(handles) if i != 2] == [0, 1, 3, 4]
    assert isinstance(handles[2].exception(), Cancelled)
    assert sorted(ledger.lines()) == ["0", "1", "3", "4"]


def test_a_handle_promises_no_value_that_it_does_not_have(connect: Connect) -> None:
    client = connect()
    failed, dropped = divide.invoke(1, 0, pymonik=client), square.invoke(2, pymonik=client)
    dropped.cancel()
    assert "cancelled>" in repr(dropped)
    assert "; .get() raises Cancelled>" in str(dropped)
    assert "not sent yet; .get() gives its value>" in str(failed)
    assert isinstance(failed.exception(), ZeroDivisionError)
    assert "failed>" in repr(failed)
    assert "; .get() raises its error>" in str(failed)
    unsent = square.invoke(3, pymonik=client)
    client.cancel()
    assert "never sent>" in repr(unsent)
    assert "gives its value" not in str(unsent)


def test_cancelling_twice_says_the_same(client: Pymonik) -> None:
    h = square.invoke(3)
    assert h.cancel() is True
    assert h.cancel() is True
    assert h.done() is True


def test_a_finished_call_cannot_be_cancelled(client: Pymonik) -> None:
    h = square.invoke(3).wait()
    assert h.cancel() is False
    assert h.get() == 9


def test_a_cancelled_handle_as_an_argument_is_cancelled_too(client: Pymonik) -> None:
    h = square.invoke(3)
    h.cancel()
    later = total.invoke([1, h])
    with pytest.raises(Cancelled):
        later.get()


def test_cancelling_flushes_nothing(client: Pymonik) -> None:
    other = square.invoke(4)
    square.invoke(3).cancel()
    assert client.stats.submissions == 0
    assert other.get() == 16


def test_a_cancelled_call_is_no_failure_of_the_block(connect: Connect) -> None:
    with connect():
        square.invoke(3).cancel()
        gc.collect()


def test_cancelled_is_a_failed_task_that_names_it(client: Pymonik) -> None:
    h = square.invoke(3)
    h.cancel()
    with pytest.raises(TaskFailed, match="square"):
        h.get()


@pytest.mark.asynchronous
def test_a_running_call_is_stopped(client: Pymonik, gate: Gate) -> None:
    h = pass_gate.invoke(gate.path)
    client.flush()
    assert h.cancel() is True
    with pytest.raises(Cancelled, match=r"called at .*test_cancel\.py:\d+: it was cancelled"):
        h.get()
    # The gate was never opened: the workers are free again all the same.
    assert square.map_invoke(range(4)).get() == [0, 1, 4, 9]


@pytest.mark.asynchronous
def test_a_unit_is_stopped_once_nothing_wanted_is_left_in_it(
    client: Pymonik, gate: Gate, ledger: Ledger
) -> None:
    blocked = pass_gate.invoke(gate.path)
    after = note.invoke(ledger.path, "after", blocked)
    client.flush()
    after.cancel()
    assert blocked.cancel() is True
    for h in (blocked, after):
        assert isinstance(h.exception(), Cancelled)
    assert ledger.lines() == []


@pytest.mark.asynchronous
def test_a_unit_goes_on_while_something_wanted_is_left_in_it(client: Pymonik, gate: Gate) -> None:
    first = pass_gate.invoke(gate.path, 1)
    second = inc.invoke(first)
    client.flush()
    second.cancel()
    gate.open()
    assert first.get() == 1


@pytest.mark.asynchronous
def test_an_element_that_uses_nothing_of_a_cancelled_one_goes_on(
    client: Pymonik, gate: Gate
) -> None:
    """Two maps become one where each element uses its own of the other, or none."""
    first = pass_gate.map_invoke([(gate.path, 1), (gate.path, 2), (gate.path, 3)])
    second = inc.map_invoke([first[0], 7, first[2]])
    third = add.map_invoke(zip(second, [first[0], first[1], 8]))
    client.flush()
    assert [handle.cancel() for handle in first] == [True, False, True]
    gate.open_for_all()
    assert [second[1].get(), third[1].get()] == [8, 10]
    for handle in (second[0], third[0], second[2], third[2]):
        assert isinstance(handle.exception(), Cancelled)


@pytest.mark.asynchronous
def test_a_shared_call_runs_while_one_of_its_callers_wants_it(client: Pymonik, gate: Gate) -> None:
    pass_purely = Task(pass_gate.func, func_name="pass_purely", pure=True)
    first, second = (pass_purely.invoke(gate.path, 1) for _ in range(2))
    client.flush()
    assert client.stats.units == 1
    assert first.cancel() is False
    assert first.cancel() is False  # said twice, it is still one of two
    gate.open()
    assert [first.get(), second.get()] == [1, 1]


@pytest.mark.asynchronous
def test_a_shared_call_is_stopped_once_all_its_callers_cancel(client: Pymonik, gate: Gate) -> None:
    pass_purely = Task(pass_gate.func, func_name="pass_purely", pure=True)
    first, second = (pass_purely.invoke(gate.path, 1) for _ in range(2))
    client.flush()
    assert [first.cancel(), second.cancel(), first.cancel()] == [False, True, True]
    for h in (first, second):
        assert isinstance(h.exception(), Cancelled)


@pytest.mark.asynchronous
def test_maps_that_are_shared_are_cancelled_element_by_element(client: Pymonik, gate: Gate) -> None:
    pass_purely = Task(pass_gate.func, func_name="pass_purely", pure=True)
    rows = [(gate.path, 0), ("/dev/null", 1)]
    first, second = (pass_purely.map_invoke(rows) for _ in range(2))
    client.flush()
    assert first.cancel() is False
    gate.open()
    assert second.get() == [0, 1]


def test_an_element_of_a_map_without_arguments_can_be_cancelled(client: Pymonik) -> None:
    handles = Task(lambda: 7, func_name="seven").map_invoke([()] * 3)
    assert handles[1].cancel() is True
    assert isinstance(handles[1].exception(), Cancelled)
    assert [handles[0].get(), handles[2].get()] == [7, 7]


def test_a_whole_map_is_cancelled_in_one_column(client: Pymonik, ledger: Ledger) -> None:
    handles = note.map_invoke([(ledger.path, i) for i in range(50)])
    first = handles[0].cancel()
    column = client.pending[0].args[0]
    assert first
    assert handles.cancel()
    assert client.pending[0].args[0] is column  # not one as long for each element
    assert {type(error) for error in handles.exception()} == {Cancelled}
    assert ledger.lines() == []


def test_a_call_that_its_client_has_dropped_is_cancelled(connect: Connect) -> None:
    client = connect()
    single, several = add.invoke(1, 2, pymonik=client), inc.map_invoke([1, 2], pymonik=client)
    client.cancel()
    assert single.cancel() is True
    assert several.cancel() is True


def test_who_waits_for_a_call_that_its_client_has_dropped_is_called(connect: Connect) -> None:
    told: queue.SimpleQueue[object] = queue.SimpleQueue()
    client = connect()
    handle = add.invoke(1, 2, pymonik=client)
    handle.add_done_callback(told.put)
    client.cancel()
    assert told.get(timeout=60) is handle
    with pytest.raises(NoClientError, match="never sent"):
        handle.get()
