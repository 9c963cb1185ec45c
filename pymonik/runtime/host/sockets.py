"""The sockets of a pool's executors, and the wait for what comes on any of them.

Enters: executors to listen to. Leaves: those that have said something, or have closed theirs. One
thread at a time waits here; any thread may end its wait.
"""

from __future__ import annotations

import _socket
import contextlib
import select
from collections.abc import Sized

from pymonik.runtime.host.process import Process

_READ, _WRITE = select.POLLIN, select.POLLOUT
# Seconds: `poll` takes 24 days at most, and who waits for longer merely looks in between.
_LONGEST = 86_400.0


class ExecutorSockets:
    """The sockets that a pool listens to; all methods but `wake` are of the thread that leads."""

    def __init__(self) -> None:
        # Whether `wait` waits, or is about to: then `wake` is needed to end that.
        self.is_asleep = False
        # As few as there are, `poll` finds who is ready as fast as `epoll`, and `selectors` would
        # add to it what a small call takes.
        self._poller = select.poll()
        self._wake_reader, self._wake_writer = _socket.socketpair()
        # Who wakes holds locks, and may be the one who is to be woken. When the pair is full of
        # words that nobody has read, one more is not needed.
        self._wake_reader.setblocking(False)
        self._wake_writer.setblocking(False)
        self._poller.register(self._wake_reader, _READ)
        # By the descriptors of their sockets; None is who wakes.
        self._processes: dict[int, Process | None] = {self._wake_reader.fileno(): None}

    def add(self, process: Process) -> None:
        """Listen to an executor."""
        process.listened = _READ
        self._processes[process.socket.fileno()] = process
        self._poller.register(process.socket, _READ)

    def remove(self, process: Process) -> None:
        """Listen to an executor no more."""
        self._poller.unregister(process.socket)
        del self._processes[process.socket.fileno()]

    def update(self, process: Process) -> None:
        """Wait for room in the socket of an executor, too, while messages wait for that."""
        events = _READ | _WRITE if process.outbox.waiting else _READ
        if process.listened != events:
            process.listened = events
            self._poller.modify(process.socket, events)

    def wait(self, timeout: float | None, tasks: Sized) -> list[Process]:
        """Wait until executors have said something; return them.

        tasks: what is to be done at once, if there is any: then nothing is waited for.
        """
        # In this order: whoever adds a task looks whether this sleeps, and wakes it.
        self.is_asleep = True
        milliseconds = 0 if tasks else None if timeout is None else 1000 * min(timeout, _LONGEST)
        arrived = self._poller.poll(milliseconds)
        self.is_asleep = False
        ready = [process for fd, _ in arrived if (process := self._processes[fd]) is not None]
        if len(ready) < len(arrived):
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
        self._wake_reader.close()
        self._wake_writer.close()
