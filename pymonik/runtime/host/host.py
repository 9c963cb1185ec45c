"""The host: owns executors, feeds them what the scheduler says, and fills cells.

Enters: units. Leaves: filled cells, and `changed` notified. One thread at a time does all of it, so
that the scheduler needs no lock: its own, or one that waits (`leadership`). Processes and sockets
are the business of `pool`, how many there are, of `autoscaler`. The embedded engine is one host in
the user's process; an ArmoniK worker is another.
"""

from __future__ import annotations

import atexit
import os
import threading
import time
import weakref
from collections import deque
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from pymonik.plan.unit import Unit
from pymonik.runtime.host.autoscaler import Autoscaler
from pymonik.runtime.host.condition import Changed
from pymonik.runtime.host.environments import HostEnvironments, own_folder_of
from pymonik.runtime.host.leadership import Leadership
from pymonik.runtime.host.local_subtasks import LocalSubtasks
from pymonik.runtime.host.messages import entry_of, plan_of
from pymonik.runtime.host.pool import ExecutorExit, ExecutorPool, relay_logs
from pymonik.runtime.host.reserve import RESERVE
from pymonik.runtime.host.scheduler import Scheduler
from pymonik.runtime.host.subtasks import SubtaskHandler
from pymonik.system.forks import fork_safe
from pymonik.system.safe_logging import safe_logger
from pymonik.values.outcome import Failure
from pymonik.values.outputs import Outputs, call_back
from pymonik.wire.logs import relay

if TYPE_CHECKING:
    from pymonik.environment.builder import Built, Environments
    from pymonik.environment.value import Environment
    from pymonik.errors import EnvironmentBuildError
    from pymonik.runtime.host.unit_slice import UnitSlice
    from pymonik.system.surroundings import Surroundings

logger = safe_logger("pymonik.host")

# How often the deadlines of running calls are looked at, where calls have a `max_duration`.
_TICK = 0.02
# How often the pages of busy executors are looked at: a value is told of that much late.
_LOOK = 0.05
_ALIVE: weakref.WeakSet[Host] = weakref.WeakSet()


class Host:
    """Executors, in the environments that units need, and the units they run.

    workers: how many run at once; as many more may be idle, in other environments. slots, solo,
    optimize: for the compiler of sub-tasks. onward: what becomes of the work that units leave
    behind. find: gives the objects that tasks ask for by id. environments, folders: where
    environments are built, and the archives of their working directories are, if not here.
    session_id: what tasks are told, where no request does. surroundings: those that executors
    begin with, if units say how theirs differ. keeps: whether executors outlive it, for a while.
    """

    def __init__(
        self,
        workers: int,
        slots: int,
        optimize: Any = True,
        name: str = "local",
        onward: Callable[[Scheduler], SubtaskHandler] = LocalSubtasks,
        isolates_delegating: bool = False,
        find: Callable[[str], Any] = lambda result_id: None,
        environments: Environments | None = None,
        folders: Callable[[Environment], Any] = own_folder_of,
        session_id: str = "",
        surroundings: Surroundings | None = None,
        extension: str = "",
        keeps: bool = False,
    ) -> None:
        self.workers = workers
        self._leadership = Leadership(lambda end: self._round(end), self._wake, self._is_busy)
        self.changed = fork_safe(Changed(self._leadership))
        self.scheduler = Scheduler(onward)
        self.messages = 0
        self._name = name
        self._find = find
        hello = {
            "slots": slots,
            "isolates_delegating": isolates_delegating,
            "optimize": optimize,
            "session_id": session_id,
            "surroundings": surroundings,
            "extension": extension,
        }
        self._pool = ExecutorPool(name, workers, hello, RESERVE if keeps else None)
        self.scheduler.ready.slots = workers
        self._quarters = HostEnvironments(self._built, folders, environments)
        self._autoscaler = Autoscaler(workers, self.scheduler, self._pool, self._quarters)
        self._tasks: deque[Callable[[], None]] = deque()
        self._thread: threading.Thread | None = None
        self._lock = fork_safe(threading.Lock())
        self._draining = threading.RLock()
        self._submitted = self._taken = 0
        self._closing = False
        # Whether a wait may be over, and how many units had ended when it was looked at last.
        self._is_news = False
        self._told = 0
        self._looked = 0.0
        # Seconds that the next round waits at most, and whether calls that run have deadlines.
        self._patience: float | None = None
        self._is_limited = False
        self._over: Failure | None = None
        # Whether all units have ended because the thread has: what was not even taken is lost.
        self._is_drained = False
        _ALIVE.add(self)

    # ----- called from any thread

    def prepare(self, calls: int) -> None:
        """Start executors for the first plan, of so many calls, while it is being compiled."""
        if self._thread is None:
            self._do(lambda: self._open(calls))

    def submit(self, units: Sequence[Unit]) -> None:
        """Take units; executors are started by the first ones."""
        with self._lock:
            self._submitted += len(units)

        def add() -> None:
            self.scheduler.add(units)
            self._taken += len(units)

        self._do(add, is_awaited=True)

    def progress(self) -> tuple[int, int]:
        """Return how many units have ended, and how many there are."""
        # What was submitted counts before the thread has taken it: a client that asks whether all
        # is done must not be told of an empty engine. What broke the engine is never taken.
        coming = 0 if self._is_drained else self._submitted - self._taken
        done = self.scheduler.done
        return done, done + self.scheduler.unfinished + coming

    def running(self) -> int:
        """Return how many executors have something to run."""
        return sum(map(bool, list(self.scheduler.executors.values())))

    @property
    def is_idle(self) -> bool:
        """Return whether all units that were submitted, or made by those, have ended."""
        # In this order: what is coming is unfinished before it counts as taken.
        return self._submitted == self._taken and not self.scheduler.unfinished

    def call_soon(self, action: Callable[[], None]) -> None:
        """Run an action on the thread of this host."""
        self._do(action)

    def expects(self, cell: Outputs) -> bool:
        """Return whether a unit has not ended, or was not taken by the thread yet."""
        # In this order: what is coming is open before it counts as taken.
        is_coming = self._submitted != self._taken
        return not self._is_drained and (is_coming or self.scheduler.has_open(cell))

    def cancel(self, cell: Outputs) -> bool:
        """Stop a unit; True when it will not run to its end."""
        answer: list[bool] = []
        asked = threading.Event()

        def ask() -> None:
            try:
                answer.append(self.scheduler.cancel(cell))
            finally:
                asked.set()

        self._do(ask)
        asked.wait()
        return any(answer)  # none where the engine has failed at it

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
            if self._thread is None:  # none is started any more: another thread may submit now
                self._over = _closed()
                self._is_drained = True
        if self._thread is not None:
            self._leadership.end()
            if not self._leadership.leads_here:  # else a finalizer does so, amid a round
                self._thread.join()
        else:
            self._pool.close()
            self._quarters.close()

    @property
    def is_over(self) -> bool:
        """Return whether it has ended, or failed: it runs nothing any more."""
        return self._over is not None

    @property
    def pids(self) -> list[int]:
        """The process ids of the executors."""
        return self._pool.pids

    def _do(self, action: Callable[[], None], is_awaited: bool = False) -> None:
        with self._lock:
            self._tasks.append(action)
            over = self._over
            if over is None and self._thread is None:
                thread = threading.Thread(
                    target=self._run, name=f"pymonik-{self._name}", daemon=True
                )
                thread.start()
                self._thread = thread  # only now: the system may have none to spare
                return
        if over is not None:  # nobody runs it any more: it ends as the engine did
            self._drain(over)
            return
        if self._pool.is_asleep:
            self._pool.wake()
        elif not is_awaited:  # else who waits for it is likely to do it
            self._leadership.call()

    def _open(self, calls: int) -> None:
        if not self._closing:  # meanwhile, by another thread
            self._autoscaler.open(min(self.workers, calls))

    # ----- the thread

    def _run(self) -> None:
        try:
            self._leadership.begin()
            while not self._closing:
                self._round()
                self._leadership.rest()
            over = _closed()
        except BaseException as error:  # whoever waits is to be told, whatever it was
            logger.exception("the engine failed")
            over = Failure("died", f"the engine failed: {error!r}", "?")
        finally:
            with self._lock:
                self._over = over
            self._drain(over)
            self._is_drained = True
            with self.changed:  # before executors are let go of: that takes long, and may fail
                self.changed.notify_all()
            self._dismiss(is_orderly=self._closing)
            self._pool.close()
            self._quarters.close()

    def _dismiss(self, is_orderly: bool) -> None:
        """Keep executors that have nothing to run for others, or let them end in order."""
        busy = {number for number, pieces in self.scheduler.executors.items() if pieces}
        busy.update(self.scheduler.kills)
        try:
            if is_orderly:
                self._pool.release(busy)
            for _, news in self._pool.finish(busy):
                relay_logs(news)
        except Exception:  # then they are killed
            logger.exception("executors did not end in order")

    def _drain(self, over: Failure) -> None:
        """Do what was asked for last, and let nobody wait for what will not come."""
        with self._draining:
            while self._tasks:
                try:
                    self._tasks.popleft()()
                except Exception:  # what broke the engine may be asked for again
                    logger.exception("what the engine was asked for last has failed")
            self.scheduler.fail_all(over)
            self._settle()

    def _round(self, end: float | None = None) -> bool:
        """Take what arrives, at most until `end`, and give out what can run; by who leads.

        Return whether anything has changed for those who wait.
        """
        if not self._tasks:
            self._hear(end)
        while self._tasks:
            self._is_news = True
            self._tasks.popleft()()
        self._settle()
        for number in self._kills():
            self._pool.kill(number, "cancelled")
        pause = self._autoscaler.adjust()
        for number, pieces in self.scheduler.assign().items():
            self._give(number, pieces)
        self.scheduler.fail_stuck()
        if self.scheduler.due:
            self._settle()
        if self._tasks:
            return False
        given = self.scheduler.executors.values()
        self._is_limited = any(p.running.unit.limited for pieces in given for p in pieces)
        self._patience = _TICK if self._is_limited else _LOOK if any(given) else pause
        if not self._is_news and self.scheduler.done == self._told:
            return False
        self._is_news, self._told = False, self.scheduler.done
        self.changed.announce()
        return True

    def _hear(self, end: float | None) -> None:
        """Wait for what executors say, and take it."""
        was_busy = any(self.scheduler.executors.values())
        patience = self._patience
        if end is not None:
            left = max(0.0, end - time.monotonic())
            patience = left if patience is None else min(left, patience)
        for number, news in self._pool.poll(patience, self._tasks):
            self._is_news = True
            if isinstance(news, ExecutorExit):
                self.scheduler.finished(number, *news.journal)
                self.scheduler.died(number, news.charged, news.reason, news.stack)
                continue
            for message in news:
                try:
                    self._take(number, message)
                except Exception as error:  # what one call sends ends its executor, not the engine
                    logger.exception("what an executor has sent cannot be taken")
                    self._pool.kill(number, f"it sent what cannot be taken: {error!r}")
        if self._is_limited:
            self._pool.enforce()
        if was_busy and time.monotonic() - self._looked > _LOOK:
            self._look()

    def _give(self, number: int, pieces: list[UnitSlice]) -> None:
        """Send pieces to an executor; those that cannot be sent fail, each for itself."""
        entries = [entry_of(piece) for piece in pieces]
        self.messages += 1
        try:
            self._pool.send(number, "run", entries)
        except Exception:
            for piece, entry in zip(pieces, entries):
                try:
                    self._pool.send(number, "run", [entry])
                except Exception as error:
                    text = f"it cannot be sent to an executor: {error!r}"
                    self.scheduler.faulted(number, piece.running.unit.number, text)

    def _look(self) -> None:
        """Tell of what has ended in executors that are busy with something long since."""
        self._looked = time.monotonic()
        for number, journal in self._pool.peek():
            self._is_news = True
            self.scheduler.seen(number, *journal)

    def _take(self, number: int, message: Any) -> None:
        kind = message[0]
        if kind == "report":
            self.scheduler.reported(number, *message[1:])
        elif kind == "end":
            told = (*message[1:-1], plan_of(message[-1]))
            self.scheduler.ended(number, *told)
        elif kind == "fault":
            unit, journal, *told = message[1:]
            self.scheduler.finished(number, *journal)
            self.scheduler.faulted(number, unit, *told)
        elif kind == "ask":
            self._pool.send(number, "object", self._find(message[1]))
        elif kind == "log":
            relay(*message[1:])
        elif kind == "stale":
            self._autoscaler.replace(number)
        elif kind == "bound":
            self._pool.bind(number)

    def _settle(self) -> None:
        """Call back whoever waits for a value that has come."""
        while self.scheduler.due:
            due, self.scheduler.due = self.scheduler.due, []
            call_back(due)
            self.scheduler.propagate()

    def _built(self, environment: Environment, result: Built | EnvironmentBuildError) -> None:
        """Hear, from the thread that built it, of an environment."""
        self._do(lambda: self._autoscaler.settle(environment, result))

    def _wake(self) -> None:
        self._pool.wake()

    def _is_busy(self) -> bool:
        return bool(self._tasks or self.scheduler.unfinished)

    def _kills(self) -> list[int]:
        kills, self.scheduler.kills = self.scheduler.kills, []
        return kills


def _closed() -> Failure:
    return Failure("cancelled", "the engine was closed", "?")


@atexit.register
def _close_all() -> None:
    for host in list(_ALIVE):
        host.close()


if hasattr(os, "register_at_fork"):
    # The executors are those of the parent, which goes on with them.
    os.register_at_fork(after_in_child=_ALIVE.clear)
