"""The sockets of a pool's executors, and the wait for what comes on any of them.

Enters: executors to listen to. Leaves: those that have said something, or have closed theirs. One
thread at a time waits here; any thread may end its wait.
"""

from __future__ import annotations

import contextlib
import selectors
import socket
from collections.abc import Sized

from pymonik.runtime.host.process import Process

_READ, _WRITE = selectors.EVENT_READ, selectors.EVENT_WRITE


class ExecutorSockets:
    """The sockets that a pool listens to; all methods but `wake` are of the thread that leads."""

    def __init__(self) -> None:
        # Whether `wait` waits, or is about to: then `wake` is needed to end that.
        self.is_asleep = False
        self._selector = selectors.DefaultSelector()
        self._wake_reader, self._wake_writer = socket.socketpair()
        # Who wakes holds locks, and may be the one who is to be woken. When the pair is full of
        # words that nobody has read, one more is not needed.
        self._wake_reader.setblocking(False)
        self._wake_writer.setblocking(False)
        self._selector.register(self._wake_reader, _READ)

    def add(self, process: Process) -> None:
        """Listen to an executor."""
        process.listened = _READ
        self._selector.register(process.socket, _READ, process)

    def remove(self, process: Process) -> None:
        """Listen to an executor no more."""
        self._selector.unregister(process.socket)

    def update(self, process: Process) -> None:
        """Wait for room in the socket of an executor, too, while messages wait for that."""
        events = _READ | (_WRITE if process.outbox.waiting else 0)
        if process.listened != events:
            process.listened = events
            self._selector.modify(process.socket, events, process)

    def wait(self, timeout: float | None, tasks: Sized) -> list[Process]:
        """Wait until executors have said something; return them.

        tasks: what is to be done at once, if there is any: then nothing is waited for.
        """
        # In this order: whoever adds a task looks whether this sleeps, and wakes it.
        self.is_asleep = True
        arrived = self._selector.select(0 if tasks else timeout)
        self.is_asleep = False
        ready = [key.data for key, _ in arrived]
        if None in ready:
            ready.remove(None)
            with contextlib.suppress(BlockingIOError):
                # All that is there, as a rule; what is left wakes once more, which does no harm.
                self._wake_reader.recv(4096)
        return ready

    def wake(self) -> None:
        """End the wait of `wait`, from any thread."""
        with contextlib.suppress(OSError):
            self._wake_writer.send(b"!")

    def close(self) -> None:
        """Close what waits; the sockets themselves are of the executors."""
        self._selector.close()
        self._wake_reader.close()
        self._wake_writer.close()
