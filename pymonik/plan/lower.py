"""Lowering: a graph of maps becomes a plan of units.

Enters: a graph that went through the passes. Leaves: a `Plan`, and every recorded node knows its
`home`. Each map is cut into units of `chunk` elements; columns are cut along; a value of another
unit becomes an input, by position. Does no I/O.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

from pymonik.content import Content
from pymonik.graph.ir import Graph, Map, Put, Step, inputs, line_of
from pymonik.graph.slots import Bundle, Const, Each, Gather, Immediates, Nested, Range, Ref, Same
from pymonik.options import DEFAULTS, TaskOptions
from pymonik.plan.home import Cell, Home
from pymonik.plan.plan import Plan, Unit
from pymonik.runtime import seeds
from pymonik.runtime.outcome import Failure
from pymonik.runtime.program import Program, Run, StepCode
from pymonik.settings import settings


def lower(graph: Graph) -> Plan:
    """Make the plan of a graph; nothing is bound to it yet: see `bind`."""
    return _Lowering(graph).plan()


def bind(graph: Graph, plan: Plan) -> None:
    """Let every recorded node know where its values will be found."""
    for node, homes in plan.homes:
        for step, home in zip(node.steps, homes):
            _bind_step(step, home)
    for other, kept in graph.aliases.items():
        other.home, other.offset = kept.home, kept.offset


def _bind_step(step: Step, home: Home) -> None:
    for offset, origin in enumerate(step.origins):
        origin.home = home
        origin.offset = offset


class _Lowering:
    """One walk over the nodes; sources come before their users, so that homes are known."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.units: list[Unit] = []
        self.blobs: dict[int, Content] = {}
        self.homes: dict[int, Home] = {}
        self.bound: list[tuple[Map, list[Home]]] = []
        self.used: set[int] = set()
        self.limit = settings().blob_size
        self.retry_contents: dict[Any, Content] = {}
        self.lines: dict[tuple[int, int], str] = {}

    def plan(self) -> Plan:
        maps = [node for node in self.graph.nodes if isinstance(node, Map)]
        for node in maps:
            self.used.update(map(id, inputs(node)))
        for node in maps:
            self._lower_map(node)
        named = {
            str(node.label): node.content for node in self.graph.nodes if isinstance(node, Put)
        }
        for content in named.values():
            self.blobs[id(content)] = content
        blobs = tuple(self.blobs.values())
        return Plan(
            tuple(self.units), blobs, named, self.graph.calls, self.graph, tuple(self.bound)
        )

    def _lower_map(self, node: Map) -> None:
        chunk = node.chunk or 1
        keeps = [self._keep(node, number) for number in range(len(node.steps))]
        places = [_places(step) for step in node.steps]
        stored = [number for number, keep in enumerate(keeps) if keep is not False]
        sites = [self._sites(step) for step in node.steps]
        cells = []
        for start in range(0, node.n, chunk):
            stop = min(start + chunk, node.n)
            cell = Cell(stop - start, len(stored))
            cells.append(cell)
            self._lower_unit(node, start, stop, keeps, sites, places, cell)
        outputs = {number: place for place, number in enumerate(stored)}
        homes = [Home(cells, chunk, outputs.get(number)) for number in range(len(node.steps))]
        self.homes[id(node)] = homes[-1]
        self.bound.append((node, homes))

    def _keep(self, node: Map, number: int) -> bool | bytes:
        if number == len(node.steps) - 1 and id(node) in self.used:
            return True
        step = node.steps[number]
        return step.wanted if step.is_wanted else False

    def _lower_unit(
        self,
        node: Map,
        start: int,
        stop: int,
        keeps: list[bool | bytes],
        sites: list[Any],
        places: list[Any],
        cell: Cell,
    ) -> None:
        unit_inputs = _Inputs(self)
        steps = []
        for step, keep, site, where in zip(node.steps, keeps, sites, places):
            options, spec = step.spec.options, step.spec
            steps.append(
                StepCode(
                    unit_inputs.item(spec.code.content),
                    spec.name,
                    spec.keywords,
                    spec.context,
                    tuple(unit_inputs.column(column, start, stop) for column in step.columns),
                    keep if isinstance(keep, bool) else keep[start:stop],
                    site if isinstance(site, str) else site[start:stop],
                    start if step.origins[0].n is not None else None,
                    options.seconds,
                    options.retries or 0,
                    options.max_retries or 0,
                    self._retry_on(options.retry_on),
                    self._inherited(options) if spec.code.delegates else None,
                    seeds.cut(where, start, stop),
                )
            )
        unit = Unit(
            len(self.units),
            Program(tuple(steps), stop - start),
            tuple(unit_inputs.sources),
            cell,
            self._inherited(node.spec.options),
            node.name,
            node.spec,
            node.spec.environment,
            any(step.is_wanted for step in node.steps),
        )
        if node.spec.edition is not None:
            unit.modules = node.spec.edition.content()
        self.units.append(unit)

    def _inherited(self, options: TaskOptions) -> TaskOptions:
        """Give options that can be pickled anywhere: exception types go as contents instead."""
        if options.retry_on is None or options.retry_on == DEFAULTS.retry_on:
            return options
        return replace(options, retry_on=None)

    def _retry_on(self, kinds: Any) -> Content | None:
        if kinds is None or kinds == DEFAULTS.retry_on:
            return None
        if kinds not in self.retry_contents:
            from pymonik import pickling

            self.retry_contents[kinds] = Content(pickling.freeze(kinds)[0])
        return self.retry_contents[kinds]

    def _sites(self, step: Step) -> Any:
        """Give the call site: one text when all calls have the same, else one for each."""
        first, origins = step.origins[0], step.origins
        code, lasti = first.site, first.lasti
        if all(o.lasti == lasti and o.site is code for o in origins):
            return self._line(code, lasti)
        return [self._line(origin.site, origin.lasti) for origin in origins]

    def _line(self, code: Any, lasti: int) -> str:
        # Working a line out walks the line table of its function: once for each place is enough.
        key = (id(code), lasti)
        known = self.lines.get(key)
        if known is None:
            known = self.lines[key] = line_of(code, lasti)
        return known

    def add_blob(self, content: Content) -> None:
        self.blobs[id(content)] = content


class _Inputs:
    """The inputs of one unit: each source once, by position."""

    def __init__(self, lowering: _Lowering) -> None:
        self.lowering = lowering
        self.sources: list[Content | Cell] = []
        self.positions: dict[int, int] = {}

    def position(self, source: Content | Cell) -> int:
        position = self.positions.get(id(source))
        if position is None:
            position = self.positions[id(source)] = len(self.sources)
            self.sources.append(source)
        return position

    def item(self, content: Content) -> Content | int:
        """Give a small content itself, a large one as an input."""
        if content.size <= self.lowering.limit:
            return content
        self.lowering.add_blob(content)
        return self.position(content)

    def column(self, column: Any, start: int, stop: int) -> Any:
        kind = type(column)
        if kind is Immediates:
            return ("s", list(column.values[start:stop]))
        if kind is Const:
            return self.slot(column.value)
        if kind is Same:
            return ("p", column.step)
        if kind is Gather:
            return ("r", self.gathered(column.node, column.indexes[start:stop]))
        if kind is Range:
            first = column.start + start * column.step
            indexes = range(first, first + (stop - start) * column.step, column.step)
            return ("r", self.runs(column.node, indexes))
        return self.each(column, start, stop)

    def each(self, column: Each, start: int, stop: int) -> Any:
        if all(type(value) is Ref and type(value.node) is not Put for value in column.values):
            refs = column.values[start:stop]
            return ("r", [run for ref in refs for run in self.runs(ref.node, _one(ref))])
        return ("m", [self.slot(value) for value in column.values[start:stop]])

    def slot(self, slot: Any) -> Any:
        kind = type(slot)
        if kind is Ref:
            if type(slot.node) is Put:
                return ("c", self.item(slot.node.content))
            return ("r", self.runs(slot.node, range(slot.index, slot.index + 1)))
        if kind is Content:
            return ("c", self.item(slot))
        if kind is Bundle:
            return ("b", [part for node, run in slot.runs for part in self.bundle(node, run)])
        if kind is Nested:
            return ("n", self.item(slot.content), [self.slot(inner) for inner in slot.slots])
        if kind is Same:
            return ("p", slot.step)
        return ("x", slot) if kind is Failure else ("v", slot)

    def bundle(self, node: Any, indexes: range) -> Iterable[Any]:
        if type(node) is Put:
            return [("c", self.item(node.content))] * len(indexes)
        return self.runs(node, indexes)

    def runs(self, node: Any, indexes: range) -> list[Run]:
        """Cut a run of outputs along the units that make them."""
        home, offset, output = self.home(node)
        if len(indexes) == 1:
            cell, place = home.locate(offset + indexes[0])
            return [(self.position(cell), output, place, 1, 1)]
        runs: list[Run] = []
        step, left, at = indexes.step, len(indexes), offset + indexes.start
        while left:
            cell, place = home.locate(at)
            room = (cell.n - 1 - place) // step if step > 0 else place // -step
            count = min(left, room + 1)
            runs.append((self.position(cell), output, place, step, count))
            left -= count
            at += count * step
        return runs

    def gathered(self, node: Any, indexes: Sequence[int]) -> list[Run]:
        """Find outputs in any order; neighbours that follow one another make one run."""
        home, offset, output = self.home(node)
        runs: list[Run] = []
        source = first = count = -1
        for index in indexes:
            cell, place = home.locate(offset + index)
            position = self.position(cell)
            if position == source and place == first + count:
                count += 1
                continue
            if count > 0:
                runs.append((source, output, first, 1, count))
            source, first, count = position, place, 1
        return [*runs, (source, output, first, 1, count)]

    def home(self, node: Any) -> tuple[Home, int, int]:
        """Give where the values of a node will be found: the home, the offset there, the output."""
        if type(node) is Map:
            home, offset = self.lowering.homes[id(node)], 0
        else:
            home, offset = node.home, node.offset
        return home, offset, home.output if home.output is not None else 0


def _places(step: Step) -> Any:
    """Give where the seeds of a step come from; a pure task has none."""
    return None if step.spec.pure else seeds.folded([origin.place for origin in step.origins])


def _one(ref: Ref) -> range:
    return range(ref.index, ref.index + 1)
