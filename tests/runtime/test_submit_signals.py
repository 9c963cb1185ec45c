"""Units that are handed to a host while a signal comes, whose handler raises: none is lost."""

from __future__ import annotations

import gc
import signal
import threading
from typing import Any

import pytest

from pymonik.runtime.host.host import Host
from tests.conformance.seams import until

from .units import unit


class Interrupted(Exception):
    pass


def test_what_is_counted_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    """Else all waits of the client would wait for it for ever, and so would its end."""
    host = Host(1, 1)
    do = host._do

    def interrupt(number: int, frame: Any) -> None:
        raise Interrupted

    def signal_and_do(*args: Any, **given: Any) -> None:
        signal.raise_signal(signal.SIGUSR1)
        do(*args, **given)

    before = signal.signal(signal.SIGUSR1, interrupt)
    try:
        with monkeypatch.context() as patched:
            patched.setattr(host, "_do", signal_and_do)
            with pytest.raises(Interrupted):
                host.submit([])
        assert len(host._loop.tasks) == 1 or host._thread is not None
    finally:
        signal.signal(signal.SIGUSR1, before)
        host.close()


def test_what_was_not_handed_over_is_not_expected_while_other_units_are_coming(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Else it would not be failed, and its waits would end with a fault of the engine."""
    host = Host(1, 1)
    coming, unsent = unit("coming"), unit("unsent")
    with monkeypatch.context() as patched:
        patched.setattr(host, "_do", lambda *_, **__: None)
        host.submit([coming])
    assert host.progress() == (0, 1)
    assert not host.is_idle
    assert host.expects(coming.outputs)
    assert not host.expects(unsent.outputs)
    host.close()
    assert not host.expects(coming.outputs)


def test_what_a_finalizer_asks_for_amid_the_start_of_an_engine_is_done_by_one_thread(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    host = Host(1, 1, name="asked-amid-its-start")
    start, done = threading.Thread.start, [threading.Event(), threading.Event()]

    def ask_and_start(self: threading.Thread) -> None:
        host.call_soon(done[1].set)
        start(self)

    with monkeypatch.context() as patched:
        patched.setattr(threading.Thread, "start", ask_and_start)
        host.call_soon(done[0].set)
    assert all(event.wait(60) for event in done)
    names = [thread.name for thread in threading.enumerate()]
    assert names.count("pymonik-asked-amid-its-start") == 1
    host.close()


def test_the_thread_of_an_engine_is_known_before_garbage_is_collected_in_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Its finalizer may come before the first line of ours there, and is told that it leads."""
    host, seen, real = Host(1, 1), list[bool](), Host._run

    def run(self: Host) -> None:
        until(gc.isenabled)
        seen.append(self._leadership.leads_here)
        real(self)

    monkeypatch.setattr(Host, "_run", run)
    host.call_soon(lambda: None)
    until(lambda: seen)
    assert seen == [True]
    host.close()


def test_who_cancels_amid_a_turn_does_not_wait_for_it() -> None:
    """As a finalizer or a log handler may: the thread would wait for itself."""
    host, asked = Host(1, 1), threading.Event()
    waiting = unit("waiting")
    answers: list[bool] = []

    def cancel() -> None:
        answers.append(host.cancel(waiting.outputs)())
        asked.set()

    host.call_soon(lambda: host.state.add([waiting]))
    host.call_soon(cancel)
    assert asked.wait(60)
    assert answers == [True]
    host.close()
    assert waiting.outputs.missing == 0
