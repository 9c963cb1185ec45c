"""The host: owns executors, feeds them what the scheduler says, and fills cells.

Enters: units. Leaves: filled cells, and `changed` notified. One thread, with a selector: every
socket is read and written here, so that the scheduler needs no lock. The embedded engine is one
host in the user's process; an ArmoniK worker is another.
"""

from __future__ import annotations

import atexit
import contextlib
import logging
import os
import selectors
import socket
import sys
import threading
import weakref
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any

from pymonik.errors import WireError
from pymonik.plan.home import Cell
from pymonik.plan.plan import Unit
from pymonik.runtime.onward import Here, Onward
from pymonik.runtime.outcome import Failure
from pymonik.runtime.process import Process
from pymonik.runtime.scheduler import Piece, Scheduler

if TYPE_CHECKING:
    from pymonik.runtime.environments import Built

logger = logging.getLogger("pymonik.host")

# How often the deadlines of running calls are looked at, where calls have a `max_duration`.
_TICK = 0.02
# An executor that cannot even start is not started for ever.
_START_TRIES = 3
_ALIVE: weakref.WeakSet[Host] = weakref.WeakSet()


class Changed(threading.Condition):
    """Wakes who waits only when what it waits for is true: the host looks on its behalf."""

    def __init__(self) -> None:
        super().__init__()
        self._awaited: list[Callable[[], Any]] = []

    def wait_for(self, predicate: Callable[[], Any], timeout: float | None = None) -> Any:
        """Wait until `predicate()` is true, as a condition does."""
        self._awaited.append(predicate)
        try:
            return super().wait_for(predicate, timeout)
        finally:
            self._awaited.remove(predicate)

    def announce(self) -> None:
        """Wake everybody if something that is waited for has come."""
        if self._awaited:
            with self:
                if any([predicate() for predicate in self._awaited]):
                    self.notify_all()


class Host:
    """A fixed number of executors and the units they run.

    workers: how many run at once. slots, solo, optimize: for the compiler of sub-tasks. onward:
    what becomes of the work that units leave behind. built: the environment of the executors.
    """

    def __init__(
        self,
        workers: int,
        slots: int,
        optimize: Any = True,
        name: str = "local",
        onward: Callable[[Scheduler], Onward] = Here,
        solo: bool = False,
        built: Built | None = None,
    ) -> None:
        self.workers = workers
        self.changed = Changed()
        self.scheduler = Scheduler(onward)
        self.messages = 0
        self._name = name
        self._slots = slots
        self._optimize = optimize
        self._solo = solo
        self._built = built
        self._tasks: deque[Callable[[], None]] = deque()
        self._processes: dict[int, Process] = {}
        self._started = 0
        self._failed_starts = 0
        self._selector = selectors.DefaultSelector()
        self._wake_reader, self._wake_writer = socket.socketpair()
        self._wake_reader.setblocking(False)
        self._selector.register(self._wake_reader, selectors.EVENT_READ)
        self._thread: threading.Thread | None = None
        self._lock = threading.Lock()
        self._draining = threading.RLock()
        self._submitted = self._taken = 0
        self._closing = False
        self._over: Failure | None = None
        _ALIVE.add(self)

    # ----- called from any thread

    def submit(self, units: Sequence[Unit]) -> None:
        """Take units; executors are started by the first ones."""
        with self._lock:
            self._submitted += len(units)

        def add() -> None:
            self.scheduler.add(units)
            self._taken += len(units)

        self._do(add)

    def progress(self) -> tuple[int, int]:
        """Give how many units have ended, and how many there are."""
        # What was submitted counts before the thread has taken it: a client that asks whether all
        # is done must not be told of an empty engine.
        coming = self._submitted - self._taken
        done = self.scheduler.done
        return done, done + self.scheduler.unfinished + coming

    def cancel(self, cell: Cell) -> bool:
        """Stop a unit; True when it will not run to its end."""
        answer: list[bool] = []
        asked = threading.Event()

        def ask() -> None:
            answer.append(self.scheduler.cancel(cell))
            asked.set()

        self._do(ask)
        asked.wait()
        return answer[0]

    def fail_all(self, failure: Failure) -> None:
        """Let every unfinished unit end with one failure, and stop what runs."""

        def stop() -> None:
            self.scheduler.kills += [n for n, pieces in self.scheduler.executors.items() if pieces]
            self.scheduler.fail_all(failure)

        self._do(stop)

    def watch(self, add: Callable[[], bool], callback: Callable[[], None]) -> None:
        """Run `add` on the host's thread; when it says that it came too late, call back at once."""
        self._do(lambda: None if add() else callback())

    def close(self) -> None:
        """End all executors; what is unfinished stays unfinished."""
        with self._lock:
            if self._closing:
                return
            self._closing = True
        if self._thread is not None:
            self._wake()
            self._thread.join()
        else:
            self._let_go()

    @property
    def pids(self) -> list[int]:
        """The process ids of the executors."""
        return [process.pid for process in list(self._processes.values())]

    def _do(self, action: Callable[[], None]) -> None:
        with self._lock:
            self._tasks.append(action)
            over = self._over
            if over is None and self._thread is None:
                self._thread = threading.Thread(
                    target=self._run, name=f"pymonik-{self._name}", daemon=True
                )
                self._thread.start()
                return
        if over is not None:  # nobody runs it any more: it ends as the engine did
            self._drain(over)
            return
        self._wake()

    def _wake(self) -> None:
        with contextlib.suppress(OSError):
            self._wake_writer.send(b"!")

    # ----- the thread

    def _run(self) -> None:
        try:
            while not self._closing:
                self._round()
            over = Failure("cancelled", "the engine was closed", "?")
        except Exception as error:
            logger.exception("the engine failed")
            over = Failure("died", f"the engine failed: {error!r}", "?")
        finally:
            with self._lock:
                self._over = over
            self._drain(over)
            for process in self._processes.values():
                process.kill("closing")
            for process in self._processes.values():
                process.end()
            self._processes.clear()
            self._let_go()
            with self.changed:
                self.changed.notify_all()

    def _drain(self, over: Failure) -> None:
        """Do what was asked for last, and let nobody wait for what will not come."""
        with self._draining:
            while self._tasks:
                self._tasks.popleft()()
            self.scheduler.fail_all(over)
            self._settle()

    def _let_go(self) -> None:
        self._selector.close()
        self._wake_reader.close()
        self._wake_writer.close()

    def _round(self) -> None:
        """Take what has arrived, then give out what can run."""
        while self._tasks:
            self._tasks.popleft()()
        self._settle()
        self._kill()
        self._staff()
        for number, pieces in self.scheduler.assign().items():
            process = self._processes[number]
            process.send("run", [_entry(piece) for piece in pieces])
            self.messages += 1
            self._listen(process)
        if self._tasks:
            return
        self.changed.announce()
        limited = any(
            p.running.unit.limited for ps in self.scheduler.executors.values() for p in ps
        )
        for key, _ in self._selector.select(_TICK if limited else None):
            if key.data is None:
                with contextlib.suppress(BlockingIOError):
                    self._wake_reader.recv(4096)
            else:
                self._serve(key.data)
        if limited:
            self._enforce()

    def _serve(self, process: Process) -> None:
        with contextlib.suppress(OSError):
            process.outbox.flush()
        try:
            messages = process.receive()
        except WireError as error:
            process.kill(str(error))
            messages = None
        if messages is None:
            self._bury(process)
            return
        for message in messages:
            self._take(process, message)
        self._listen(process)

    def _take(self, process: Process, message: Any) -> None:
        kind = message[0]
        if kind == "report":
            self.scheduler.reported(process.number, *message[1:])
        elif kind == "end":
            told = (*message[1:-1], plan_of(message[-1]))
            self.scheduler.ended(process.number, *told)
        elif kind == "ready":
            process.ready = True
            self._failed_starts = 0
        elif kind == "log":
            _log(*message[1:])

    def _settle(self) -> None:
        """Call back whoever waits for a value that has come."""
        while self.scheduler.due:
            due, self.scheduler.due = self.scheduler.due, []
            for callback in due:
                try:
                    callback()
                except Exception:
                    logger.exception("a callback failed")
            self.scheduler.propagate()

    def _staff(self) -> None:
        """Start executors while there is work for them."""
        wanted = min(self.workers, self.scheduler.unfinished)
        while self.scheduler.ready and len(self._processes) < wanted:
            if self._failed_starts >= _START_TRIES:
                self.scheduler.fail_all(
                    Failure("died", "executors end before they are ready: see their output", "?")
                )
                return
            number = self._started
            self._started += 1
            is_venv = self._built is not None and self._built.venv is not None
            hello = {
                "worker": f"{self._name}-{number}",
                # A venv has a module path of its own.
                "path": None if is_venv else [os.path.abspath(entry) for entry in sys.path],
                "folder": self._built.working_dir if self._built is not None else None,
                "slots": self._slots,
                "solo": self._solo,
                "optimize": self._optimize,
                "variables": {},
            }
            threads = max(1, available_cpus() // self.workers)
            process = Process(number, hello, threads, self._built)
            self._processes[number] = process
            self.scheduler.executors[number] = []
            self._selector.register(process.socket, selectors.EVENT_READ, process)

    def _listen(self, process: Process) -> None:
        events = selectors.EVENT_READ | (selectors.EVENT_WRITE if process.outbox else 0)
        if self._selector.get_key(process.socket).events != events:
            self._selector.modify(process.socket, events, process)

    def _bury(self, process: Process) -> None:
        self._selector.unregister(process.socket)
        del self._processes[process.number]
        if not process.ready:
            self._failed_starts += 1
        call, reason, journal = process.call, process.kill_reason, process.journal
        innocent = reason == "cancelled" or (reason == "timeout" and not process.is_overdue())
        ended = process.end()
        logger.info("executor %d ended: %s", process.pid, reason or ended)
        self.scheduler.finished(process.number, call[0], *journal)
        charged = call if process.ready and not innocent else None
        self.scheduler.died(process.number, charged, reason or ended)

    def _kill(self) -> None:
        kills, self.scheduler.kills = self.scheduler.kills, []
        for number in kills:
            if number in self._processes:
                self._processes[number].kill("cancelled")

    def _enforce(self) -> None:
        for process in self._processes.values():
            if process.is_overdue():
                process.kill("timeout")


def _entry(piece: Piece) -> Any:
    unit = piece.running.unit
    inputs = [source.columns if type(source) is Cell else source for source in unit.inputs]
    about = (piece.extras, variables_of(unit), unit.task)
    return (unit.number, unit.payload, inputs, piece.start, piece.stop, *about)


def variables_of(unit: Unit) -> dict[str, str]:
    """Give the variables that the environment of a unit sets."""
    return dict(unit.environment.variables) if unit.environment else {}


def plan_of(wire: Any) -> Any:
    """Make units of the plan that an executor sent."""
    if wire is None:
        return None
    units: list[Unit] = []
    cells = [Cell(entry[2], entry[3]) for entry in wire[0]]
    for entry, cell in zip(wire[0], cells):
        payload, inputs, _, _, options, name, environment, limited = entry
        sources = tuple(cells[i] if type(i) is int else i for i in inputs)
        unit = Unit(0, payload, sources, cell, options, name, environment=environment)
        unit.limited = limited
        units.append(unit)
    return units, wire[1]


def _log(name: str, level: int, text: str, fields: dict[str, Any]) -> None:
    target = logging.getLogger(name)
    if target.isEnabledFor(level):
        element = fields.get("element")
        place = f"[{element}]" if element is not None else ""
        extra = {"pymonik": fields}
        target.log(level, "%s%s: %s", fields.get("task", "task"), place, text, extra=extra)


def available_cpus() -> int:
    """Give the number of CPUs that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def iter_hosts() -> Iterable[Host]:
    """Give the hosts of this process that were not closed."""
    return list(_ALIVE)


@atexit.register
def _close_all() -> None:
    for host in iter_hosts():
        host.close()
