"""Execution templates of graphs: calls that are wired as those of an earlier graph need no passes.

Enters: graphs of calls that use each other and plain values, and plans that compiling has made of
them: of one unit, a chain, or small calls that executors run together; or of one map, a loop of
calls or of chains (`map_template`). Leaves: for the same calls once more exactly the plan that
compiling gives. No pass looks at plain values, but those that compare pure calls; so the values are
put into the columns of before, and nothing else is made anew.
(Mashayekhi et al.: Execution Templates, ATC 2017.)
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain
from typing import Any
from weakref import WeakKeyDictionary

from pymonik.graph.ir import Block, Call, CallSpec, Graph, Map
from pymonik.graph.passes.gang import LONG
from pymonik.graph.target import Target
from pymonik.plan.map_template import MapTemplate, is_of_plain_calls
from pymonik.plan.plan import Plan
from pymonik.plan.repeated import CallsOfUnit, plan_of_unit
from pymonik.plan.unit import Unit
from pymonik.plan.wiring import Wiring
from pymonik.settings import settings
from pymonik.values import seeds
from pymonik.values.location import Location
from pymonik.values.outputs import Outputs
from pymonik.wire.program import Program
from pymonik.wire.wired_steps import StepWiring, WiredSteps, sources_of

# Calls of graphs that are kept, a few hundred bytes each: beyond, all are forgotten.
_CALLS = 20_000
# Keys of graphs that were met once: those of a program whose graphs are all different.
_MET = 256


class _OfCalls(CallsOfUnit):
    """Calls like those of an earlier graph, in the order of the steps."""

    __slots__ = ("_like",)

    def __init__(self, like: _GraphTemplate, calls: Sequence[Call], outputs: Outputs) -> None:
        units, chunk = [outputs], like.chunk or 1
        # Of all values that are not stored one: nobody can ask for one of them alone.
        nowhere = Location(units, chunk, None)
        locations = [
            nowhere if output is None else Location(units, chunk, output) for output in like.outputs
        ]
        super().__init__(calls, locations, like.chunk, like.depth)
        self._like = like

    def node(self, unit: Unit) -> Map:
        """Return a block, or a map of one element, of the steps of the unit."""
        if not self._like.is_block:
            return super().node(unit)
        return Block(self.steps(unit), self._depth, self._like.lanes)

    def notes(self) -> tuple[str, ...]:
        """Return what the passes said of the graph before."""
        return self._like.notes


class _GraphTemplate:
    """What the plans of graphs alike share. It keeps no value and no call alive."""

    def __init__(
        self, graph: Graph, plan: Plan, calls: Sequence[Call], sources: list[tuple[int, ...]]
    ) -> None:
        """Note a graph; sources: of its steps, see `sources_of`."""
        (unit,), (node,) = plan.units, plan.graph.nodes
        # Of each step, whether its value is stored: see `StepCode.keep`.
        self._keep = [step[1] for step in unit.program.own]
        self._wiring = Wiring(graph, calls, [keep is not False for keep in self._keep])
        own = unit.program.own
        self._steps = StepWiring(sources, self._keep, [step[2] for step in own])
        # The arguments that are plain values.
        columns = enumerate(chain.from_iterable(sources))
        self._plain = [place for place, source in columns if source < 0]
        self._shared = unit.program.shared
        self._loose, self._named, self._wanted = {*unit.outputs.loose}, unit.name, unit.wanted
        self._options, self._seconds = unit.options, unit.seconds
        numbers = iter(range(len(self._keep)))
        self.outputs = [None if keep is False else next(numbers) for keep in self._keep]
        self.is_block, self.lanes = node.is_block, unit.lanes
        self.chunk, self.depth = node.chunk, node.depth
        self.notes: tuple[str, ...] = plan.graph.notes

    @property
    def is_closed(self) -> bool:
        """Whether its calls are single ones, and use no others: else it is of no use."""
        return self._wiring.is_closed

    @property
    def calls(self) -> int:
        """How many calls it is of."""
        return len(self._keep)

    def plan_of(self, nodes: Sequence[Any], target: Target) -> Plan | None:
        """Return the plan of a graph of as many calls; None where they are not alike."""
        alike = self._wiring.slots_of(nodes)
        if alike is None:
            return None
        calls, slots = alike
        values, spec = [slots[place] for place in self._plain], calls[0].spec
        root, keys = spec.root_seed, [call.spawn_key for call in calls]
        if any(one.root_seed != root for one in self._wiring.specs(calls)):
            keys = [seeds.of_call(call.spec.root_seed, call.spawn_key) for call in calls]
        steps = WiredSteps(self._steps, values, root, keys)
        outputs = Outputs(1, len(self._keep) - self._keep.count(False))
        if self._loose:
            outputs.loose = {*self._loose}
        program, where = Program.of_wired(self._shared, steps), spec.environment
        unit = Unit(0, program, (), outputs, self._options, self._named, where, self._wanted)
        unit.seconds, unit.lanes = self._seconds, self.lanes
        return plan_of_unit(_OfCalls(self, calls, outputs), unit, spec)


_Template = _GraphTemplate | MapTemplate


class _Levels:
    """The calls of a block by the time that they take, which decides whether `gang` makes it.

    Of maps they decide nothing that a template keeps: all is one map before any pass asks for them.
    """

    __slots__ = ("_long", "_names", "_own")

    def __init__(self, node: Map, target: Target) -> None:
        """Note which were long when a graph became a block."""
        # Names of maps begin with that of their first step; that of the block is none of a level.
        names = {step.spec.name for step in node.steps} if node.is_block else ()
        self._names, self._own = tuple(names), node.name
        self._long = self._long_in(target)

    def are_as_before(self, target: Target) -> bool:
        """Return whether the same calls are long: no others count."""
        return not self._names or self._long_in(target) == self._long

    def _long_in(self, target: Target) -> list[str]:
        return sorted([
            name
            for name, each in target.durations.items()
            if each > LONG and name.startswith(self._names) and name != self._own
        ])  # fmt: skip


class GraphTemplates:
    """The templates of one compiler: of graphs that it has compiled before."""

    def __init__(self) -> None:
        self._templates: WeakKeyDictionary[CallSpec, dict[Any, tuple[_Template, _Levels]]]
        self._templates = WeakKeyDictionary()
        # How often graphs were compiled, and how often they are to be before they are kept.
        self._met: dict[Any, tuple[int, int]] = {}
        # How many plans were made of templates.
        self.hits = 0

    def plan(self, graph: Graph, optimize: Any, target: Target) -> Plan | None:
        """Return the plan of a graph like one that was noted; None where there was none."""
        first, last = graph.nodes[0], graph.nodes[-1]
        templates = self._templates.get(first.spec) if type(first) is type(last) is Call else None
        if not templates or graph.aliases:
            return None
        key = _key(graph, optimize, target)
        template, levels = templates.get(key, (None, None))
        if template is None or levels is None or not levels.are_as_before(target):
            return None
        plan = template.plan_of(graph.nodes, target)
        if plan is not None:
            self.hits += 1
        else:  # looked at in vain: it costs less each time that it happens
            del templates[key]
            self._met[key] = 0, 2 * self._met.get(key, (0, 1))[1]
        return plan

    def note(self, graph: Graph, optimize: Any, target: Target, plan: Plan) -> None:
        """Keep what the plan of a graph has in common with those of others.

        Not the first time: most graphs are not repeated.
        """
        if target.grain or not _is_one_map(graph, plan):
            return
        key = _key(graph, optimize, target)
        met, needed = self._met.get(key, (0, 1))
        if met < needed:
            if len(self._met) >= _MET:
                self._met.clear()
            self._met[key] = met + 1, needed
            return
        template = _template_of(graph, plan, optimize)
        if template is None:
            return
        kept = [one for of_spec in self._templates.values() for one, _ in of_spec.values()]
        calls = sum(one.calls for one in kept)
        if calls + template.calls > _CALLS:
            self._templates.clear()
        templates = self._templates.setdefault(graph.nodes[0].spec, {})
        templates[key] = template, _Levels(plan.graph.nodes[0], target)


def _key(graph: Graph, optimize: Any, target: Target) -> tuple[Any, ...]:
    """Return what a plan depends on beside its calls; and, of these, what tells most apart."""
    about = (target.slots, target.isolates_delegating, target.exchanges)
    first, last = graph.nodes[0], graph.nodes[-1]
    how = (optimize, settings().blob_size, about, graph.notes)
    return (len(graph.nodes), first.lasti, last.lasti, *how)


def _is_one_map(graph: Graph, plan: Plan) -> bool:
    """Return whether a graph of recorded calls, which needs nothing else, has become one map."""
    nodes = graph.nodes
    if not 1 < len(nodes) <= _CALLS or len(plan.graph.nodes) != 1:
        return False
    if graph.aliases or plan.graph.aliases or plan.graph.scattered or plan.named:
        return False
    (node,) = plan.graph.nodes
    return isinstance(node, Map) and node.n * len(node.steps) == len(nodes)


def _template_of(graph: Graph, plan: Plan, optimize: Any) -> _Template | None:
    """Return the template of a plan, None where it does not follow from how calls are wired."""
    (node,) = plan.graph.nodes
    if any(step.spec.pure for step in node.steps):
        return None  # they are compared by their values
    if node.n > 1:
        if not is_of_plain_calls(node):
            return None
        of_map = MapTemplate(graph, plan.graph, optimize)
        return of_map if of_map.is_closed else None
    (unit,), calls = plan.units, [step.origins[0] for step in node.steps]
    if unit.inputs or any(blob is not unit.modules for blob in plan.blobs):
        return None
    if set(map(type, calls)) != {Call}:
        return None
    sources, _ = sources_of([step[0] for step in unit.program.own])
    wired = [of_step for of_step in sources if of_step is not None]
    if len(wired) < len(calls):  # some take what no wiring has
        return None
    template = _GraphTemplate(graph, plan, calls, wired)
    return template if template.is_closed else None
