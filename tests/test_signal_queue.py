"""Signals that end a server, whichever thread of it the system gives them to."""

from __future__ import annotations

import signal
import sys
import threading

import pytest

from pymonik.system import signal_queue
from pymonik.system.garbage import collecting_later
from pymonik.system.signal_queue import SignalQueue
from tests.conformance.seams import Other, until


def test_a_signal_that_another_thread_is_given_ends_the_wait(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """As when a process is stopped, told to end, and goes on."""
    monkeypatch.setattr(signal_queue, "_LOOK", 0.01)
    main, before = threading.get_ident(), signal.getsignal(signal.SIGUSR1)
    queue = SignalQueue(signal.SIGUSR1)

    def is_waiting() -> bool:
        # Without collecting garbage: Python holds a lock meanwhile that the end of a `local` takes.
        frames = collecting_later(sys._current_frames)
        return frames[main].f_code is SignalQueue.wait.__code__

    def take() -> None:
        until(is_waiting)
        signal.pthread_kill(threading.get_ident(), signal.SIGUSR1)

    other = Other(take)
    assert queue.wait() == signal.SIGUSR1
    other.value()
    queue.restore()
    assert signal.getsignal(signal.SIGUSR1) is before
