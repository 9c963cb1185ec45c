"""A flush that several threads wait for until a time, and that goes on without them."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any, cast

import pytest

from pymonik.client import flusher
from pymonik.client.flusher import Flushers
from tests.interruption import TakenAgain


@pytest.fixture
def unasked(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a thread that is asked for its end raise what some versions of Python raise in a race."""

    def asked(*_: Any) -> None:
        raise AssertionError

    monkeypatch.setattr(flusher._Flusher, "join", asked, raising=False)
    monkeypatch.setattr(flusher._Flusher, "is_alive", asked, raising=False)


@pytest.mark.usefixtures("unasked")
def test_threads_wait_for_one_flush_and_none_asks_the_thread_itself() -> None:
    flushers, go, is_sent = Flushers(), threading.Event(), threading.Event()
    began: list[int] = []

    def flush() -> None:
        began.append(1)
        go.wait(60)
        is_sent.set()

    with ThreadPoolExecutor(8) as pool:
        end = time.monotonic() + 60
        waits = [pool.submit(flushers.flush_by, flush, end, is_sent.is_set) for _ in range(8)]
        go.set()
        assert [wait.result() for wait in waits] == [True] * 8
    assert len(began) == 1


def test_what_is_sent_between_two_looks_is_not_flushed_again() -> None:
    flushers, sent = Flushers(), threading.Event()
    began: list[int] = []

    def flush() -> None:
        began.append(1)
        sent.set()

    def look() -> bool:
        """Return what was true before another thread's flush, which ends meanwhile."""
        was_sent = sent.is_set()
        flushers.flush_by(flush, time.monotonic() + 60, sent.is_set)
        return was_sent

    assert flushers.flush_by(flush, time.monotonic() + 60, look)
    assert len(began) == 1


@pytest.mark.usefixtures("unasked")
def test_one_that_takes_longer_goes_on() -> None:
    flushers, go, is_sent = Flushers(), threading.Event(), threading.Event()

    def flush() -> None:
        go.wait(60)
        is_sent.set()

    assert not flushers.flush_by(flush, time.monotonic(), is_sent.is_set)
    go.set()
    assert flushers.flush_by(flush, time.monotonic() + 60, is_sent.is_set)
    assert is_sent.is_set()


def test_what_it_raises_is_raised_by_who_began_it() -> None:
    def flush() -> None:
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        Flushers().flush_by(flush, time.monotonic() + 60, lambda: False)


def test_a_thread_that_the_system_cannot_start_is_waited_for_by_nobody(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    flushers, sent = Flushers(), threading.Event()

    def none_left(_: Any) -> None:
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as patch:
        patch.setattr(flusher._Flusher, "start", none_left)
        with pytest.raises(RuntimeError, match="new thread"):
            flushers.flush_by(sent.set, time.monotonic() + 60, sent.is_set)
    assert flushers.flush_by(sent.set, time.monotonic() + 60, sent.is_set)


def test_a_finalizer_that_waits_amid_the_start_of_a_flush_has_one_of_its_own() -> None:
    flushers, sent = Flushers(), threading.Event()
    finalized: list[bool] = []

    def finalize() -> None:
        finalized.append(flushers.flush_by(sent.set, time.monotonic() + 60, sent.is_set))

    real: Any = flushers._lock
    flushers._lock = cast(Any, TakenAgain(real, finalize))
    assert flushers.flush_by(sent.set, time.monotonic() + 60, sent.is_set)
    assert finalized == [True]
