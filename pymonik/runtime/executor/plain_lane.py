"""Plain calls of lanes, which most are: they take immediates, make immediates, and have no limits.

Enters: the calls of the lanes that run here, in their order, and values by their places. Leaves:
their records, in the cells and at their places; and the first call that is not plain after all, for
`lane` to go on with. All that is done around each call in general is done here, too, in a third of
the time: of a graph of small calls that is most of what there is to do.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from typing import TYPE_CHECKING, Any

from pymonik.capture.definitions.shown import SHOWN
from pymonik.runtime.executor import state as running
from pymonik.runtime.executor.feed import StepValue
from pymonik.runtime.executor.later_steps import LaterStep
from pymonik.runtime.executor.plain import NOTHING
from pymonik.values.content import IMMEDIATE
from pymonik.wire.journal import STEP
from pymonik.wire.program import has_options
from pymonik.wire.shared_cells import EMPTY, STOP, SharedCells

if TYPE_CHECKING:
    from pymonik.runtime.executor.calls import LoadedFunction
    from pymonik.runtime.executor.step_runner import StepRunner

# A call that is left: its place, and the value or the error of it, where it was run.
Left = tuple[int, Any, BaseException | None]


class PlainCalls:
    """Runs the calls of lanes, one after the other, as far as they are plain.

    made: values by place, `EMPTY` where there is none yet. tried: calls that earlier attempts have
    told of, which are not plain. wait: waits for the value of a place. check: raises where no call
    may begin any more; asked where others have stopped all, and of each call from a time on.
    """

    def __init__(
        self,
        runner: StepRunner,
        cells: SharedCells,
        made: list[Any],
        tried: Collection[int],
        wait: Callable[[int], None],
        check: Callable[[], None],
    ) -> None:
        self._runner, self._cells = runner, cells
        self._made, self._tried, self._wait, self._check = made, tried, wait, check
        # Where arguments come from: see `Program.sources`.
        self._sources = runner.assignment.program.sources
        # How many have ended here.
        self.done = 0

    def __call__(
        self, places: Iterator[int], clock: Callable[[], float], due: float
    ) -> Left | None:
        """Run calls; return the first that is left, None when all have ended.

        due: when calls may turn out to be too long.
        """
        runner, cells, made, tried = self._runner, self._cells, self._made, self._tried
        program = runner.assignment.program
        codes, (all_sources, values) = program.shared.codes, self._sources
        hosting, state, stops = runner.hosting, running.STATE, cells.numbers
        numbers, recorded = hosting.page.numbers, hosting.subtasks.recorded
        changes, is_changed = running.CHANGES, hosting.restore.is_changed  # as `is_due` asks
        new_context, wait = hosting.contexts.maker(), self._wait
        get, put = cells.get, cells.put
        # What the call before shares with all of its spec, and their function.
        code: Any = None
        load: LoadedFunction
        function: Any = None
        state.index, state.attempt = 0, 1
        for place in places:
            if stops[STOP] or clock() >= due:
                self._check()
            if codes[place] is not code:
                if has_options(codes[place]):
                    return place, NOTHING, None
                code, function = codes[place], None
                load = runner.loaded(code[0])
            sources = all_sources[place]
            if sources is None or place in tried:
                return place, NOTHING, None
            args = []
            for source in sources:
                if source < 0:
                    args.append(values[~source])
                    continue
                value = made[source]
                if value is EMPTY:
                    # As most are found, without a call of what waits.
                    value = get(source)
                    if type(value) in IMMEDIATE:
                        made[source] = value
                    else:
                        wait(source)
                        value = made[source]
                if type(value) is StepValue:
                    return place, NOTHING, None
                args.append(value)
            numbers[STEP] = place
            state.step = LaterStep(program, place)
            try:
                if function is None or SHOWN.function is not function:
                    function = load()
                value = new_context().run(function, *args)
            except BaseException as error:
                return place, NOTHING, error
            if changes or is_changed():
                hosting.restore()
            if type(value) not in IMMEDIATE or recorded or running.CLEANUPS:
                return place, value, None
            made[place] = value
            if not put(place, value):
                return place, value, None
            self.done += 1
        return None
