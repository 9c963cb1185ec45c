"""Lowering: a graph of maps becomes a plan of units.

Enters: a graph that went through the passes. Leaves: a `Plan`, and every recorded node knows its
`location`. Each map is cut into units of `chunk` elements; columns are cut along; a value of
another unit becomes an input, by position. Does no I/O.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Any

from pymonik.graph.columns import NAMELESS
from pymonik.graph.ir import (
    Block,
    Graph,
    Map,
    Put,
    Step,
    inputs,
    line_of,
    original_of,
)
from pymonik.graph.verbs import steps_of
from pymonik.plan.inputs import Inputs
from pymonik.plan.plan import Plan, bind_call
from pymonik.plan.rows import Row, inherited, retried_types, shared_fields
from pymonik.plan.unit import Unit
from pymonik.settings import settings
from pymonik.values.content import Content
from pymonik.values.location import Location, ScatteredLocation, StepLocations
from pymonik.values.outputs import Outputs
from pymonik.wire.program import Program, Shared


def lower(graph: Graph) -> Plan:
    """Make the plan of a graph; nothing is bound to it yet: see `bind`."""
    return _Lowering(graph).plan()


def bind(graph: Graph, plan: Plan) -> None:
    """Let every recorded node know where its values will be found."""
    for node, locations in plan.locations:
        for step, location in zip(node.steps, locations):
            _bind_step(step, location)
    for call, elements in graph.scattered:
        call.location, call.offset = ScatteredLocation([(one, 0) for one in elements]), 0
    for other, target in graph.aliases.items():
        assert target.location is not None  # it stays in the graph, which was bound above
        other.location, other.offset = target.location, target.offset
        if original_of(target) is not other:  # else it only stands in for that
            target.location.share(target.offset)


def _bind_step(step: Step, location: Location) -> None:
    if isinstance(step.wanted, bool):
        for offset, origin in enumerate(step.origins):
            bind_call(origin, location, offset)
        return
    # A finalizer may still ask for a value that nobody wanted: give it a location that says that it
    # was not stored.
    nowhere = Location(location.unit_outputs, location.chunk, None)
    for offset, (origin, wanted) in enumerate(zip(step.origins, step.wanted)):
        bind_call(origin, location if wanted else nowhere, offset)


class _Lowering:
    """One walk over the nodes; sources come before their users, so that locations are known."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.units: list[Unit] = []
        self.blobs: dict[int, Content] = {}
        self.locations: dict[int, Location] = {}
        self.bound: list[tuple[Map, list[Location]]] = []
        self.used: set[int] = set()
        # The steps of blocks that others use, by block and number.
        self.used_steps: set[tuple[int, int]] = set()
        self.limit = settings().blob_size
        self.retry_contents: dict[Any, Content | None] = {}
        # What steps share is one for all steps of a spec: a chain has thousands.
        self.codes: dict[tuple[int, int], tuple[Any, ...]] = {}
        self.lines: dict[tuple[int, int], str] = {}

    def plan(self) -> Plan:
        maps = [node for node in self.graph.nodes if isinstance(node, Map)]
        for node in maps:
            self.used.update(map(id, inputs(node)))
        if any(node.is_block for node in maps):
            self.used_steps.update(_uses_of_blocks(maps))
        for node in maps:
            self._lower_map(node)
        named = {
            str(node.label): node.content for node in self.graph.nodes if isinstance(node, Put)
        }
        # Whatever its size: it has a name, by which others look for an object of its own.
        for content in named.values():
            self.blobs[id(content)] = content
        blobs = tuple(self.blobs.values())
        return Plan(
            tuple(self.units), blobs, named, self.graph.calls, self.graph, tuple(self.bound)
        )

    def _lower_map(self, node: Map) -> None:
        chunk = node.chunk or 1
        rows = [
            Row(step, node.n, self._keep(node, number), self._sites(step))
            for number, step in enumerate(node.steps)
        ]
        stored = [number for number, row in enumerate(rows) if row.keep is not False]
        unit_outputs = [
            Outputs(min(chunk, node.n - start), len(stored)) for start in range(0, node.n, chunk)
        ]
        if node.is_block:
            # Steps of a block are no chain: to cancel one takes no other along.
            unit_outputs[0].loose = {(output, 0) for output in range(1, len(stored))}
        elif len(stored) > 1 and node.n > 1:
            _note_loose(node, stored, unit_outputs)
        shared: Shared | None = None
        wanted, options = any(s.is_wanted for s in node.steps), inherited(node.spec.options)
        spec = node.spec
        costs = [step.spec.options.cost for step in node.steps]
        seconds = sum(cost for cost in costs if cost is not None) if None not in costs else None
        for place, outputs in enumerate(unit_outputs):
            needed = Inputs(self)
            # Functions come first: they stand at the same positions in all units of the map.
            functions = [needed.item(step.spec.code.content) for step in node.steps]
            if shared is None:
                shared = Shared(list(map(self._shared, node.steps, functions)))
            start = place * chunk
            own = tuple([row.own(needed, start, start + outputs.n) for row in rows])
            unit = Unit(
                len(self.units),
                Program.of(shared, own, outputs.n),
                tuple(needed.sources),
                outputs,
                options,
                node.name,
                spec.environment,
                wanted,
            )
            unit.seconds = seconds
            if isinstance(node, Block):
                unit.lanes = node.lanes
            if node.steps[-1].ids:
                unit.result_id = node.steps[-1].ids.get(start)
            unit.surroundings = spec.surroundings
            if spec.snapshot is not None:
                unit.modules = spec.snapshot.content()
                if unit.modules is not None:
                    self.add_blob(unit.modules)
            self.units.append(unit)
        columns = {number: place for place, number in enumerate(stored)}
        locations = [
            Location(unit_outputs, chunk, columns.get(number)) for number in range(len(node.steps))
        ]
        self.locations[id(node)] = StepLocations(locations) if node.is_block else locations[-1]
        self.bound.append((node, locations))

    def _keep(self, node: Map, number: int) -> bool | bytes:
        if node.is_block:
            if (id(node), number) in self.used_steps:
                return True
        elif number == len(node.steps) - 1 and id(node) in self.used:
            return True
        step = node.steps[number]
        return step.wanted if step.is_wanted else False

    def _shared(self, step: Step, function: Any) -> tuple[Any, ...]:
        """Return what a step shares with the same step of other units, and others of its spec."""
        spec = step.spec
        key = (id(spec), function if type(function) is int else -1)
        shared = self.codes.get(key)
        if shared is None:
            retry_on = self._retry_on(spec.options.retry_on)
            shared = self.codes[key] = shared_fields(spec, function, retry_on)
        return shared

    def _retry_on(self, kinds: Any) -> Content | None:
        if kinds not in self.retry_contents:
            self.retry_contents[kinds] = retried_types(kinds)
        return self.retry_contents[kinds]

    def _sites(self, step: Step) -> Any:
        """Return the call site: one text when all calls have the same, else one for each."""
        first, origins = step.origins[0], step.origins
        code, lasti = first.site, first.lasti
        if len(origins) == 1 or all(o.lasti == lasti and o.site is code for o in origins):
            return self._line(code, lasti)
        return [self._line(origin.site, origin.lasti) for origin in origins]

    def _line(self, code: Any, lasti: int) -> str:
        # Working a line out walks the line table of its function: once for each place is enough.
        key = (id(code), lasti)
        line = self.lines.get(key)
        if line is None:
            line = self.lines[key] = line_of(code, lasti)
        return line

    def add_blob(self, content: Content) -> None:
        self.blobs[id(content)] = content


def _uses_of_blocks(maps: Sequence[Map]) -> Iterator[tuple[int, int]]:
    """Return the steps of blocks that some maps use, by block and number."""
    for node in maps:
        for step in node.steps:
            for column in step.columns:
                if type(column) in NAMELESS:  # as most of a block are
                    continue
                for source, indexes in column.outputs(node.n):
                    if type(source) is Block:
                        yield from ((id(source), index) for index in indexes)


def _note_loose(node: Map, stored: Sequence[int], unit_outputs: Sequence[Outputs]) -> None:
    """Note which elements of a stored step use nothing of the one before: not all need be a chain.

    Maps are fused where each element uses its own of the other, or none.
    """
    loose: dict[Outputs, set[tuple[int, int]]] = {}
    chunk = unit_outputs[0].n
    for output, (before, last) in enumerate(pairwise(stored), 1):
        for number in range(before + 1, last + 1):
            columns, earlier = node.steps[number].columns, number - 1
            if any(column.length is None and earlier in column.steps() for column in columns):
                continue  # all of them do
            for index in range(node.n):
                if not any(earlier in steps_of(column.at(index)) for column in columns):
                    places = loose.setdefault(unit_outputs[index // chunk], set())
                    places.add((output, index % chunk))
    for outputs, places in loose.items():
        outputs.loose = places
