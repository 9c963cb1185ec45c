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
from pymonik.runtime.executor.activations import (
    Activation,
    Callee,
    Callees,
    RecordedCall,
    activation_of,
)
from pymonik.runtime.executor.attempts import attempt
from pymonik.runtime.executor.calls import ExecutionServices
from pymonik.runtime.executor.left_over import record_again
from pymonik.runtime.executor.results import death_of, failure_of, frozen
from pymonik.runtime.executor.resume import Death
from pymonik.settings import settings
from pymonik.values.content import IMMEDIATE, Content
from pymonik.values.options import DEFAULTS
from pymonik.values.outcome import Failure
from pymonik.wire.activation_log import entries
from pymonik.wire.journal import IDLE
from pymonik.wire.program import StepCode

# Seconds after which what is left is handed out, if executors have nothing to do: to hand it out
# costs a plan and some units, about a tenth of it. What is known to take longer does not run here.
_BEAT = 0.005
# What runs here where nobody has nothing to do: calls that wait behind it begin that much late.
_AMONG_BUSY = 0.1
# What an entry of the log says: a graph begins, a value has come, executors have died of a call.
_GRAPH, _VALUE, _DIED = range(3)


class LazyTasks:
    """Runs graphs that calls have recorded, one of a unit's calls after the other."""

    def __init__(self, hosting: ExecutionServices) -> None:
        self._hosting, self._subtasks, self._page = hosting, hosting.subtasks, hosting.page
        self._log = hosting.page.log
        self._callees = Callees(hosting)
        # Activations, the innermost last; and callees that the log names, by their numbers.
        self._stack: list[Activation] = []
        self._logged: list[Callee] = []
        # The activation of which the log does not say all, by its place in the stack.
        self._gap: int | None = None
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
        self._begin(at)
        self._rest = rest
        if (ended := self._entered(step, value)) is None:
            return self.go_on(step, at[0])
        return self._handed_out(ended[0])

    def restore(self, at: tuple[int, int], death: Death) -> bool:
        """Take what an executor has left when it died; False when that is nothing."""
        self._begin(at)
        callees: list[Callee] = []
        for kind, *what in entries(death.log):
            if kind == _GRAPH:
                if not self._push(self._restored(callees, *what)):
                    break
            elif kind == _VALUE:
                self._end(what[0])
            else:
                self._stack[-1].died = what[0]
        if not self._stack:
            return False
        if death.reason and len(self._stack[-1].values) < len(self._stack[-1].steps):
            self._charge(death)
        return True

    def go_on(self, step: StepCode, number: int) -> Any:
        """Run what is on the stack; return the record of the value of a call, as `run` does."""
        self._began = self._now = time.perf_counter()
        self._until, limit = 0.0, settings().unit_seconds
        while True:
            top = self._stack[-1]
            at = len(top.values)
            if at == len(top.steps):
                if len(self._stack) == 1:
                    record = top.result
                    break
                self._pop()
            elif at in top.unneeded:
                self._end(None)
            elif self._must_leave(top.steps[at].callee, limit):
                record = self._handed_out()
                break
            elif (ended := self._call(top.steps[at], top)) is not None:
                record = self._handed_out(*ended)
                break
        running.STATE.begin(step, number, 1)
        self.errors = [failure for failure in self.errors if failure is not record]
        return record

    # ----- running

    def _call(self, step: RecordedCall, top: Activation) -> tuple[Any] | None:
        """Run a step; return what stands for its value when its own graph is to run elsewhere."""
        code, values, began = step.code(), top.values, self._now
        outcome = attempt(
            code,
            0,
            top.died,
            self._hosting,
            lambda: step.call(values),
            lambda: step.failures(values),
        )
        self._now = time.perf_counter()
        self._hosting.durations.observe_duration(code.name, self._now - began)
        if type(outcome) in IMMEDIATE and not self._subtasks.recorded:
            self._end(outcome)
            return None
        is_lazy = getattr(type(outcome), "__pymonik_role__", "") == "lazy"
        if type(outcome) is not Failure and (is_lazy or self._subtasks.recorded):
            outcome = self._diverted(code, outcome)
            if self._subtasks.has_work:
                return self._entered(code, outcome)
        self._end(self._frozen(code, outcome))
        return None

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
        if activation is not None:
            activation.value = record
            # Not begun where nothing of it would run: recording it anew has a price.
            may_run = self._may_run(activation.steps[0].callee, len(activation.steps))
            if (may_run or self._stack) and self._push(activation):
                return None
        self._subtasks.put_back(nodes)
        return (record if handle is None else handle,)

    def _frozen(self, code: StepCode, value: Any) -> Any:
        if running.CLEANUPS:
            running.clean_up()
        if type(value) in IMMEDIATE or type(value) is Failure:
            return value
        hosting = self._hosting
        return frozen(value, code, 0, hosting.worker, hosting.passed)

    def _must_leave(self, callee: Callee, limit: float) -> bool:
        """Return whether what is left is to be handed out now, before the next call."""
        left = len(self._stack[-1].steps) - len(self._stack[-1].values)
        if self._gap is not None or not self._may_run(callee, left):
            return True
        elapsed = self._now - self._began
        if elapsed <= _BEAT:
            return False
        if elapsed > limit:
            return True
        if not self._page.numbers[IDLE]:
            return False
        # The youngest half ends here, unless that takes long: it is the smaller part of a tree.
        if not self._until:
            self._until, self._depth = self._now + _BEAT, len(self._stack) // 2
        return len(self._stack) <= self._depth or self._now > self._until

    def _may_run(self, callee: Callee, left: int) -> bool:
        """Return whether a call is to run here. left: how many its graph still has, with it."""
        seconds, is_idle = callee.seconds, self._page.numbers[IDLE]
        if seconds is None:
            seconds = self._hosting.durations.expected(callee.name)
        if seconds is not None:
            return seconds <= (_BEAT if is_idle else _AMONG_BUSY)
        if not is_idle:
            return left == 1
        return not self._rest and all(len(a.steps) - len(a.values) == 1 for a in self._stack)

    def _handed_out(self, *ended: Any) -> Any:
        """Record what is left; return the record of the value, None where a handle stands for it.

        ended: what stands for the value of the call that has just run.
        """
        value = record_again(self._stack, self._subtasks, ended) if self._stack else ended[0]
        if getattr(type(value), "__pymonik_role__", "") != "lazy":
            return value
        self._subtasks.diverted = value
        return None

    # ----- the stack and its log

    def _begin(self, at: tuple[int, int]) -> None:
        self._log.begin(*at)
        self._stack.clear()
        self._logged.clear()
        self.errors = []
        self._gap, self._rest = None, 0

    def _push(self, activation: Activation) -> bool:
        """Begin a graph; False where it cannot be noted."""
        while self._stack and self._stack[-1].is_tail:  # it has nothing left to do but to hand on
            self._log.cut(self._stack[-1].mark)
            del self._logged[self._stack.pop().known :]
        activation.mark, activation.known = self._log.mark, len(self._logged)
        codes = [self._numbered(s.callee) for s in activation.steps if not self._names(s.callee)]
        steps = [(step.callee.number, *step[1:]) for step in activation.steps]
        if not self._log.push((_GRAPH, codes, steps, activation.root, activation.value)):
            del self._logged[activation.known :]
            return False
        self._stack.append(activation)
        return True

    def _names(self, callee: Callee) -> bool:
        return 0 <= callee.number < len(self._logged) and self._logged[callee.number] is callee

    def _numbered(self, callee: Callee) -> tuple[Any, ...]:
        callee.number = len(self._logged)
        self._logged.append(callee)
        return callee.code, callee.pure, callee.seconds

    def _pop(self) -> None:
        ended = self._stack.pop()
        self._log.cut(ended.mark)
        del self._logged[ended.known :]
        if self._gap == len(self._stack):
            self._gap = None
        self._end(ended.result)

    def _end(self, record: Any) -> None:
        """Take the record of the step that ran."""
        if type(record) is Failure and not record.path:
            self.errors.append(record)
        top = self._stack[-1]
        top.values.append(record)
        top.died = 0
        if self._gap is None and (_is_shared(record) or not self._log.push((_VALUE, record))):
            self._gap = len(self._stack) - 1

    def _restored(
        self,
        callees: list[Callee],
        codes: list[Any],
        steps: list[Any],
        root: int | None,
        value: Any,
    ) -> Activation:
        callees += [Callee(code, pure, known, self._hosting) for code, pure, known in codes]
        made = [RecordedCall(callees[number], *others) for number, *others in steps]
        return Activation(made, root, value)

    def _charge(self, death: Death) -> None:
        """Blame the call that ran for the death; it fails when it was tried often enough."""
        top = self._stack[-1]
        code, tries = top.steps[len(top.values)].code(), top.died + 1
        if tries > code.max_retries:
            self._end(death_of(code, 0, tries, death.reason, death.stack))
            return
        top.died = tries
        self._log.push((_DIED, tries))


def _is_shared(record: Any) -> bool:
    """Return whether a record is not to be copied into a log: some of it lies in memory files."""
    content = record.exception if type(record) is Failure else record
    return type(content) is Content and content.is_shared
