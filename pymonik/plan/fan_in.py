"""Fan-in: no task has more than some hundreds of inputs.

A cluster rewrites the list of a task's open inputs for each input that ends: K inputs cost K²
bytes, and the task's agent fetches them one after the other. So above a limit, packs are gathered:
a `FanInUnit` is a task that runs nothing, and puts the records of many packs into one. A tree of
them stands between a unit and its inputs; units with the same inputs share it.

A `Partial` is its like in a worker that has handed work out: its task waits for the values that are
missing, and puts them beside those that are there.

Enters: units. Leaves: units, those with too many inputs made anew over the same outputs.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Sequence
from copy import copy
from typing import Any

from pymonik.plan.unit import Unit
from pymonik.settings import settings
from pymonik.values.options import TaskOptions
from pymonik.values.outputs import Outputs
from pymonik.wire.moved_runs import with_runs
from pymonik.wire.program import Program, Run, StepCode

NAME = "gather"
ASSEMBLE = "assemble"
# By outputs and output: the outputs of a gather, and where the output begins there.
Places = dict[tuple[Outputs, int], tuple[Outputs, int]]
# (output, element, outputs, its output, its place): a value that another unit will make.
Hole = tuple[int, int, Outputs, int, int]
PASS_ON = StepCode(
    function=None,
    name=NAME,
    keywords=(),
    context=False,
    limit=None,
    retries=0,
    max_retries=0,
    retry_on=None,
    options=None,
    columns=(),
    keep=True,
    site="",
    base=None,
)


class FanInUnit(Unit):
    """A unit that passes on all records of its inputs, in one output."""

    __slots__ = ()

    def columns(self) -> list[list[Any]]:
        """Return the records that are there already: none, all of them are holes."""
        return [[None] * self.n]

    def holes(self) -> Iterator[tuple[int, int, int, int, int]]:
        """Return (output, element, input, its output, its place) for each record."""
        (step,) = self.program.steps
        element = 0
        for source, output, start, _, count in step.columns[0][1]:
            for place in range(start, start + count):
                yield 0, element, source, output, place
                element += 1


class FanIn:
    """Bounds the inputs of tasks that are submitted together; `made` are the gathers so far.

    As written (`optimize=False`) a program has one task for each call, and none beside.
    """

    def __init__(self, optimize: Any) -> None:
        self._limit = sys.maxsize if optimize is False else settings().fan_in
        # Those that tasks with the same inputs and options can share.
        self._known: dict[Any, FanInUnit] = {}
        self.made: list[FanInUnit] = []

    def bounded(self, unit: Unit) -> Unit:
        """Return a unit with few outcomes of others among its inputs."""
        while places := self._places(unit.needs, unit.options):
            unit = _over(unit, places)
        return unit

    def holes(self, holes: Sequence[Hole], options: TaskOptions) -> Sequence[Hole]:
        """Return holes that few outputs fill."""
        while places := self._places((hole[2] for hole in holes), options):
            moved = []
            for output, element, outputs, out, place in holes:
                gather, at = places[outputs, out]
                moved.append((output, element, gather, 0, at + place))
            holes = moved
        return holes

    def _places(self, needs: Iterable[Outputs], options: TaskOptions) -> Places:
        """Gather outputs when they are too many; give where their outputs begin, else nothing."""
        places: Places = {}
        unit_outputs = list(dict.fromkeys(needs))
        if len(unit_outputs) <= self._limit:
            return places
        for start in range(0, len(unit_outputs), self._limit):
            group = tuple(unit_outputs[start : start + self._limit])
            gather, at = self._gather(group, options), 0
            for outputs in group:
                for output in range(len(outputs.columns)):
                    places[outputs, output] = gather.outputs, at
                    at += outputs.n
        return places

    def _gather(self, unit_outputs: tuple[Outputs, ...], options: TaskOptions) -> FanInUnit:
        key = (options.partition_id, options.priority, unit_outputs)
        if key not in self._known:
            self._known[key] = _gather(unit_outputs, options)
            self.made.append(self._known[key])
        return self._known[key]


def bounded(units: Sequence[Unit], optimize: Any) -> list[Unit]:
    """Return units that have few inputs, those that they need before them."""
    fan_in = FanIn(optimize)
    result: list[Unit] = []
    for unit in units:
        before = len(fan_in.made)
        bound = fan_in.bounded(unit)
        result += [*fan_in.made[before:], bound]
    return result


def _gather(unit_outputs: tuple[Outputs, ...], options: TaskOptions) -> FanInUnit:
    runs = [
        (number, output, 0, 1, outputs.n)
        for number, outputs in enumerate(unit_outputs)
        for output in range(len(outputs.columns))
    ]
    n = sum(run[4] for run in runs)
    program = Program([PASS_ON._replace(columns=(("r", runs),))], n)
    return FanInUnit(0, program, unit_outputs, Outputs(n, 1), options, NAME, wanted=False)


def _over(unit: Unit, places: Places) -> Unit:
    """Make a unit anew: gathers stand at the positions of its inputs."""
    inputs: list[Any] = [
        places[source, 0][0] if isinstance(source, Outputs) else source for source in unit.inputs
    ]
    unit_outputs = {
        at: source for at, source in enumerate(unit.inputs) if isinstance(source, Outputs)
    }
    first = {id(source): position for position, source in reversed(list(enumerate(inputs)))}

    def moved(run: Run) -> Run:
        source, output, start, step, count = run
        outputs, at = places[unit_outputs[source], output]
        return first[id(outputs)], 0, at + start, step, count

    made = copy(unit)
    made.inputs = tuple(inputs)
    made.change(with_runs(unit.program, moved))
    return made


class Partial(FanInUnit):
    """A unit that fills holes of outputs; its inputs are the outputs that make what is missing."""

    __slots__ = ("_holes",)

    def __init__(self, outputs: Outputs, holes: Sequence[Hole], options: TaskOptions) -> None:
        sources = tuple(dict.fromkeys(hole[2] for hole in holes))
        super().__init__(
            0, Program([PASS_ON], outputs.n), sources, outputs, options, ASSEMBLE, wanted=False
        )
        self._holes = holes

    def columns(self) -> list[list[Any]]:
        """Return the records that are there, None in the holes."""
        return [list(column) for column in self.outputs.columns]

    def holes(self) -> Iterator[tuple[int, int, int, int, int]]:
        """Return (output, element, input, its output, its place) for each hole."""
        numbers = {source: number for number, source in enumerate(self.inputs)}
        for output, element, outputs, out, place in self._holes:
            yield output, element, numbers[outputs], out, place
