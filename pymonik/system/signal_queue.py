"""Signals that end a server, whose main thread waits for the first of them.

Enters: which signals. Leaves: the first that comes.
"""

from __future__ import annotations

import contextlib
import signal
from queue import Empty, SimpleQueue
from types import FrameType

# Seconds between two moments at which handlers have their turn in any case. The system may give a
# signal to another thread, as it does in a process that was stopped and goes on: Python runs the
# handler in the main thread, and does not end a wait of it for that.
_LOOK = 1.0


class SignalQueue:
    """Takes signals from now on, in the main thread."""

    def __init__(self, *kinds: signal.Signals) -> None:
        # A handler may come at any instruction: a lock, as in an event, could be held here already.
        self._come: SimpleQueue[int] = SimpleQueue()
        self._earlier = {kind: signal.signal(kind, self._note) for kind in kinds}

    def _note(self, number: int, frame: FrameType | None) -> None:
        self._come.put(number)

    def wait(self) -> signal.Signals:
        """Return the first that has come, or comes."""
        while True:
            with contextlib.suppress(Empty):
                return signal.Signals(self._come.get(timeout=_LOOK))

    def restore(self) -> None:
        """Let those take the signals who took them before."""
        for kind, handler in self._earlier.items():
            signal.signal(kind, handler)
