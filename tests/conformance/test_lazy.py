"""Nothing runs before it is waited for, and everything pending then goes at once."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Callable
from typing import Any

import pytest

from pymonik import Pymonik, ResultHandle, as_completed
from tests.conftest import Ledger

from .conftest import Connect
from .programs import add, divide, inc, note, square, total


def test_recording_runs_nothing(client: Pymonik, ledger: Ledger) -> None:
    first = note.invoke(ledger.path, "one")
    note.map_invoke([(ledger.path, "two", first), (ledger.path, "three", first)])
    assert ledger.lines() == []
    assert client.stats.submissions == 0


TRIGGERS: dict[str, Callable[[Pymonik, ResultHandle[Any]], Any]] = {
    "wait": lambda client, h: h.wait(),
    "get": lambda client, h: h.get(),
    "done": lambda client, h: h.done(),
    "exception": lambda client, h: h.exception(),
    "result_id": lambda client, h: h.result_id,
    "as_completed": lambda client, h: list(as_completed([h])),
    "flush": lambda client, h: client.flush(),
    "await": lambda client, h: asyncio.run(asyncio.wait_for(h, None)),
    "close": lambda client, h: client.close(),
}


@pytest.mark.parametrize("trigger", TRIGGERS.values(), ids=TRIGGERS)
def test_what_looks_at_a_value_sends_everything_pending(
    connect: Connect, trigger: Callable[..., Any]
) -> None:
    with connect() as client:
        handles = [square.invoke(i) for i in range(5)]
        trigger(client, handles[2])
        assert client.stats.submissions == 1
        assert client.stats.calls == 5


def test_leaving_the_block_runs_what_nobody_waited_for(connect: Connect, ledger: Ledger) -> None:
    with connect():
        for i in range(5):
            note.invoke(ledger.path, i)
        gc.collect()
    assert sorted(ledger.lines()) == list("01234")


def test_a_loop_of_invokes_then_a_loop_of_gets_is_one_submission(client: Pymonik) -> None:
    handles = [square.invoke(i) for i in range(50)]
    assert [h.get() for h in handles] == [i * i for i in range(50)]
    assert client.stats.submissions == 1
    assert client.stats.calls == 50


def test_each_round_of_calls_and_gets_is_a_submission(client: Pymonik) -> None:
    value = 0
    for _ in range(3):
        value = inc.invoke(value).get()
    assert value == 3
    assert client.stats.submissions == 3


def test_getting_what_is_there_submits_nothing(client: Pymonik) -> None:
    h = square.invoke(3)
    h.get()
    h.get()
    h.wait()
    assert h.done()
    assert client.stats.submissions == 1


def test_a_put_does_not_flush(client: Pymonik) -> None:
    square.invoke(2)
    client.put([1, 2, 3])
    client.put_many([4, 5])
    assert client.stats.submissions == 0


def test_a_flush_of_nothing_is_no_submission(client: Pymonik) -> None:
    client.flush()
    square.invoke(2)
    client.flush()
    client.flush()
    assert client.stats.submissions == 1


def test_a_call_whose_handle_was_dropped_runs_once(connect: Connect, ledger: Ledger) -> None:
    with connect():
        note.invoke(ledger.path, "dropped")
        gc.collect()
        assert square.invoke(2).get() == 4
    assert ledger.lines() == ["dropped"]


def test_an_intermediate_value_nobody_holds_is_still_right(client: Pymonik) -> None:
    assert total.invoke([inc.invoke(inc.invoke(i)) for i in range(10)]).get() == 65


def test_a_value_is_computed_once_however_often_it_is_used(client: Pymonik, ledger: Ledger) -> None:
    shared = note.invoke(ledger.path, "once", 5)
    handles = [add.invoke(shared, i) for i in range(10)]
    assert [h.get() for h in handles] == [5 + i for i in range(10)]
    assert shared.get() == 5
    assert ledger.lines() == ["once"]


def test_impure_calls_with_equal_arguments_each_run(client: Pymonik, ledger: Ledger) -> None:
    handles = [note.invoke(ledger.path, "same") for _ in range(3)]
    for h in handles:
        h.get()
    assert ledger.lines() == ["same"] * 3


def test_the_plan_says_what_would_be_sent_without_sending_it(
    client: Pymonik, ledger: Ledger
) -> None:
    handles = [note.invoke(ledger.path, i, i) for i in range(10)]
    plan = client.plan()
    assert plan.calls == 10
    assert 1 <= len(plan.units) <= 10
    assert len(plan.requests) >= 1
    assert ledger.lines() == []
    assert client.stats.submissions == 0
    assert [h.get() for h in handles] == list(range(10))
    assert client.stats.units == len(plan.units)


def test_a_client_tells_how_many_calls_are_pending(client: Pymonik) -> None:
    kept = [square.map_invoke(range(5)), square.invoke(7)]
    client.put([1, 2])
    assert repr(client).endswith(", 6 calls pending>")
    kept[1].wait()
    assert repr(client).endswith(", 0 calls pending>")


def test_the_plan_after_a_flush_is_empty(client: Pymonik) -> None:
    square.invoke(2).get()
    assert client.plan().calls == 0
    assert len(client.plan().units) == 0


def test_optimize_false_is_one_unit_a_call(connect: Connect) -> None:
    with connect(optimize=False) as client:
        chain = inc.invoke(inc.invoke(inc.invoke(0)))
        wide = square.map_invoke(range(7))
        assert len(client.plan().units) == 10
        assert (chain.get(), wide.get()) == (3, [i * i for i in range(7)])
        assert client.stats.units == 10


def test_a_chain_is_one_unit(client: Pymonik) -> None:
    h = inc.invoke(0)
    for _ in range(99):
        h = inc.invoke(h)
    assert h.get() == 100
    assert client.stats.calls == 100
    assert client.stats.units == 1


def test_many_small_calls_are_few_units(client: Pymonik) -> None:
    assert square.map_invoke(range(1000)).get() == [i * i for i in range(1000)]
    assert client.stats.units <= 50


def test_every_failure_of_a_submission_is_kept(client: Pymonik) -> None:
    handles = [divide.invoke(1, i) for i in range(3)]
    assert handles[1].get() == 1
    assert isinstance(handles[0].exception(), ZeroDivisionError)
