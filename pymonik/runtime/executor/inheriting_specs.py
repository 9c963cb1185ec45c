"""Specs of sub-tasks: what calls inside a task share, with the options of the task that runs.

Enters: calls that are recorded inside a task. Leaves: their specs, one for all that are alike, so
that a tree of calls of one task compiles as fast as a list of them.
"""

from __future__ import annotations

import operator
from typing import Any

from pymonik.capture.function import Code
from pymonik.capture.interner import Interner
from pymonik.graph.ir import CallSpec
from pymonik.record.builtin_tasks import builtin, identity, unpacked
from pymonik.record.specs import CallSpecs
from pymonik.runtime.executor import state as running
from pymonik.system.structs import replace
from pymonik.values.content import Content
from pymonik.values.options import DEFAULTS, TaskOptions, merge
from pymonik.wire.program import StepCode

# What has no options of its own has those of its parent: see `runtime.host.subtasks.inherit`.
_INHERITING = replace(DEFAULTS, priority=None)
# Options that specs are kept for; each is a hundred bytes, and its specs.
_KEPT_OPTIONS = 256


class InheritingSpecs(CallSpecs):
    """Specs of sub-tasks: these inherit the options of the task that runs.

    Options that are equal are one here, so that a tree of calls shares its specs at all levels.
    """

    def __init__(self, interner: Interner, options: TaskOptions) -> None:
        super().__init__(interner, options)
        # Options by their addresses, with those equal that came first; specs by those.
        self._first: dict[int, tuple[TaskOptions, TaskOptions]] = {}
        self._equal: dict[TaskOptions, TaskOptions] = {}
        self._tables: dict[int, dict[Any, CallSpec]] = {id(options): self._table}
        self._inherited = options
        interner.snapshots.changed = self._forget

    def spec_for(self, task: Any, code: Code, width: int, keywords: Any, given: Any) -> CallSpec:
        """Return what all calls like this one share, made once for each task that runs."""
        self._take_over()
        return super().spec_for(task, code, width, keywords, given)

    @property
    def made(self) -> dict[Any, CallSpec]:
        """The specs of the task that runs."""
        self._take_over()
        return self._table

    @made.setter
    def made(self, table: dict[Any, CallSpec]) -> None:
        self._table = table

    def known_seconds(self, spec: CallSpec) -> float | None:
        """Return how long a call takes, where the program says it or it only assembles values."""
        assembling = (identity, unpacked, operator.getitem)
        if any(spec.code is self.code_for(builtin(function)) for function in assembling):
            return 0.0
        return spec.options.cost

    def _take_over(self) -> None:
        """Have the options of the task that runs."""
        step = running.STATE.step
        options = (step.options if step is not None else None) or DEFAULTS
        if options is not self._inherited:
            self._inherit(options)

    def _inherit(self, options: TaskOptions) -> None:
        self._inherited = options
        first = self._first.get(id(options))
        if first is None:
            if len(self._first) > _KEPT_OPTIONS:
                self._forget()
            first = self._first[id(options)] = (options, self._first_equal(options))
        self._options = first[1]
        self._table = self._tables.setdefault(id(self._options), {})

    def _first_equal(self, options: TaskOptions) -> TaskOptions:
        try:
            return self._equal.setdefault(options, options)
        except TypeError:  # labels may have no hash
            return options

    def _forget(self) -> None:
        self._table = {}
        self._first, self._equal = {}, {}
        self._tables = {id(self._options): self._table}
        self._inherited = self._options


def spec_of_step(step: StepCode, content: Content, width: int) -> CallSpec:
    """Return the spec of a call that is recorded again, as a step of a unit has it."""
    code = Code.of_content(content)
    own = TaskOptions(max_duration=step.limit, retries=step.retries, max_retries=step.max_retries)
    options = merge(_INHERITING, step.options, own)
    if step.retry_on is not None:
        options = replace(options, retry_on=step.retry_on.load())
    return CallSpec(step.name, code, width, options, step.keywords, context=step.context)
