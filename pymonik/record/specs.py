"""What calls alike share: their captured function and a `CallSpec`, each made once.

Enters: a task, and the shape of a call of it. Leaves: the `Code` of its function, and the spec that
all calls like this one point to. Arguments are left to `arguments`, appending calls to `recorder`.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from pymonik.capture.function import Code, capture_function
from pymonik.capture.interner import Interner
from pymonik.graph.ir import CallSpec
from pymonik.values.options import TaskOptions, demand_retries, merge

if TYPE_CHECKING:
    from pymonik.record.definition import TaskDefinition
    from pymonik.system.surroundings import SurroundingsWatch

# Tasks whose functions are remembered: programs that make tasks by the thousand, such as bound
# methods, would keep all of them.
_KEPT_CODES = 256
# Specs of theirs: a few of each, as tasks are called with other options or in other surroundings.
_KEPT_SPECS = 1024
# Pure functions of up to this many bytes are fingerprinted at capture, since a cached call may
# depend on them. That costs about as much as pickling them.
_NOTED = 1 << 16
# Modules of the functions of `builtin_call`, which never change.
_OWN = ("pymonik.", "_operator")


def _accept(environment: Any) -> None:
    """Take any environment: inside a task, the engine of the sub-tasks checks it."""


class CallSpecs:
    """Captured functions and specs of one scope, by task.

    interner: what functions are captured with. options, environment: defaults of all calls.
    check_environment: refuses one that calls cannot have here. surroundings: looked at by every
    call, where calls run in those that they were made in. root_seed: where their seeds come from.

    No lock: threads that make the same spec at once agree on one by `dict.setdefault`.
    """

    def __init__(
        self,
        interner: Interner,
        options: TaskOptions,
        environment: Any = None,
        check_environment: Callable[[Any], None] = _accept,
        surroundings: SurroundingsWatch | None = None,
        root_seed: bytes = b"",
    ) -> None:
        self.environment = environment
        # Whether a task was called whose values may be known already.
        self.looks_up = False
        # Another one after each flush: see `Code.is_current`.
        self.moment = object()
        self._interner = interner
        self._options = options
        self._check_environment = check_environment
        self.surroundings = surroundings
        self._root_seed = root_seed
        self._codes: dict[int, tuple[Any, Code]] = {}
        # Specs by what their calls have in common. The spec that a task used last without keywords
        # is also stored under the task alone, for the usual call.
        made: dict[Any, CallSpec] = {}
        self.made = made
        interner.snapshots.changed = made.clear

    def begin_moment(self) -> None:
        """Let the next calls look at what takes a while: a flush has ended what was before."""
        self.moment = object()
        for _task, code in list(self._codes.values()):
            if not code.is_same_function():
                self._forget_specs(code)
        if self.surroundings is not None:
            self.surroundings.look_again()

    @property
    def options(self) -> TaskOptions:
        """The defaults of all calls; specs made with others are forgotten when they change."""
        return self._options

    @options.setter
    def options(self, options: TaskOptions) -> None:
        self._options = options
        self.made.clear()

    def spec_for(
        self, task: TaskDefinition, code: Code, width: int, keywords: tuple[str, ...], given: Any
    ) -> CallSpec:
        """Return what all calls like this one share, made once."""
        surroundings = self.surroundings.changes() if self.surroundings is not None else None
        key: Any
        if keywords or given is not None or surroundings is not None:
            key = (id(task), id(code), width, keywords, given, id(surroundings))
        else:  # the usual case
            key = task, code, width
        try:
            spec = self.made.get(key)
        except TypeError:  # ArmoniK's own options have no hash: made anew each time
            spec, key = None, None
        if spec is None:
            if len(self.made) > _KEPT_SPECS:  # options of each call's own, such as its labels
                self.made.clear()
            merged = merge(self._options, task.task_options, given)
            options = demand_retries(task.func_name, merged, task.task_options, given)
            spec = CallSpec(
                task.func_name,
                code,
                width,
                options,
                keywords,
                task.pure,
                task.require_context,
                self._environment_for(task),
                self._interner.snapshots.current,
                task.cache,
                task.version,
                self._root_seed,
                code.delegates or self.code_for(task).delegates,
                surroundings,
            )
            self.looks_up = self.looks_up or task.cache
            if key is not None:
                # Another thread may have made one meanwhile: calls alike share theirs.
                spec = self.made.setdefault(key, spec)
        # Also where it was made before: a thread that was late may have kept an outdated one.
        if key is not None and len(key) == 3 and not code.handles_in:
            own = self._codes.get(id(task))
            if own is not None and own[1] is code:
                self.made[task] = spec
        return spec

    def usual_spec(self, task: TaskDefinition, width: int) -> CallSpec | None:
        """Return what calls without keywords and options share, if it is made and as it was."""
        spec = self.made.get(task)
        if spec is not None and spec.width != width:  # as many arguments are the usual ones now
            spec = self.made.get((task, spec.code, width))
            if spec is not None:
                self.made[task] = spec
        if spec is None:
            return None
        code = spec.code
        if (code.sees_any or code.met != code.table.functions) and not code.is_current(self.moment):
            own = self._codes.get(id(task))
            if own is not None and own[1] is code:  # its containers say so once a moment
                self._capture(task, code)
            return None
        around = self.surroundings
        changes = None if around is None else around.changes()
        return spec if spec.surroundings is changes else None

    def _environment_for(self, task: TaskDefinition) -> Any:
        if task.environment is None:
            return self.environment
        from pymonik.environment.value import Environment
        from pymonik.environment.value import merge as merge_environments

        merged = merge_environments(self.environment or Environment(), task.environment)
        self._check_environment(merged)
        return merged

    def code_for(self, task: TaskDefinition) -> Code:
        """Return the captured function of a task; capture again when what it sees has changed."""
        cached = self._codes.get(id(task))
        if cached is not None and cached[1].is_current(self.moment):
            return cached[1]
        return self._capture(task, None if cached is None else cached[1])

    def _capture(self, task: TaskDefinition, outdated: Code | None) -> Code:
        """Capture a function, and keep nothing of what it was before."""
        if len(self._codes) > _KEPT_CODES:  # tasks made by the thousand, such as bound methods
            self._codes.clear()
            self.made.clear()
        is_own = task.__module__.startswith(_OWN)
        digest_below = sys.maxsize if task.cache else _NOTED if task.pure and not is_own else 0
        code = capture_function(task.func, task.func_name, self._interner, digest_below)
        if outdated is not None:  # what it has captured may be large: nothing may keep it
            self._forget_specs(outdated)
        self._codes[id(task)] = (task, code)
        return code

    def _forget_specs(self, code: Code) -> None:
        for key in [k for k, spec in list(self.made.items()) if spec.code is code]:
            self.made.pop(key, None)
