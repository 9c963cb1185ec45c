"""Execution templates: a single call needs no passes, and one like another little else.

Enters: graphs of one call; where only some passes are to run, the plans that compiling has made of
them. Leaves: exactly the plan that compiling gives, since no pass has anything to do with a single
call, and none looks at its values: only its inputs and columns are made for each call. So a program
has its first value before passes are loaded. (Mashayekhi et al.: Execution Templates, ATC 2017, for
graphs of any shape.)
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import repeat
from typing import Any
from weakref import WeakKeyDictionary

from pymonik.graph.columns import Const
from pymonik.graph.ir import Call, CallSpec, Graph, Map, Step, line_of
from pymonik.graph.verbs import Replacement, substitute, visit
from pymonik.plan.inputs import Inputs
from pymonik.plan.plan import Plan, bind_call
from pymonik.plan.repeated import RepeatedPlan, Repetition
from pymonik.plan.rows import inherited, retried_types, shared_fields
from pymonik.plan.unit import Unit
from pymonik.settings import settings
from pymonik.values import seeds
from pymonik.values.content import IMMEDIATE, Content
from pymonik.values.location import Location
from pymonik.values.outputs import Outputs
from pymonik.wire.program import Program, Shared

# Places in a program from which calls of one spec are made: a loop has one.
_PLACES = 8
# What each column of plain values begins with.
_PLAIN = repeat("v")
# The graph has one node: nothing in it names another.
_NOTHING = Replacement()


class _Blobs:
    """What `Inputs` asks of a lowering: the blobs of one call; no other node is lowered with it."""

    __slots__ = ("blobs", "locations", "limit")

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.locations: dict[int, Location] = {}
        self.blobs: dict[int, Content] = {}

    def add_blob(self, content: Content) -> None:
        self.blobs[id(content)] = content


class _OfCall(Repetition):
    """What the graph of a single call is made of, and where its value will be."""

    __slots__ = ("_call", "_like", "_location", "_slots")
    calls = 1

    def __init__(
        self, like: _Template, call: Call, slots: Sequence[Any], location: Location
    ) -> None:
        super().__init__()
        self._like, self._call, self._slots, self._location = like, call, slots, location

    def node(self, unit: Unit) -> Map:
        """Return a map of the only call."""
        call = self._call
        step = Step(call.spec, tuple(map(Const, self._slots)), (call,), unit.wanted)
        return Map((step,), 1, self._like.chunk)

    def notes(self) -> tuple[str, ...]:
        """Return what the passes said of the call before."""
        return self._like.notes

    def specs(self) -> list[CallSpec]:
        """Return the spec of the call."""
        return [self._call.spec]

    def where(self) -> str:
        """Return "file:line" of the call."""
        return self._call.where

    def locations(self) -> list[Location]:
        """Return where the value is."""
        return [self._location]

    def bind(self) -> None:
        """Let the call know where its value will be."""
        bind_call(self._call, self._location)


class _Template:
    """What the plans of calls alike share. It keeps no value, no argument and no spec alive."""

    __slots__ = (
        "caller", "chunk", "limit", "name", "notes", "options", "seconds", "shared", "site"
    )  # fmt: skip

    def __init__(self, call: Call, limit: int, chunk: int, notes: tuple[str, ...]) -> None:
        spec = call.spec
        function = Inputs(_Blobs(limit)).item(spec.code.content)
        retry_on = retried_types(spec.options.retry_on)
        self.shared = Shared([shared_fields(spec, function, retry_on)])
        self.caller, self.site = call.site, line_of(call.site, call.lasti)
        self.options, self.name = inherited(spec.options), spec.name
        self.seconds = spec.options.cost
        self.limit, self.chunk, self.notes = limit, chunk, notes

    def plan_of(self, call: Call, is_wanted: bool) -> Plan:
        """Return the plan of a call: see `plan.lower`, which makes those of all graphs."""
        spec, slots = call.spec, call.args
        blobs: tuple[Content, ...] = ()
        sources: tuple[Content | Outputs, ...] = ()
        columns = _immediates(slots)
        if columns is None or spec.code.content.size > self.limit:
            lowering = _Blobs(self.limit)
            slots = tuple([substitute(slot, _NOTHING) for slot in slots])
            needed = Inputs(lowering)
            needed.item(spec.code.content)  # first, as in all units
            columns = tuple([visit(slot, needed) for slot in slots])
            sources = tuple(needed.sources)
            blobs = tuple(lowering.blobs.values())
        keys = None if spec.pure else seeds.compressed(spec.root_seed, [call.spawn_key])
        own = ((columns, is_wanted, self.site, None, keys),)
        outputs = Outputs(1, 1 if is_wanted else 0)
        program, where = Program.of(self.shared, own, 1), spec.environment
        unit = Unit(0, program, sources, outputs, self.options, self.name, where, is_wanted)
        unit.seconds, unit.surroundings = self.seconds, spec.surroundings
        if spec.snapshot is not None:
            unit.modules = spec.snapshot.content()
            if unit.modules is not None:
                blobs = tuple(dict.fromkeys((*blobs, unit.modules)))
        location = Location([outputs], self.chunk or 1, 0 if is_wanted else None)
        return RepeatedPlan(_OfCall(self, call, slots, location), unit, blobs)


def _immediates(slots: Sequence[Any]) -> tuple[tuple[str, Any], ...] | None:
    """Return what fills parameters with plain values, as `Inputs` does; None for any others."""
    if not IMMEDIATE.issuperset(map(type, slots)):
        return None
    return tuple(zip(_PLAIN, slots))


class Templates:
    """The templates of one compiler, by specs, places in the program, and what else decides."""

    def __init__(self) -> None:
        self._known: WeakKeyDictionary[CallSpec, dict[Any, _Template]] = WeakKeyDictionary()
        # How many plans were made of templates.
        self.hits = 0

    def plan(self, graph: Graph, optimize: Any) -> Plan | None:
        """Return the plan of a graph; None where it is to be compiled."""
        call = _single(graph)
        if call is None:
            return None
        is_wanted = call.wanted
        places, key = self._known.get(call.spec), _key(call, is_wanted, optimize)
        template = places.get(key) if places else None
        if template is not None:
            self.hits += 1
        elif optimize is True and (is_wanted or not call.spec.pure):  # else it is dropped
            template = self._keep(call, key, 1, ())
        return None if template is None else template.plan_of(call, is_wanted)

    def note(self, graph: Graph, optimize: Any, plan: Plan) -> None:
        """Keep what the plan of a graph has in common with those of others."""
        call = _single(graph)
        if call is None or len(plan.units) != 1 or len(plan.graph.nodes) != 1:
            return
        key, (node,) = _key(call, plan.units[0].wanted, optimize), plan.graph.nodes
        self._keep(call, key, node.chunk, plan.graph.notes)

    def _keep(
        self, call: Call, key: tuple[Any, ...], chunk: int, notes: tuple[str, ...]
    ) -> _Template:
        template = _Template(call, settings().blob_size, chunk, notes)
        places = self._known.setdefault(call.spec, {})
        if len(places) >= _PLACES:
            places.clear()
        places[key] = template
        return template


def _key(call: Call, is_wanted: bool, optimize: Any) -> tuple[Any, ...]:
    """Return what tells the templates of a spec apart.

    The code that calls goes by its address, and is kept with the template: code has a hash, too,
    which is that of all its instructions and constants, 0.2 ms for a long script.
    """
    return id(call.site), call.lasti, is_wanted, optimize, settings().blob_size


def _single(graph: Graph) -> Call | None:
    """Return the only call of a graph, where it is one and has no id of its own.

    None where others were taken out of the graph: it has notes of that, which go into the plan.
    """
    if len(graph.nodes) != 1 or graph.notes:
        return None
    node = graph.nodes[0]
    return node if type(node) is Call and node.n is None and node.ids is None else None
