"""Signals that come amid a block are handled behind it: each of them, whatever others raise."""

from __future__ import annotations

import contextlib
import gc
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from pymonik.system.deferred_signals import DeferredSignals, start_thread
from tests.conformance.seams import Other

ONE, TWO = signal.SIGUSR1, signal.SIGUSR2
RESTORE = DeferredSignals._restore.__code__


@pytest.fixture
def handled() -> Iterator[list[int]]:
    """Signals whose handlers have run: that of the first one raises."""
    found: list[int] = []

    def first(number: int, frame: Any) -> None:
        found.append(number)
        raise ZeroDivisionError

    before = signal.signal(ONE, first), signal.signal(TWO, lambda number, _: found.append(number))
    yield found
    signal.signal(ONE, before[0])
    signal.signal(TWO, before[1])


def test_handlers_run_when_the_block_is_over(handled: list[int]) -> None:
    noticed: list[bool] = []

    def run() -> None:
        with DeferredSignals(lambda: noticed.append(True)) as block:
            signal.raise_signal(ONE)
            signal.raise_signal(TWO)
            assert block.waiting == [ONE, TWO]
            assert handled == []

    with pytest.raises(ZeroDivisionError):
        run()
    assert handled == [ONE, TWO]
    assert noticed == [True, True]


def test_handlers_are_in_their_places_again(handled: list[int]) -> None:
    before = signal.getsignal(ONE), signal.getsignal(TWO)
    with DeferredSignals():
        assert signal.getsignal(ONE) is not before[0]
    assert (signal.getsignal(ONE), signal.getsignal(TWO)) == before


def test_an_error_of_the_block_is_raised_with_no_signal_lost(handled: list[int]) -> None:
    def run() -> None:
        with DeferredSignals():
            signal.raise_signal(TWO)
            raise KeyError

    with pytest.raises(KeyError):
        run()
    assert handled == [TWO]


@pytest.mark.parametrize("at", range(5))
def test_what_is_raised_between_two_that_are_put_back_keeps_none_from_its_place(
    handled: list[int], at: int
) -> None:
    """As by a handler that is in its place again: also where the loop goes on to the next."""
    before, code, lines = (signal.getsignal(ONE), signal.getsignal(TWO)), RESTORE, []

    def raise_amid(frame: Any, event: str, _: Any) -> Any:
        if frame.f_code is not code:
            return None
        if event == "line" and signal.getsignal(ONE) is before[0]:
            lines.append(frame.f_lineno)
            if len(lines) == at + 1:
                sys.settrace(outer)
                raise ZeroDivisionError
        return raise_amid

    outer = sys.gettrace()
    with contextlib.suppress(ZeroDivisionError), DeferredSignals():
        sys.settrace(raise_amid)
    sys.settrace(outer)
    assert lines
    assert (signal.getsignal(ONE), signal.getsignal(TWO)) == before


@pytest.mark.parametrize("at", range(4))
def test_a_signal_that_comes_while_handlers_are_exchanged(
    handled: list[int], at: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whichever of them is in its place already: it is handled once, and all are back behind it."""
    import _signal  # type: ignore[import-not-found]

    before = signal.getsignal(ONE), signal.getsignal(TWO)
    exchange, changes = _signal.signal, []

    def signal_amid(number: int, handler: Any) -> None:
        exchange(number, handler)
        if number in (ONE, TWO):
            changes.append(number)
            if len(changes) == at + 1:
                signal.raise_signal(ONE)

    with monkeypatch.context() as patched:
        patched.setattr("pymonik.system.deferred_signals._signal.signal", signal_amid)
        with pytest.raises(ZeroDivisionError), DeferredSignals():
            pass
    assert handled == [ONE]
    assert (signal.getsignal(ONE), signal.getsignal(TWO)) == before


def test_other_threads_exchange_nothing(handled: list[int]) -> None:
    def look() -> tuple[Any, bool]:
        with DeferredSignals():
            return signal.getsignal(ONE), threading.current_thread() is threading.main_thread()

    assert Other(look).value() == (signal.getsignal(ONE), False)


class Keeps:
    """Keeps a thread; notes whether garbage may be collected when it is known, and when it runs."""

    def __init__(self) -> None:
        self.seen: list[bool] = []
        self._thread: threading.Thread | None = None

    def __setattr__(self, name: str, value: Any) -> None:
        if value is not None and name == "_thread":
            self.seen.append(gc.isenabled())
        super().__setattr__(name, value)

    def thread(self, start: Callable[[], object]) -> Any:
        class Started(threading.Thread):
            def start(self) -> None:
                start()

        return Started()


def test_no_garbage_is_collected_amid_the_start_of_a_thread_that_is_kept() -> None:
    """Its finalizer would wait for what that thread does, in the thread that is to start it."""
    keeps = Keeps()
    first = keeps.thread(lambda: keeps.seen.append(gc.isenabled()))
    assert start_thread(keeps, first) is keeps._thread is first
    assert keeps.seen == [False, False]
    assert gc.isenabled()
    assert start_thread(keeps, keeps.thread(lambda: keeps.seen.append(True))) is first
    assert len(keeps.seen) == 2


def test_a_thread_that_cannot_be_started_is_not_kept() -> None:
    def fail() -> None:
        raise RuntimeError("can't start new thread")

    keeps = Keeps()
    with pytest.raises(RuntimeError, match="new thread"):
        start_thread(keeps, keeps.thread(fail))
    assert keeps._thread is None
    assert gc.isenabled()


def test_a_handler_that_was_kept_from_its_place_takes_it_with_the_next_signal(
    handled: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Others may raise wherever handlers are put back, also amid what goes on behind that."""
    before = signal.getsignal(TWO)
    monkeypatch.setattr(DeferredSignals, "_restore", lambda block, handlers: None)
    with DeferredSignals(), DeferredSignals():
        pass
    monkeypatch.undo()
    signal.raise_signal(TWO)
    assert handled == [TWO]
    assert signal.getsignal(TWO) is before


def forked(look: Callable[[], bool]) -> bool:
    """Return what is so in a fork of this process, which ends with it."""
    child = os.fork()
    if not child:
        os._exit(0 if look() else 1)
    return os.waitpid(child, 0)[1] == 0


def test_a_fork_of_another_thread_has_its_handlers(handled: list[int]) -> None:
    """The block is left by the main thread, which the child does not have."""
    before = signal.getsignal(ONE), signal.getsignal(TWO)

    def is_as_before() -> bool:
        signal.raise_signal(TWO)
        with DeferredSignals():
            pass
        return handled == [TWO] and (signal.getsignal(ONE), signal.getsignal(TWO)) == before

    with DeferredSignals(), DeferredSignals():
        assert Other(lambda: forked(is_as_before)).value()
    assert handled == []


def test_a_fork_amid_a_block_leaves_it_where_it_ends(handled: list[int]) -> None:
    with DeferredSignals() as block:

        def waits() -> bool:
            signal.raise_signal(TWO)
            return block.waiting == [TWO] and handled == []

        assert forked(waits)
