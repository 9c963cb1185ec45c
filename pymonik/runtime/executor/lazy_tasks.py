"""Lazy task creation: the graph that a call has recorded runs where it was made, depth first.

Enters: what a call has recorded. Leaves: the record of its value, or, where the time for that is
over, calls recorded anew: what is left, for the host to hand out. So a tree of tiny sub-tasks stays
in one process, a big one spreads, and neither recurses (Mohr, Kranz, Halstead: Lazy Task Creation,
1990).

Only calls that are known to be short run here, and those of which nothing is known where nothing
else could run beside them, or nobody has time to. What has ended is noted in a log
(`wire.activation_log`), with which another executor goes on if this one dies.
"""

from __future__ import annotations

import time
from typing import Any

from pymonik.runtime.executor import state as running
from pymonik.runtime.executor.activation_stack import ActivationStack
from pymonik.runtime.executor.activation_template import ActivationTemplates
from pymonik.runtime.executor.activations import Activation, Callee, RecordedCall, arguments_of
from pymonik.runtime.executor.attempts import attempt
from pymonik.runtime.executor.calls import SHORT, ExecutionServices
from pymonik.runtime.executor.left_over import record_again
from pymonik.runtime.executor.lowering import Callees, activation_of
from pymonik.runtime.executor.results import failure_of, frozen
from pymonik.runtime.executor.resume import DeathRecord
from pymonik.settings import settings
from pymonik.values.content import IMMEDIATE
from pymonik.values.options import DEFAULTS
from pymonik.values.outcome import Failure
from pymonik.wire.journal import IDLE
from pymonik.wire.program import StepCode

# Seconds after which what is left is handed out, if executors have nothing to do: to hand it out
# costs a plan and some units, about a tenth of it. What is known to take longer does not run here.
_BEAT = SHORT
# The limit while all executors are busy: calls queued behind this one may start this much later.
_AMONG_BUSY = 0.1


class LazyTasks:
    """Runs graphs that calls have recorded, one of a unit's calls after the other."""

    def __init__(self, hosting: ExecutionServices) -> None:
        self._hosting, self._subtasks, self._page = hosting, hosting.subtasks.made(), hosting.page
        self._callees = Callees(hosting)
        self._templates = ActivationTemplates()
        self._stack = ActivationStack(hosting)
        self.errors: list[Failure] = []
        self._began = self._now = self._until = 0.0
        self._depth = self._rest = 0

    def run(self, step: StepCode, at: tuple[int, int], value: Any, rest: int, spent: float) -> Any:
        """Run what a call has just recorded; return the record of its value.

        at: element and step of the call. value: that of a call that does not hand it over. rest:
        elements that wait for this one. spent: seconds that the call took.

        Where it is to run elsewhere, the calls that are left of it are recorded again, and
        `subtasks.diverted` is the handle of the value.
        """
        self._hosting.durations.observe_duration(step.name, spent)
        self._stack.begin(at)
        self._rest = rest
        if (ended := self._entered(step, value)) is None:
            return self.go_on(step, at[0])
        self.errors = []
        return self._handed_out(ended[0])

    def restore(self, at: tuple[int, int], death: DeathRecord) -> bool:
        """Take what an executor has left when it died; False when that is nothing."""
        self._rest = 0
        return self._stack.restore(at, death)

    def go_on(self, step: StepCode, number: int) -> Any:
        """Run what is on the stack; return the record of the value of a call, as `run` does."""
        self._began = self._now = time.perf_counter()
        self._until, limit, stack = 0.0, settings().unit_seconds, self._stack
        short, numbers = self._hosting.durations.short, self._page.numbers
        soon, late = self._began + _BEAT, self._began + limit
        while True:
            top = stack.activations[-1]
            at = len(top.values)
            if at == len(top.steps):
                if len(stack.activations) == 1:
                    record = top.result
                    break
                stack.pop()
            elif at in top.unneeded:
                stack.end(None)
            else:
                callee = top.steps[at].callee
                is_short = callee.name in short if callee.is_short is None else callee.is_short
                # As `_must_leave` does of most calls: they are short, and there is time.
                has_time = self._now <= soon or (self._now <= late and not numbers[IDLE])
                stays = is_short and has_time and stack.gap is None
                if not stays and self._must_leave(callee, limit):
                    record = self._handed_out()
                    break
                if (ended := self._call(top.steps[at], top)) is not None:
                    record = self._handed_out(*ended)
                    break
        running.STATE.begin(step, number, 1)
        self.errors = [failure for failure in stack.errors if failure is not record]
        return record

    def _call(self, step: RecordedCall, top: Activation) -> tuple[Any] | None:
        """Run a step; return what stands for its value when its own graph is to run elsewhere."""
        hosting, values, began, callee = self._hosting, top.values, self._now, step.callee
        raised = None
        # As `attempt` does, which goes on with what is raised. Nothing here has a limit.
        running.STATE.begin(step, 0, 1 + top.died)
        try:
            if callee.is_bare:
                function, arguments = callee.function(), arguments_of(step, values)
                # Made behind the arguments: to load them may have loaded `decimal`.
                outcome = hosting.contexts.new().run(function, *arguments)
            else:
                outcome = step.call(values)
        except BaseException as error:
            raised = error
        if raised is not None:
            outcome, raised = self._failed(step, top, raised), None  # else a cycle would hold it
        elif running.CHANGES or hosting.restore.is_changed():
            hosting.restore()
        self._now = time.perf_counter()
        if self._now - began > SHORT or callee.name not in hosting.durations.short:
            hosting.durations.observe_duration(callee.name, self._now - began)
        recorded = self._subtasks.recorded
        if not recorded and type(outcome) in IMMEDIATE:
            self._stack.end_plain(outcome)
            return None
        if type(outcome) is not Failure and (
            recorded or getattr(type(outcome), "__pymonik_role__", "") == "handle"
        ):
            if self._is_begun_alike(step, outcome):
                return None
            outcome = self._diverted(step.code(), outcome)
            if self._subtasks.has_work:
                return self._entered(step.code(), outcome)
        self._stack.end(self._frozen(step.code(), outcome))
        return None

    def _is_begun_alike(self, step: RecordedCall, value: Any) -> bool:
        """Begin the graph that a call has recorded, where it is like one before; else do nothing.

        value: that of the call.
        """
        if self._stack.gap is not None:
            return False
        own = step.options or DEFAULTS
        activation = self._templates.activation_of(self._subtasks, value, own, running.STATE)
        if activation is None or not self._begun(activation):
            return False
        self._subtasks.drop_call()
        if running.CLEANUPS:
            running.clean_up()
        return True

    def _failed(self, step: RecordedCall, top: Activation, error: BaseException) -> Any:
        """Go on where the first attempt has raised an error."""
        values = top.values
        try:
            return attempt(
                step.code(),
                0,
                top.died,
                self._hosting,
                lambda: step.call(values),
                lambda: step.failures(values),
                error,
            )
        finally:
            del error  # its traceback holds this frame

    def _diverted(self, code: StepCode, value: Any) -> Any:
        try:
            return self._subtasks.divert(value)
        except BaseException as error:
            hosting = self._hosting
            if isinstance(error, hosting.passed):
                raise
            self._subtasks.drop_call()
            return failure_of(error, code, 0, 1, hosting.worker, hosting.passed)

    def _entered(self, code: StepCode, value: Any) -> tuple[Any] | None:
        """Begin the graph that a call has recorded; return its value when that is to run elsewhere.

        value: that of a call that has one of its own.
        """
        record = self._frozen(code, value)
        nodes, handle = self._subtasks.take_recorded()
        root = None if handle is None else (handle._node, handle._index)
        try:
            activation = activation_of(nodes, root, self._callees, code.options or DEFAULTS)
        except Exception:  # whatever objects of the user do: the compiler finds the call it is of
            activation = None
        if activation is not None and activation.steps:
            self._templates.note(nodes, root, activation, code.options or DEFAULTS)
            activation.value = record
            if self._begun(activation):
                return None
        self._subtasks.put_back(nodes)
        return (record if handle is None else handle,)

    def _begun(self, activation: Activation) -> bool:
        """Begin a graph, where it may run here and can be noted."""
        # Not begun where nothing of it would run: recording it anew has a price.
        may_run = self._may_run(activation.steps[0].callee, activation)
        return (may_run or bool(self._stack.activations)) and self._stack.push(activation)

    def _frozen(self, code: StepCode, value: Any) -> Any:
        if running.CLEANUPS:
            running.clean_up()
        if type(value) in IMMEDIATE or type(value) is Failure:
            return value
        hosting = self._hosting
        return frozen(value, code, 0, hosting.worker, hosting.passed)

    def _must_leave(self, callee: Callee, limit: float) -> bool:
        """Return whether what is left is to be handed out now, before the next call."""
        top = self._stack.activations[-1]
        if not self._stack.is_logged or not self._may_run(callee, top):
            return True
        elapsed = self._now - self._began
        if elapsed <= _BEAT:
            return False
        if elapsed > limit:
            return True
        if not self._page.numbers[IDLE]:
            return False
        # The youngest half ends here, unless that takes long: it is the smaller part of a tree.
        depth = len(self._stack.activations)
        if not self._until:
            self._until, self._depth = self._now + _BEAT, depth // 2
        return depth <= self._depth or self._now > self._until

    def _may_run(self, callee: Callee, activation: Activation) -> bool:
        """Return whether a call of a graph, on the stack or about to be, is to run here."""
        seconds, is_idle = callee.seconds, self._page.numbers[IDLE]
        if seconds is None:
            seconds = self._hosting.durations.expected(callee.name)
        if seconds is not None:
            return seconds <= (_BEAT if is_idle else _AMONG_BUSY)
        stack = self._stack.activations
        # A value that is there is not kept back by a call that may take for ever.
        if activation.root is None or any(a.root is None for a in stack):
            return False
        if not is_idle:
            return activation.left == 1
        return not self._rest and all(a.left == 1 for a in stack)

    def _handed_out(self, *ended: Any) -> Any:
        """Record what is left; return the record of the value, None where a handle stands for it.

        ended: what stands for the value of the call that has just run.
        """
        stack = self._stack.activations
        value = record_again(stack, self._subtasks, ended) if stack else ended[0]
        if getattr(type(value), "__pymonik_role__", "") != "handle":
            return value
        self._subtasks.diverted = value
        return None
