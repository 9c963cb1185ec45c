"""The executors of a host: processes that are started, heard, killed and buried.

Enters: messages for executors. Leaves: messages that have come, and how an executor died: what it
had finished, and which call is to blame. What they run is decided by `scheduler`; the thread in
which all of this happens is the host's.
"""

from __future__ import annotations

import contextlib
import logging
import os
import selectors
import socket
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pymonik.errors import WireError
from pymonik.runtime.page import Journal
from pymonik.runtime.process import Process

if TYPE_CHECKING:
    from pymonik.environment import Environment
    from pymonik.runtime.environments import Built

logger = logging.getLogger("pymonik.host")

# An executor that cannot even start is not started for ever.
_START_TRIES = 3


@dataclass(frozen=True)
class Death:
    """How an executor ended.

    journal: what it has finished since its last report. charged: unit, element and step of the
    call to blame, if any is.
    """

    journal: Journal
    charged: tuple[int, int, int] | None
    reason: str


class Staff:
    """Executors and their sockets; each has a number, and none is used again.

    size: how many are busy at once. hello: what all of them are told first.
    """

    def __init__(self, name: str, size: int, hello: dict[str, Any]) -> None:
        self._name = name
        self._size = size
        self._hello = hello
        self._leaving: set[int] = set()
        self._processes: dict[int, Process] = {}
        self._started = 0
        # By environment: how often one ended before it was ready, and why the last one did.
        self._failed: dict[Any, tuple[int, str]] = {}
        self._selector = selectors.DefaultSelector()
        self._wake_reader, self._wake_writer = socket.socketpair()
        self._wake_reader.setblocking(False)
        self._selector.register(self._wake_reader, selectors.EVENT_READ)

    def __len__(self) -> int:
        return len(self._processes) - len(self._leaving)

    @property
    def pids(self) -> list[int]:
        """Their process ids."""
        return [process.pid for process in list(self._processes.values())]

    def problem(self, environment: Environment | None) -> str:
        """Say why executors cannot be started in an environment, "" as long as they may be."""
        tries, reason = self._failed.get(environment, (0, ""))
        return reason if tries >= _START_TRIES else ""

    def forgive(self, environment: Environment | None) -> None:
        """Forget what has kept executors from starting."""
        self._failed.pop(environment, None)

    def start(self, environment: Environment | None, built: Built | None) -> int | None:
        """Start one in an environment; give its number, None when the system refuses.

        built: how, None in the environment of the host.
        """
        number = self._started
        self._started += 1
        is_venv = built is not None and built.venv is not None
        hello = {
            "worker": f"{self._name}-{number}",
            # A venv has a module path of its own.
            "path": None if is_venv else [os.path.abspath(entry) for entry in sys.path],
            "folder": built.working_dir if built is not None else None,
            "level": logging.getLogger().getEffectiveLevel(),
            **self._hello,
        }
        threads = max(1, available_cpus() // self._size)
        try:
            process = Process(number, environment, hello, threads, built)
        except OSError as error:
            logger.warning("an executor could not be started: %s", error)
            self._failed_to_start(environment, str(error))
            return None
        self._processes[number] = process
        self._selector.register(process.socket, selectors.EVENT_READ, process)
        return number

    def _failed_to_start(self, environment: Environment | None, reason: str) -> None:
        tries, _ = self._failed.get(environment, (0, ""))
        self._failed[environment] = tries + 1, reason

    def send(self, number: int, *message: Any) -> None:
        """Send a message, or keep what the socket does not take now."""
        process = self._processes[number]
        process.send(*message)
        self._listen(process)

    def wake(self) -> None:
        """End the wait of `hear`, from any thread."""
        with contextlib.suppress(OSError):
            self._wake_writer.send(b"!")

    def hear(self, timeout: float | None) -> Iterator[tuple[int, list[Any] | Death]]:
        """Wait for news; give, by executor, the messages that have come, or its death."""
        for key, _ in self._selector.select(timeout):
            process = key.data
            if process is None:
                with contextlib.suppress(BlockingIOError):
                    self._wake_reader.recv(4096)
                continue
            messages = self._messages(process)
            if messages is None:
                yield process.number, self._bury(process)
                continue
            if messages and not process.ready:
                process.ready = True
                self.forgive(process.environment)
            yield process.number, messages
            self._listen(process)

    def peek(self) -> Iterator[tuple[int, Journal]]:
        """Give, by executor, what has been finished since the last report and look."""
        for process in self._processes.values():
            journal = process.peek()
            if journal is not None:
                yield process.number, journal

    def kill(self, number: int, reason: str) -> None:
        """End one at once; its death is heard of later."""
        if number in self._processes:
            self._processes[number].kill(reason)

    def dismiss(self, number: int) -> None:
        """End one that is idle, and count it no more."""
        self._leaving.add(number)
        self.kill(number, "dismissed")

    def enforce(self) -> None:
        """Kill those whose call is past its `max_duration`."""
        for process in self._processes.values():
            if process.is_overdue():
                process.kill("timeout")

    def close(self) -> None:
        """End all of them."""
        for process in self._processes.values():
            process.kill("closing")
        for process in self._processes.values():
            process.end()
        self._processes.clear()
        self._selector.close()
        self._wake_reader.close()
        self._wake_writer.close()

    def _messages(self, process: Process) -> list[Any] | None:
        with contextlib.suppress(OSError):
            process.outbox.flush()
        try:
            return process.receive()
        except WireError as error:
            process.kill(str(error))
            return None

    def _listen(self, process: Process) -> None:
        events = selectors.EVENT_READ | (selectors.EVENT_WRITE if process.outbox else 0)
        if self._selector.get_key(process.socket).events != events:
            self._selector.modify(process.socket, events, process)

    def _bury(self, process: Process) -> Death:
        self._selector.unregister(process.socket)
        del self._processes[process.number]
        self._leaving.discard(process.number)
        call, reason, journal = process.call, process.kill_reason, process.journal
        innocent = reason in ("cancelled", "dismissed") or (
            reason == "timeout" and not process.is_overdue()
        )
        ended = process.end()
        if not process.ready and reason != "dismissed":
            self._failed_to_start(process.environment, reason or ended)
        logger.info("executor %d ended: %s", process.pid, reason or ended)
        charged = call if process.ready and not innocent else None
        return Death(journal, charged, reason or ended)


def available_cpus() -> int:
    """Give the number of CPUs that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
