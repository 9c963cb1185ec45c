"""The `with` block is a scope: what its two exits do, and what stays readable after it."""

# ruff: noqa: PT012 (the whole block is what raises)
from __future__ import annotations

import contextvars
import gc
import logging
import threading
from collections.abc import Callable

import pytest

from pymonik.errors import Cancelled, NoClientError
from tests.conftest import Gate, Ledger

from .conftest import Connect
from .programs import divide, identity, note, pass_gate, square


def test_values_stay_readable_after_the_block(connect: Connect) -> None:
    with connect():
        fetched, never = square.invoke(3), square.invoke(4)
        many = square.map_invoke(range(5))
        large = identity.invoke(b"x" * 500_000)
        fetched.get()
    assert fetched.get() == 9
    assert never.get() == 16
    assert many.get() == [0, 1, 4, 9, 16]
    assert len(large.get()) == 500_000
    assert never.done()


def test_an_error_stays_readable_after_the_block(connect: Connect) -> None:
    with connect():
        h = divide.invoke(1, 0)
        assert isinstance(h.exception(), ZeroDivisionError)
    with pytest.raises(ZeroDivisionError):
        h.get()


def test_the_first_failure_nobody_looked_at_is_raised(connect: Connect) -> None:
    with pytest.raises(ZeroDivisionError), connect():
        square.invoke(3)
        _unseen = divide.invoke(1, 0)


def test_a_failure_whose_handle_was_dropped_is_raised(connect: Connect, ledger: Ledger) -> None:
    with pytest.raises(ZeroDivisionError), connect():
        divide.invoke(1, 0)
        note.invoke(ledger.path, "ran")
        gc.collect()
    assert ledger.lines() == ["ran"]


def test_a_failed_element_of_a_dropped_map_is_raised(connect: Connect) -> None:
    with pytest.raises(ZeroDivisionError), connect():
        divide.map_invoke([(1, 1), (1, 0), (1, 2)])
        gc.collect()


def test_a_failure_that_was_looked_at_is_not_raised_again(connect: Connect) -> None:
    with connect():
        with pytest.raises(ZeroDivisionError):
            divide.invoke(1, 0).get()
        assert isinstance(divide.invoke(2, 0).exception(), ZeroDivisionError)


def test_looking_at_the_end_of_a_chain_is_looking_at_its_cause(connect: Connect) -> None:
    with connect():
        cause = divide.invoke(1, 0)
        end = identity.invoke(identity.invoke(cause))
        with pytest.raises(ZeroDivisionError):
            end.get()


def test_the_error_names_the_call_when_raised_at_the_exit(connect: Connect) -> None:
    with pytest.raises(ZeroDivisionError) as caught, connect():
        divide.invoke(1, 0)
    assert "divide" in str(caught.value.__cause__)


def test_an_exception_in_the_block_drops_what_was_not_sent(
    connect: Connect, ledger: Ledger, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, logger="pymonik")
    with pytest.raises(LookupError, match="mine"), connect():
        for i in range(37):
            note.invoke(ledger.path, i)
        raise LookupError("mine")
    assert ledger.lines() == []
    assert "37" in caplog.text


def test_an_exception_in_the_block_is_not_masked_by_a_failed_task(connect: Connect) -> None:
    with pytest.raises(LookupError, match="mine"), connect() as client:
        divide.invoke(1, 0)
        client.flush()
        raise LookupError("mine")


@pytest.mark.asynchronous
def test_an_exception_in_the_block_cancels_what_was_sent(
    connect: Connect, gate: Gate, ledger: Ledger
) -> None:
    with pytest.raises(LookupError, match="mine"), connect() as client:
        blocked = pass_gate.invoke(gate.path)
        after = note.invoke(ledger.path, "after", blocked)
        client.flush()
        raise LookupError("mine")
    # Nobody opens the gate: leaving the block did not wait for it.
    assert ledger.lines() == []
    assert after.done()
    with pytest.raises(Cancelled):
        after.get()


@pytest.mark.parametrize("interruption", [KeyboardInterrupt, SystemExit, GeneratorExit])
def test_an_interruption_of_the_block_is_raised_again(
    connect: Connect, ledger: Ledger, interruption: type[BaseException]
) -> None:
    with pytest.raises(interruption), connect():
        note.invoke(ledger.path, "never")
        raise interruption
    assert ledger.lines() == []


def test_a_value_got_before_the_exception_stays_readable(connect: Connect) -> None:
    with pytest.raises(LookupError), connect():
        h = square.invoke(3)
        h.get()
        raise LookupError
    assert h.get() == 9


def test_the_block_waits_for_calls_of_every_submission(connect: Connect, ledger: Ledger) -> None:
    with connect() as client:
        for i in range(3):
            note.invoke(ledger.path, i)
            client.flush()
    assert sorted(ledger.lines()) == ["0", "1", "2"]


def test_a_function_may_return_handles_out_of_the_block(connect: Connect) -> None:
    def compute() -> list[int]:
        with connect():
            return square.map_invoke([1, 2, 3]).get()  # type: ignore[no-any-return]

    assert compute() == [1, 4, 9]


def test_who_handles_a_failure_handles_what_led_to_it(connect: Connect, optimize: bool) -> None:
    with connect(optimize=optimize):
        total = identity.invoke(divide.map_invoke([(1, 0), (2, 0), (3, 1)]))
        assert isinstance(total.exception(), ZeroDivisionError)


def test_a_failure_beside_the_one_that_was_handled_is_raised(connect: Connect) -> None:
    def leave_one() -> None:
        with connect():
            totals = [identity.invoke(divide.invoke(n, n - n)) for n in range(2)]
            assert isinstance(totals[0].exception(), ZeroDivisionError)

    with pytest.raises(ZeroDivisionError):
        leave_one()


def test_a_block_may_end_in_another_thread_or_context(connect: Connect) -> None:
    for elsewhere in (in_thread, contextvars.copy_context().run):
        client = connect()
        elsewhere(client.__enter__)
        h = square.invoke(3, pymonik=client)
        client.__exit__(None, None, None)
        assert h.get() == 9
        with pytest.raises(NoClientError, match="is closed"):
            square.invoke(3, pymonik=client)


def in_thread(function: Callable[[], object]) -> None:
    """Call it in a thread of its own."""
    thread = threading.Thread(target=function)
    thread.start()
    thread.join()


def test_a_client_that_no_block_has_entered_is_closed_by_its_exit(connect: Connect) -> None:
    client = connect().create()
    h = square.invoke(3, pymonik=client)
    client.__exit__(None, None, None)
    assert h.get() == 9
