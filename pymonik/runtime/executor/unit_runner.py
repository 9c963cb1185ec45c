"""Running the units that a host has sent: from an entry of a message to the reports of it.

Enters: entries of `run` messages. Leaves: reports, by `send`; or a fault, where something other
than a call has failed. Calling the user's code is the business of `run`, sockets that of `main`.
Loaded with the settings of the first host; all that a unit needs is imported by then.
"""

from __future__ import annotations

import contextlib
import functools
import os
import select
import sys
import time
import traceback
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from pymonik.capture.importer import IMPORTER
from pymonik.record.current import CURRENT
from pymonik.runtime.executor import mappings
from pymonik.runtime.executor.call_contexts import CallContexts
from pymonik.runtime.executor.calls import Assignment, ExecutionServices
from pymonik.runtime.executor.later_subtasks import LaterSubtasks
from pymonik.runtime.executor.lone_call import LoneCall, call_alone, lone_arguments
from pymonik.runtime.executor.remains import Remains
from pymonik.runtime.executor.restorer import Restorer
from pymonik.runtime.executor.run import run
from pymonik.runtime.executor.state import STATE
from pymonik.system.structs import replace
from pymonik.values.content import Content
from pymonik.wire.byte_cache import FUNCTION_BYTES, ByteCache
from pymonik.wire.journal import SharedJournal
from pymonik.wire.program import Program, StepCode

if TYPE_CHECKING:
    from pymonik.wire.shared_cells import Gang

# Characters of a text that describes a fault.
_TEXT_LIMIT = 3000
# Seconds that an executor of a gang leaves its core to the host, which is about to tell the next.
_YIELD = 2e-5


class UnitRunner:
    """Runs one unit after the other, for one host at a time.

    page: tells the host what runs. send: sends it a message. finish_lines: hands on what tasks have
    printed, half a line too. Loaded functions are kept as long as the host is the same.
    """

    services: ExecutionServices

    def __init__(
        self, page: SharedJournal, send: Callable[..., None], finish_lines: Callable[[], None]
    ) -> None:
        self.finish_lines = finish_lines
        self._page = page
        self._send = send
        self._modules: Content | None = None
        self._module_set: Any = None
        # Takes the process to the surroundings of calls, where the host sends them.
        self._mover: Any = None
        # What calls leave for the end of this process, and whether its host knows of it.
        self._remains = Remains()
        self._is_bound = False
        self._streams = _StandardStreams()

    def begin(
        self,
        worker: str,
        subtasks: LaterSubtasks,
        restore: Restorer,
        contexts: CallContexts,
        mover: Any,
        is_lazy: bool,
    ) -> None:
        """Serve a host from now on.

        is_lazy: whether graphs that calls record may run here: else each call is to be a task.
        """
        self.functions: ByteCache[Any] = ByteCache("functions", FUNCTION_BYTES)
        self._mover = mover
        self._recursion = sys.getrecursionlimit()
        self.services = ExecutionServices(
            worker, self._load, self._page, (), subtasks, restore, contexts
        )
        if is_lazy:
            self.services.lazy = functools.cache(functools.partial(_lazy_tasks, self.services))

    def _load(self, content: Content) -> Any:
        return self.functions.get((self._module_set, content.key), content.size, content.load)

    def run(
        self,
        number: int,
        payload: bytes,
        inputs: list[Any],
        start: int,
        stop: int,
        extras: Any,
        environment: Any,
        modules: Content | None,
        task: tuple[str, bytes] | None,
        surroundings: Any,
        gang: Gang | None = None,
    ) -> None:
        """Run elements of a unit, and report."""
        if gang is not None and gang.member + 1 < gang.members:
            time.sleep(_YIELD)
        STATE.task = task
        # From now on the host takes what the page says for progress of this unit, and charges it
        # with a death.
        self._page.begin(number, start)
        began = time.perf_counter()
        STATE.environment = environment
        if self._mover is not None:
            self._mover.move(surroundings)
        if modules is not self._modules:  # let imports find those that came with the unit
            self._modules, self._module_set = modules, IMPORTER.enter(modules)
        program, call = Program.load(payload), None
        if extras is None and gang is None and (given := lone_arguments(program)) is not None:
            step = program.steps[0]
            call = call_alone(step, given, self.services)
            if call.is_plain:
                self._report_alone(number, step, call, began)
                self._settle()
                return
        assignment = Assignment(program, inputs, start, stop, *(extras or ()))
        if gang is not None:
            assignment = replace(assignment, gang=gang)
        # Reports go one by one, as they are due: `run` sends nothing, so that inline needs no
        # socket.
        for report in run(assignment, self.services, call):
            self.services.restore.end_if_fork()  # made while a value was pickled
            fields = (number, report.start, report.stop, report.columns, report.errors)
            if not report.last:
                self._send("report", *fields)
                # Behind the report, in this order: what is noted twice counts once, what is noted
                # nowhere would run again.
                self._page.begin(number, report.stop)
                continue
            self.finish_lines()
            STATE.end()
            if report.held:
                # Before the end: the unit may begin again as soon as that is heard, and needs these
                # values.
                self._send("held", number, report.held)
            if report.is_late:
                self._send("late", number)
                continue
            self._end(fields, began)
        self._settle()

    def _report_alone(self, number: int, step: StepCode, call: LoneCall, began: float) -> None:
        """Report the value of a lone call."""
        self.finish_lines()
        STATE.end()
        self._end((number, 0, 1, [[call.value]], []), began)
        # Behind the report: a small call is waited for.
        if self.services.lazy is not None:
            seconds = time.monotonic() - call.began
            self.services.durations.observe_duration(step.name, seconds)

    def _end(self, fields: tuple[Any, ...], began: float) -> None:
        seconds = time.perf_counter() - began
        if not self._is_bound and self._remains:
            self._is_bound = True
            self._send("bound")
        self._send("end", *fields, seconds, self.services.subtasks.wire_plan())

    def fault(self, number: int, error: BaseException) -> None:
        """Report what was raised outside of the calls of a unit: that unit fails, and nothing else.

        What had ended goes along: the page is about to be used for the next unit. Where a task has
        removed all modules, nothing runs here any more: the process ends, and others take over.
        """
        if __name__ not in sys.modules:
            raise error
        self.services.restore.end_if_fork(error)
        journal = tuple(self._page.journal())
        self.services.subtasks.reset()
        self.finish_lines()
        STATE.end()
        said = "".join(traceback.format_exception_only(type(error), error)).strip()
        trace = "".join(traceback.format_exception(type(error), error, error.__traceback__))
        self._send("fault", number, journal, said[-_TEXT_LIMIT:], trace[-_TEXT_LIMIT:])
        self.services.restore()
        self._settle()

    def _settle(self) -> None:
        """Be ready for the next unit."""
        self._page.end()
        self._streams.put_back()
        if self._mover is not None:
            self._mover.put_back()
        elif sys.getrecursionlimit() != self._recursion:  # of a worker: what a call has left
            sys.setrecursionlimit(self._recursion)
        mappings.sweep()


class _StandardStreams:
    """The descriptors of the standard streams, which a task may close.

    Another file would get their numbers, and what is printed: they are put back.
    """

    def __init__(self) -> None:
        self._spares = [os.dup(fd) for fd in (0, 1, 2)]
        # One poll for all three. With no events requested, only POLLNVAL is reported: the
        # descriptor is closed.
        self._poller = select.poll()
        for fd in (0, 1, 2):
            self._poller.register(fd, 0)

    def put_back(self) -> None:
        """Open those again that were closed."""
        for fd, event in self._poller.poll(0):
            if event & select.POLLNVAL:
                with contextlib.suppress(OSError):  # the system may open no more files
                    os.dup2(self._spares[fd], fd)


def _lazy_tasks(services: ExecutionServices) -> Any:
    """Return what runs graphs that calls record; executors in which none does start without."""
    from pymonik.runtime.executor.lazy_tasks import LazyTasks

    # Calls run in copies of this context: from now on their first `invoke` finds the recorder made.
    CURRENT.set(services.subtasks.made())
    return LazyTasks(services)
