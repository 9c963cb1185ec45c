"""The host: owns executors, feeds them what the scheduler says, and fills outputs.

Enters: units, from any thread. Leaves: filled outputs, and `changed` notified. What is asked is
done by `loop`, in one thread at a time: the host's own, or one that waits (`leadership`). Processes
and sockets are the business of `pool`, how many there are, of `autoscaler`. The embedded engine is
one host in the user's process; an ArmoniK worker is another.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from pymonik.plan.unit import Unit
from pymonik.runtime.host.condition import Changed
from pymonik.runtime.host.environments import Archive, HostEnvironments, own_folder_of
from pymonik.runtime.host.events import AllFailed, Event, UnitCancelled, UnitsAdded
from pymonik.runtime.host.leadership import Leadership
from pymonik.runtime.host.local_subtasks import LocalSubtasks
from pymonik.runtime.host.loop import NO_NEWS, ComingUnits, HostLoop
from pymonik.runtime.host.open_hosts import OPEN_HOSTS
from pymonik.runtime.host.pool import ExecutorPool
from pymonik.runtime.host.reserve import RESERVE
from pymonik.runtime.host.scheduler import Scheduler
from pymonik.runtime.host.scheduler_state import SchedulerState
from pymonik.runtime.host.subtasks import SubtaskHandler
from pymonik.system.conditions import Answer
from pymonik.system.deferred_signals import DeferredSignals, Loading, start_thread
from pymonik.system.forks import fork_safe
from pymonik.system.safe_logging import safe_logger
from pymonik.system.waits import PatientLock, yielding_lock, yielding_locks
from pymonik.values.outcome import Failure
from pymonik.values.outputs import Outputs

if TYPE_CHECKING:
    from pymonik.environment.builder import Built, Environments
    from pymonik.environment.value import Environment
    from pymonik.errors import EnvironmentBuildError
    from pymonik.system.surroundings import Surroundings

logger = safe_logger("pymonik.host")


class Host:
    """Executors, in the environments that units need, and the units they run.

    workers: how many run at once; as many more may be idle, in other environments. slots,
    isolates_delegating, optimize: for the compiler of sub-tasks. make_handler: of what units leave
    behind. find: gives the objects that tasks ask for by id. environments, folders: where
    environments are built, and the archives of their working directories are, if not
    here. session_id: what `ctx.session_id` is, where no request says. surroundings: those that
    executors begin with, if units say how theirs differ. keeps: whether executors outlive it, for a
    while.
    """

    def __init__(
        self,
        workers: int,
        slots: int,
        optimize: Any = True,
        name: str = "local",
        make_handler: Callable[[SchedulerState], SubtaskHandler] = LocalSubtasks,
        isolates_delegating: bool = False,
        find: Callable[[str], Any] = lambda result_id: None,
        environments: Environments | None = None,
        folders: Callable[[Environment], Archive] = own_folder_of,
        session_id: str = "",
        surroundings: Surroundings | None = None,
        extension: str = "",
        keeps: bool = False,
    ) -> None:
        self.workers = workers
        hello = {
            "slots": slots,
            "isolates_delegating": isolates_delegating,
            "optimize": optimize,
            "session_id": session_id,
            "surroundings": surroundings,
            "extension": extension,
        }
        self._pool = pool = ExecutorPool(name, workers, hello, RESERVE if keeps else None)
        self._environments = HostEnvironments(self._built, folders, environments)
        self._leadership = Leadership(lambda end: self._loop.turn(end), pool.wake, self._is_busy)
        self.changed = fork_safe(Changed(self._leadership))
        scheduler = Scheduler(make_handler)
        self.state = scheduler.state
        self.state.ready.slots = workers
        announce = self.changed.announce
        self._loop = HostLoop(scheduler, self._pool, self._environments, find, announce)
        # Runs the loop, unless a thread that waits does; started by the first thing to do.
        self._thread: threading.Thread | None = None
        self._name = f"pymonik-{name}"
        # Guards the start and end of the thread, and what it is asked for. Taken again by
        # finalizers.
        self._lock = yielding_lock()
        # Of who does what is left at the end: any thread, which a callback may bring here again.
        # Taken without `_lock`: callbacks are called under it.
        self._draining = yielding_lock()
        # Serializes `Thread.join`: before Python 3.13, two concurrent joins may raise
        # AssertionError. Held during the join, so it is never yielded.
        self._joining = PatientLock()
        # What was submitted and not taken yet: any thread adds to it, and looks at a copy of it.
        self._coming: list[ComingUnits] = []
        # That `close` was called, and why nothing runs here any more: both are only ever set, under
        # `_lock`, and read without.
        self._closing = False
        self._over: Failure | None = None
        # Whether all units have ended because the thread has: what was not even taken is lost.
        self._is_drained = False
        OPEN_HOSTS.add(self)

    # Called from any thread.
    def prepare(self, calls: int) -> None:
        """Start executors for the first plan, of so many calls, while it is being compiled."""
        if self._thread is None:
            self._do(lambda: self._prestart(calls))

    def submit(self, units: Sequence[Unit]) -> None:
        """Take units; executors are started by the first ones."""
        # A handler of the user's may raise, as that of Ctrl-C does: what is counted here and not
        # taken would be waited for for ever.
        with DeferredSignals():
            # An idle engine with executors can start these units at once.
            begins_now = self.state.executors and self.is_idle and not self._loop.tasks
            if begins_now and self._leadership.act(lambda: self._loop.begin(units)):
                return
            coming = ComingUnits(units)

            def add() -> object:
                self._loop.tell(UnitsAdded(units))
                self._coming.remove(coming)
                return NO_NEWS  # adding units wakes no waiter; their end does

            self._coming.append(coming)
            try:
                self._do(add, is_awaited=True)
            except RuntimeError:  # no thread takes it: nobody is to expect it
                self._coming.remove(coming)
                raise

    def progress(self) -> tuple[int, int]:
        """Return how many units have ended, and how many there are."""
        # What was submitted counts before the thread has taken it: a client that asks whether all
        # is done must not see an empty engine. What broke the engine is never taken.
        # Of a copy: the thread takes some away meanwhile, and others would be left out.
        coming = 0 if self._is_drained else sum([len(one.units) for one in list(self._coming)])
        done = self.state.done
        return done, done + self.state.unfinished + coming

    def running(self) -> int:
        """Return how many executors have something to run."""
        return sum(map(bool, list(self.state.executors.values())))

    @property
    def is_idle(self) -> bool:
        """Return whether all units that were submitted, or made by those, have ended."""
        # In this order: what is coming is unfinished before it counts as taken.
        return not self._coming and not self.state.unfinished

    def call_soon(self, action: Callable[[], None]) -> None:
        """Run an action on the thread of this host."""
        self._do(action)

    def tell(self, event: Event) -> None:
        """Send the scheduler an event; in an action or a callback, on the thread of this host."""
        self._loop.tell(event)

    def expects(self, outputs: Outputs) -> bool:
        """Return whether a unit has not ended, or was not taken by the thread yet."""
        # In this order: what is coming is open before it counts as taken.
        if self._coming and any(one.has(outputs) for one in list(self._coming)):
            return not self._is_drained
        return id(outputs) in self.state.by_outputs and not self._is_drained

    def cancel(self, outputs: Outputs) -> Callable[[], bool]:
        """Stop a unit; return what waits until it can say whether it will not run to its end."""

        def stop() -> bool:
            is_open = self.state.has_open(outputs)
            self._loop.tell(UnitCancelled(outputs))
            return is_open

        answer = Answer(stop)
        self._do(answer.give)
        # By a finalizer or a log handler, amid a turn, it is not waited for: the next one gives it.
        leadership = self._leadership
        return lambda: self.expects(outputs) if leadership.leads_here else bool(answer.wait())

    def fail_all(self, failure: Failure) -> None:
        """Let every unfinished unit end with one failure, and stop what runs."""
        self._do(lambda: self._loop.tell(AllFailed(failure)))

    def watch(self, add: Callable[[], bool], callback: Callable[[], None]) -> None:
        """Run `add` on the host's thread; when it says that it came too late, call back at once."""
        self._do(lambda: None if add() else callback())

    def close(self) -> None:
        """End all executors; what is unfinished stays unfinished."""
        # What a handler raises is raised behind both: the thread would go on, though it is closed.
        with DeferredSignals(), self._lock:
            self._closing = True
            if self._thread is not None:
                self._leadership.end()
            else:  # none is started any more: another thread may submit now
                self._over = _closed()
                self._is_drained = True
        if self._thread is None:
            self._pool.close()
            self._environments.close()
        elif not self._leadership.leads_here:  # else a finalizer does so, amid a round
            with self._joining:
                yielding_locks(self._thread.join)

    @property
    def is_over(self) -> bool:
        """Return whether it has ended, or failed: it runs nothing any more."""
        return self._over is not None

    @property
    def pids(self) -> list[int]:
        """The process ids of the executors."""
        return self._pool.pids

    def _do(self, action: Callable[[], object], is_awaited: bool = False) -> None:
        with self._lock:
            # Under the lock, so that no action comes behind the drain of the thread's end.
            self._loop.tasks.append(action)
            over = self._over
            if over is None and self._thread is None:
                # A daemon: Python waits for all others before the program's end closes it.
                thread = threading.Thread(target=self._run, name=self._name, daemon=True)
                # Until it is known as the one that leads: a finalizer may come in it before `_run`.
                try:
                    with Loading():
                        self._leadership.begin(start_thread(self, thread).ident)
                except RuntimeError:  # the system has none to spare: the next one asks it again
                    if self._thread is None:
                        self._loop.tasks.remove(action)
                    raise
                return
        if over is not None:  # no thread runs it any more: it ends as the engine did
            self._drain(over)
            return
        if self._pool.is_asleep:
            self._pool.wake()
        elif not is_awaited:  # else who waits for it is likely to do it
            self._leadership.call()

    def _prestart(self, calls: int) -> None:
        if not self._closing:  # another thread may have closed the host since
            self._loop.autoscaler.prestart(min(self.workers, calls))

    # Run by the host's own thread.
    def _run(self) -> None:
        try:
            self._leadership.begin(threading.get_ident())
            while not self._closing:
                self._loop.turn()
                self._leadership.rest()
            over = _closed()
        except BaseException as error:  # all waits are to end with it, whatever it was
            logger.exception("the engine failed")
            over = Failure("died", f"the engine failed: {error!r}", "?")
        finally:
            # In this order: whoever asks for something from now on drains it itself; and a value is
            # expected until what was asked for before has had its end.
            with self._lock:
                self._over = over
            self._drain(over)
            self._is_drained = True
            with self.changed:  # before executors are let go of: that takes long, and may fail
                self.changed.notify_all()
            self._loop.release_idle(is_orderly=self._closing)
            self._pool.close()
            self._environments.close()
            self._leadership.leave()

    def _drain(self, over: Failure) -> None:
        with self._draining:
            self._loop.end(over)

    def _built(self, environment: Environment, result: Built | EnvironmentBuildError) -> None:
        """Hear, from the thread that built it, of an environment."""
        self._do(lambda: self._loop.autoscaler.settle(environment, result))

    def _is_busy(self) -> bool:
        return bool(self._loop.tasks or self.state.unfinished)


def _closed() -> Failure:
    return Failure("cancelled", "the engine was closed", "?")
