"""The executors of a host: processes that are started, heard, killed and reaped.

Enters: messages for executors. Leaves: messages that have come, and how an executor died: what it
had finished, and which call is to blame. What they run is decided by `scheduler`; the thread in
which all of this happens is the host's.
"""

from __future__ import annotations

import contextlib
import logging
import time
from collections.abc import Container, Hashable, Iterator, Sized
from typing import TYPE_CHECKING, Any, Protocol

from pymonik.errors import WireError
from pymonik.runtime.host.process import Process, options_of
from pymonik.runtime.host.sockets import ExecutorSockets
from pymonik.runtime.host.start_failures import StartFailures
from pymonik.runtime.host.start_state import module_path, origin_of, threads_of, way_back
from pymonik.system.safe_logging import safe_logger
from pymonik.system.structs import Struct
from pymonik.wire.journal import Journal
from pymonik.wire.logs import relay

if TYPE_CHECKING:
    from pymonik.environment.builder import Built
    from pymonik.environment.value import Environment

logger = safe_logger("pymonik.host")

# Seconds that an executor has for what tasks have left to be done at the end of their process, such
# as to write a file: who closes a client waits for it.
_LEAVING = 5.0


class ExecutorExit(Struct):
    """How an executor ended.

    journal: what it has finished since its last report. charged: unit, element and step of the
    call to blame, if any is. stack: where in Python it was, if a signal ended it in there.
    """

    journal: Journal
    charged: tuple[int, int, int] | None
    reason: str
    stack: str = ""


class ExecutorReserve(Protocol):
    """Where executors go that are idle when their host ends; see `reserve`."""

    def keep(self, origin: Hashable, process: Process) -> bool:
        """Take over an idle executor; False when it is to end now."""

    def take(self, origin: Hashable) -> Process | None:
        """Return an executor that was started with the same, None when there is none."""


class ExecutorPool:
    """Executors and their sockets; each has a number, and none is used again.

    size: how many are busy at once. hello: the settings that all of them are sent first. reserve:
    where those are taken from, and left to, that other hosts may use, too.
    """

    def __init__(
        self, name: str, size: int, hello: dict[str, Any], reserve: ExecutorReserve | None = None
    ) -> None:
        self._reserve = reserve
        self._name = name
        self._size = size
        self._hello = hello
        # Those that end in order, and until when.
        self._leaving: dict[int, float] = {}
        self._processes: dict[int, Process] = {}
        # What those were started with that can be left to others.
        self._origins: dict[int, Hashable] = {}
        self._started = 0
        self.failures = StartFailures()
        self._is_idle = False
        self._sockets = ExecutorSockets()

    def __len__(self) -> int:
        return len(self._processes) - len(self._leaving)

    @property
    def is_asleep(self) -> bool:
        """Whether `poll` waits, or is about to: then `wake` is needed to end that."""
        return self._sockets.is_asleep

    @property
    def pids(self) -> list[int]:
        """Their process ids."""
        return [process.pid for process in list(self._processes.values())]

    def start(self, environment: Environment | None, built: Built | None) -> int | None:
        """Start one in an environment; return its number, None when the system refuses.

        built: how, None in the environment of the host.
        """
        number = self._started
        self._started += 1
        is_venv = built is not None and built.venv is not None
        hello = {
            "worker": f"{self._name}-{number}",
            # A venv has a module path of its own.
            "path": None if is_venv else module_path(),
            "folder": built.working_dir if built is not None else None,
            **way_back(self._hello, built),
            "level": logging.getLogger().getEffectiveLevel(),
            **self._hello,
        }
        threads, base = threads_of(self._size), self._hello.get("surroundings")
        # In the environment of the host only: another one goes with what asked for it.
        may_be_shared = environment is None and self._reserve is not None
        origin = origin_of(base, threads) if may_be_shared else None
        try:
            process = self._taken(origin) or Process(threads, options_of(base), environment, built)
            process.greet(number, hello)
        except Exception as error:
            logger.warning("an executor could not be started: %s", error)
            self.failures.note(environment, number, self._started, str(error), 1)
            if not isinstance(error, OSError):  # what the system refuses now, it may grant later
                self.failures.give_up(environment)
            return None
        if origin is not None:
            self._origins[number] = origin
        self.adopt(number, process)
        return number

    def adopt(self, number: int, process: Process) -> None:
        """Listen to an executor from now on, under a number of this pool."""
        process.number = number
        self._processes[number] = process
        process.tell_idle(self._is_idle)
        self._sockets.add(process)

    def tell_idle(self, is_idle: bool) -> None:
        """Let executors know whether others have nothing to do: they hand out what they can."""
        if is_idle != self._is_idle:
            self._is_idle = is_idle
            for process in self._processes.values():
                process.tell_idle(is_idle)

    def _taken(self, origin: Hashable) -> Process | None:
        if origin is None or self._reserve is None:
            return None
        return self._reserve.take(origin)

    def bind(self, number: int) -> None:
        """Let an executor end with this pool: calls have left something for its end."""
        self._origins.pop(number, None)

    def release(self, busy: Container[int]) -> None:
        """Leave all but the busy ones to others who can use them."""
        for number, origin in self._origins.items():
            process = self._processes.get(number)
            is_idle = number not in busy and number not in self._leaving
            # What still stands in the outbox is this host's: another would send behind half a
            # frame.
            if process is None or not is_idle or process.kill_reason or process.outbox.waiting:
                continue
            assert self._reserve is not None
            self._sockets.remove(process)
            if self._reserve.keep(origin, process):
                del self._processes[number]
            else:
                self._sockets.add(process)

    def send(self, number: int, *message: Any) -> None:
        """Send a message, or keep what the socket does not take now."""
        process = self._processes[number]
        process.send(*message)
        self._sockets.update(process)

    def wake(self) -> None:
        """End the wait of `poll`, from any thread."""
        self._sockets.wake()

    def poll(
        self, timeout: float | None, tasks: Sized = ()
    ) -> Iterator[tuple[int, list[Any] | ExecutorExit]]:
        """Wait for news; give, by executor, the messages that have come, or its death.

        tasks: what is to be done at once, if there is any: then nothing is waited for.
        """
        if self._leaving:
            left = self._end_the_late()
            timeout = left if timeout is None else min(left, timeout)
        for process in self._sockets.wait(timeout, tasks):
            messages = self._messages(process)
            if messages is None:
                yield process.number, self._reap(process)
                continue
            if messages and not process.proven:
                kinds = {message[0] for message in messages}
                # What it still had to say to another host comes before.
                process.ready = process.ready or "ready" in kinds
                process.proven = process.ready and kinds != {"ready"}
                if process.proven:
                    process.used = True
                    self.failures.forget(process.environment)
            yield process.number, messages
            self._sockets.update(process)

    def peek(self) -> Iterator[tuple[int, Journal]]:
        """Give, by executor, what has been finished since the last report and look."""
        for process in self._processes.values():
            journal = process.peek()
            if journal is not None:
                yield process.number, journal

    def kill(self, number: int, reason: str) -> None:
        """End one at once; `poll` gives its death later."""
        if number in self._processes:
            self._processes[number].kill(reason)

    def retire(self, number: int) -> None:
        """Let one that is idle end in order, and count it no more."""
        process = self._processes.get(number)
        if process is not None and number not in self._leaving:
            self._leaving[number] = time.monotonic() + _LEAVING
            process.leave() if process.used else process.kill("retired")

    def _end_the_late(self) -> float:
        """Kill those that take too long to end; return the seconds that the next one has."""
        now = time.monotonic()
        for number, until in self._leaving.items():
            if until <= now and number in self._processes:
                logger.warning("an executor did not end in time, and is killed")
                self._processes[number].kill("it did not end")
        # Not 0, which would spin: what is late was killed, and its socket ends the wait.
        return max(0.0, min(self._leaving.values()) - now) or _LEAVING

    def enforce(self) -> None:
        """Kill those whose call is past its `max_duration`."""
        for process in self._processes.values():
            if process.is_overdue():
                process.kill("timeout")

    def finish(self, busy: Container[int]) -> Iterator[tuple[int, list[Any] | ExecutorExit]]:
        """Let all but the busy ones end in order; return what they say until then."""
        for number in list(self._processes):
            if number not in busy:
                self.retire(number)
        while self._leaving:
            yield from self.poll(None)

    def close(self) -> None:
        """End all of them."""
        for process in self._processes.values():
            process.kill("closing")
        # All are killed before any is waited for: they end side by side.
        for process in self._processes.values():
            process.end()
        self._processes.clear()
        self._sockets.close()

    def _messages(self, process: Process) -> list[Any] | None:
        if process.outbox.waiting:
            with contextlib.suppress(OSError):
                process.outbox.flush()
        try:
            return process.receive()
        except WireError as error:
            process.kill(str(error))
        except Exception as error:  # what a task has sent may be anything: it is to blame
            process.kill(f"it sent a message that cannot be read: {error!r}")
        return None

    def _reap(self, process: Process) -> ExecutorExit:
        self._sockets.remove(process)
        del self._processes[process.number]
        self._leaving.pop(process.number, None)
        self._origins.pop(process.number, None)
        # Before `end`, which lets go of the page.
        call, reason, journal = process.call, process.kill_reason, process.journal
        is_blameless = (
            reason in ("cancelled", "retired")
            or (reason == "timeout" and not process.is_overdue())
            or (process.reused and not process.ready)  # it has died between two hosts
        )
        ended = process.end()
        if not process.proven and call[0] < 0 and not is_blameless:
            tries = 0 if process.ready else 1
            self.failures.note(
                process.environment, process.number, self._started, reason or ended, tries
            )
        level = logging.DEBUG if reason == "retired" else logging.INFO
        logger.log(level, "executor %d ended: %s", process.pid, reason or ended)
        charged = call if process.ready and not is_blameless else None
        return ExecutorExit(journal, charged, reason or ended, process.stack)


def relay_logs(news: list[Any] | ExecutorExit) -> None:
    """Hand on what an executor that ends has logged."""
    for message in news if isinstance(news, list) else ():
        if message[0] == "log":
            relay(*message[1:])
