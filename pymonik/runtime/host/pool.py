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
import time
from collections.abc import Container, Hashable, Iterator, Sized
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Protocol

from pymonik.errors import WireError
from pymonik.runtime.host.process import Process, options_of
from pymonik.system.safe_logging import safe_logger
from pymonik.wire.journal import Journal
from pymonik.wire.logs import relay

if TYPE_CHECKING:
    from pymonik.environment.builder import Built
    from pymonik.environment.value import Environment
    from pymonik.system.surroundings import Surroundings

logger = safe_logger("pymonik.host")

# An executor that cannot even start is not started for ever: what is lacking for a moment, memory
# or processes, is there again after a second or two.
_START_TRIES = 5
# Seconds that an executor has for what tasks have left to be done at the end of their process.
_LEAVING = 5.0
# Seconds before the next one is started after one that has done nothing; doubled each time.
_FIRST_PAUSE = 0.1
_LONGEST_PAUSE = 5.0


@dataclass(frozen=True)
class ExecutorExit:
    """How an executor ended.

    journal: what it has finished since its last report. charged: unit, element and step of the
    call to blame, if any is. stack: where in Python it was, if a signal ended it in there.
    """

    journal: Journal
    charged: tuple[int, int, int] | None
    reason: str
    stack: str = ""


@dataclass(frozen=True)
class _Trouble:
    """Executors of one environment that ended, one after the other, before they did anything.

    tries: how many were not even ready. reason: why the last one ended. pause: seconds. until: when
    the next may be started. started: how many executors had been started before, in all.
    """

    tries: int = 0
    reason: str = ""
    pause: float = _FIRST_PAUSE / 2
    until: float = 0.0
    started: int = 0


class ExecutorReserve(Protocol):
    """Where executors go that are idle when their host ends; see `reserve`."""

    def keep(self, origin: Hashable, process: Process) -> bool:
        """Take over an idle executor; False when it is to end now."""

    def take(self, origin: Hashable) -> Process | None:
        """Return an executor that was started with the same, None when there is none."""


class ExecutorPool:
    """Executors and their sockets; each has a number, and none is used again.

    size: how many are busy at once. hello: what all of them are told first. reserve: where those
    are taken from, and left to, that other hosts may use, too.
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
        self._troubles: dict[Any, _Trouble] = {}
        # Whether `poll` waits, or is about to: then `wake` is needed to end that.
        self.is_asleep = False
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
        trouble = self._troubles.get(environment)
        return trouble.reason if trouble is not None and trouble.tries >= _START_TRIES else ""

    def pause(self, environment: Environment | None) -> float:
        """Return the seconds that have to pass before the next is started in an environment."""
        trouble = self._troubles.get(environment)
        return 0.0 if trouble is None else max(0.0, trouble.until - time.monotonic())

    def reset_failures(self, environment: Environment | None) -> None:
        """Forget what has kept executors from starting."""
        self._troubles.pop(environment, None)

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
            "path": None if is_venv else module_path(),
            "folder": built.working_dir if built is not None else None,
            **self._back(built),
            "level": logging.getLogger().getEffectiveLevel(),
            **self._hello,
        }
        threads = max(1, available_cpus() // self._size)
        origin = self._origin(threads) if environment is None else None
        try:
            process = self._taken(origin, number, hello) or Process(
                number, environment, hello, threads, built
            )
        except Exception as error:
            logger.warning("an executor could not be started: %s", error)
            self._troubled(environment, number, str(error), 1)
            if not isinstance(error, OSError):  # what the system refuses now, it may grant later
                self._give_up(environment)
            return None
        if origin is not None:
            self._origins[number] = origin
        self.adopt(number, process)
        return number

    def adopt(self, number: int, process: Process) -> None:
        """Listen to an executor from now on, under a number of this staff."""
        process.number = number
        self._processes[number] = process
        self._selector.register(process.socket, selectors.EVENT_READ, process)

    def _taken(self, origin: Hashable, number: int, hello: dict[str, Any]) -> Process | None:
        process = None
        if origin is not None and self._reserve is not None:
            process = self._reserve.take(origin)
        if process is not None:
            process.reuse(number, hello)
        return process

    def _origin(self, threads: int) -> Hashable:
        """Return what makes an executor what it is from its start on, None where it is not shared.

        Libraries read variables when they are loaded, and what is loaded depends on the path.
        """
        base: Surroundings | None = self._hello.get("surroundings")
        if self._reserve is None or base is None:
            return None
        variables = frozenset(os.environ.items()), frozenset(base.variables.items())
        return (*options_of(self._hello), threads, variables, base.path, tuple(module_path()))

    def bind(self, number: int) -> None:
        """Let an executor end with this staff: calls have left something for its end."""
        self._origins.pop(number, None)

    def release(self, busy: Container[int]) -> None:
        """Leave all but the busy ones to others who can use them."""
        for number, origin in self._origins.items():
            process = self._processes.get(number)
            is_idle = number not in busy and number not in self._leaving
            if process is None or not is_idle or process.kill_reason or process.outbox:
                continue
            assert self._reserve is not None
            self._selector.unregister(process.socket)
            if self._reserve.keep(origin, process):
                del self._processes[number]
            else:
                self._selector.register(process.socket, selectors.EVENT_READ, process)

    def _back(self, built: Built | None) -> dict[str, Any]:
        """Return what takes an executor, started as this process is now, to what all begin with."""
        base: Surroundings | None = self._hello["surroundings"]
        fixed = set() if built is None else set(built.variables)
        if built is not None and built.venv is not None:
            fixed |= {"PATH", "VIRTUAL_ENV"}
        if base is None:
            return {"variables": (), "fixed": frozenset(fixed)}
        now, then = os.environ, base.variables
        names = [name for name in {*now, *then} if now.get(name) != then.get(name)]
        variables = tuple((name, then.get(name)) for name in names)
        return {"variables": variables, "fixed": frozenset(fixed)}

    def _troubled(
        self, environment: Environment | None, number: int, reason: str, tries: int
    ) -> None:
        """Note an executor that has ended before it did anything.

        Those that were under way when another one ended count with it: what takes several at
        once, such as a lack of memory, is one try.
        """
        known = self._troubles.get(environment, _Trouble())
        if number < known.started:
            return
        pause = min(2 * known.pause, _LONGEST_PAUSE)
        self._troubles[environment] = _Trouble(
            known.tries + tries, reason, pause, time.monotonic() + pause, self._started
        )

    def _give_up(self, environment: Environment | None) -> None:
        self._troubles[environment] = replace(self._troubles[environment], tries=_START_TRIES)

    def send(self, number: int, *message: Any) -> None:
        """Send a message, or keep what the socket does not take now."""
        process = self._processes[number]
        process.send(*message)
        self._listen(process)

    def wake(self) -> None:
        """End the wait of `poll`, from any thread."""
        with contextlib.suppress(OSError):
            self._wake_writer.send(b"!")

    def poll(
        self, timeout: float | None, tasks: Sized = ()
    ) -> Iterator[tuple[int, list[Any] | ExecutorExit]]:
        """Wait for news; give, by executor, the messages that have come, or its death.

        tasks: what is to be done at once, if there is any: then nothing is waited for.
        """
        if self._leaving:
            left = self._end_the_late()
            timeout = left if timeout is None else min(left, timeout)
        # In this order: whoever adds a task looks whether this sleeps, and wakes it.
        self.is_asleep = True
        arrived = self._selector.select(0 if tasks else timeout)
        self.is_asleep = False
        for key, _ in arrived:
            process = key.data
            if process is None:
                with contextlib.suppress(BlockingIOError):
                    self._wake_reader.recv(4096)
                continue
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
                    self.reset_failures(process.environment)
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

    def retire(self, number: int) -> None:
        """Let one that is idle end in order, and count it no more."""
        process = self._processes.get(number)
        if process is not None and number not in self._leaving:
            self._leaving[number] = time.monotonic() + _LEAVING
            process.leave() if process.used else process.kill("dismissed")

    def _end_the_late(self) -> float:
        """Kill those that take too long to end; return the seconds that the next one has."""
        now = time.monotonic()
        for number, until in self._leaving.items():
            if until <= now and number in self._processes:
                logger.warning("an executor does not end: it is killed")
                self._processes[number].kill("it did not end")
        return max(0.0, min(self._leaving.values()) - now) or _LEAVING

    def enforce(self) -> None:
        """Kill those whose call is past its `max_duration`."""
        for process in self._processes.values():
            if process.is_overdue():
                process.kill("timeout")

    def finish(self, busy: Container[int]) -> Iterator[tuple[int, list[Any] | ExecutorExit]]:
        """Let all but the busy ones end in order; give what they say until then."""
        for number in list(self._processes):
            if number not in busy:
                self.retire(number)
        while self._leaving:
            yield from self.poll(None)

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
        except Exception as error:  # what a task has sent may be anything: it is to blame
            process.kill(f"it sent what cannot be read: {error!r}")
        return None

    def _listen(self, process: Process) -> None:
        events = selectors.EVENT_READ | (selectors.EVENT_WRITE if process.outbox else 0)
        if self._selector.get_key(process.socket).events != events:
            self._selector.modify(process.socket, events, process)

    def _reap(self, process: Process) -> ExecutorExit:
        self._selector.unregister(process.socket)
        del self._processes[process.number]
        self._leaving.pop(process.number, None)
        self._origins.pop(process.number, None)
        call, reason, journal = process.call, process.kill_reason, process.journal
        is_blameless = (
            reason in ("cancelled", "dismissed")
            or (reason == "timeout" and not process.is_overdue())
            or (process.reused and not process.ready)  # it has died between two hosts
        )
        ended = process.end()
        if not process.proven and call[0] < 0 and not is_blameless:
            tries = 0 if process.ready else 1
            self._troubled(process.environment, process.number, reason or ended, tries)
        level = logging.DEBUG if reason == "dismissed" else logging.INFO
        logger.log(level, "executor %d ended: %s", process.pid, reason or ended)
        charged = call if process.ready and not is_blameless else None
        return ExecutorExit(journal, charged, reason or ended, process.stack)


def relay_logs(news: list[Any] | ExecutorExit) -> None:
    """Hand on what an executor that ends has logged."""
    for message in news if isinstance(news, list) else ():
        if message[0] == "log":
            relay(*message[1:])


def module_path() -> list[str]:
    """Return where this process looks for modules, for one that runs elsewhere."""
    return [os.path.abspath(entry) for entry in sys.path if isinstance(entry, str)]


def available_cpus() -> int:
    """Return the number of CPUs that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
