"""Plain steps of a program that is wired as others are: see `wire.wired_steps`.

Enters: such a program, whose steps take immediates and values of steps before. Leaves: what `plain`
does of other programs. Here no step is made before somebody asks for it, such as a call for its
context: of a chain of small calls steps cost more than the calls.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from pymonik.capture.definitions.shown import SHOWN
from pymonik.runtime.executor import state as running
from pymonik.runtime.executor.calls import Assignment, ExecutionServices, LoadedFunction
from pymonik.runtime.executor.later_steps import LaterStep, LaterSteps
from pymonik.runtime.executor.plain import NOTHING
from pymonik.values.content import IMMEDIATE
from pymonik.wire.journal import STEP
from pymonik.wire.program import has_options

if TYPE_CHECKING:
    from pymonik.wire.program import Program
    from pymonik.wire.wired_steps import WiredSteps


class PlainWiredSteps:
    """Calls the steps of such a program, one after the other, as far as they are plain.

    last_beside: the last step that can run beside the one before it; 0 where they are a chain.
    """

    def __init__(
        self,
        program: Program,
        wired: WiredSteps,
        hosting: ExecutionServices,
        functions: Callable[[Any], LoadedFunction],
    ) -> None:
        self.steps = LaterSteps(program)
        self.last_beside = _last_beside(wired.wiring.sources)
        self._program, self._wired = program, wired
        self._hosting, self._functions = hosting, functions

    def __call__(
        self,
        number: int,
        made: list[Any],
        columns: Sequence[list[Any]],
        is_over: Callable[[int], bool] | None,
    ) -> tuple[int, bool, Any, BaseException | None]:
        """Run steps as `PlainSteps` does. number: 0, of the only element."""
        hosting, program, values = self._hosting, self._program, self._wired.values
        wiring, state, page = self._wired.wiring, running.STATE, hosting.page
        numbers, recorded, note = page.numbers, hosting.subtasks.recorded, page.note
        changes, is_changed = running.CHANGES, hosting.restore.is_changed  # as `is_due` asks
        new_context, append, stored = hosting.contexts.maker(), made.append, iter(columns)
        # What was recorded leaves with the last report: nothing may be reported before it.
        is_noted = not hosting.subtasks.has_work
        code: Any = None
        load: LoadedFunction
        function: Any = None
        state.index, state.attempt = number, 1
        steps = enumerate(zip(program.shared.codes, wiring.sources, wiring.keep))
        for place, (own_code, sources, keep) in steps:
            if is_over is not None and is_over(place):
                return place, is_noted, NOTHING, None
            if own_code is not code:
                code, function = own_code, None
                load = self._functions(code[0])
            numbers[STEP] = place
            state.step = LaterStep(program, place)
            try:
                if function is None or SHOWN.function is not function:
                    function = load()
                if len(sources) == 1 and sources[0] >= 0:  # as most of a chain
                    value = new_context().run(function, made[sources[0]])
                else:
                    args = [made[one] if one >= 0 else values[~one] for one in sources]
                    value = new_context().run(function, *args)
            except BaseException as error:
                return place, is_noted, NOTHING, error
            if changes or is_changed():
                hosting.restore()
            if type(value) not in IMMEDIATE or recorded:
                return place, is_noted, value, None
            append(value)
            if keep is not False:
                next(stored).append(value)
            if running.CLEANUPS:
                running.clean_up()
            is_noted = is_noted and note((value,))
        return len(made), is_noted, NOTHING, None


def wired_runner(
    assignment: Assignment, hosting: ExecutionServices, functions: Callable[[Any], LoadedFunction]
) -> PlainWiredSteps | None:
    """Return what runs the steps of a program; None where some are not plain, or were tried."""
    program = assignment.program
    codes, wired = program.shared.codes, program.wired
    if wired is None or assignment.was_tried:
        return None
    if any(map(has_options, dict(zip(map(id, codes), codes)).values())):
        return None
    return PlainWiredSteps(program, wired, hosting, functions)


def _last_beside(sources: Sequence[tuple[int, ...]]) -> int:
    for place in range(len(sources) - 1, 1, -1):
        if place - 1 not in sources[place]:
            return place
    return 0
