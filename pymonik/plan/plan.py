"""The plan: units, blobs, and the requests that carry them, exactly.

Enters: what `lower` made. Leaves: something a backend can carry out without knowing a node, a pass
or a user's function. The counts of a dry run are the counts of a run.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from pymonik.graph.ir import Call, CallSpec, Map, NamedValue, Put
from pymonik.humanize import counted
from pymonik.plan.unit import Unit, ValueLocation
from pymonik.settings import settings
from pymonik.system.structs import NamedTuple, Struct, field, replace
from pymonik.values.content import Content
from pymonik.values.location import Location

# A payload's header, and a task's entry without its inputs, take less than that.
_OVERHEAD = 1024
# An input does: an id of 36 characters, and the head of its field.
_INPUT = 40


class Request(Struct):
    """One request to a control plane; `kind` is declare, create, stream or submit."""

    kind: str
    count: int
    size: int


class Source(Struct):
    """What a plan was compiled of, and for what: enough to look at each pass again.

    partitions: those of the client's session, none when it named none. seed: the one that its
    client was given, None when it was given none.
    """

    graph: Any
    target: Any
    optimize: Any
    partitions: tuple[str, ...] = ()
    seed: int | None = None


class Outline(NamedTuple):
    """What is to be known of a map of a graph whose values are waited for.

    specs: of its steps. units: how many it makes. where: "file:line" of the first call.
    """

    name: str
    specs: Sequence[CallSpec]
    n: int
    units: int
    is_wanted: bool
    where: str


class Plan(Struct):
    """What would be sent: units in an order in which they could run, and blobs."""

    units: tuple[Unit, ...] = ()
    blobs: tuple[Content, ...] = ()
    named: dict[str, Any] = field(default_factory=dict)
    calls: int = 0
    graph: Any = None
    # For each map of the graph, where the values of its steps will be found.
    locations: tuple[tuple[Any, list[Location]], ...] = ()
    source: Source | None = None
    # Values that have a name, some of them of earlier plans.
    names: tuple[NamedValue, ...] = ()
    # Values that other programs may use again: keys, and the outputs of nodes that they are.
    reusable: tuple[tuple[str, tuple[Any, int]], ...] = ()
    # Versions, here, of the packages that pickled data names.
    versions: tuple[tuple[str, str], ...] = ()
    # Blobs that earlier submissions have stored.
    stored: tuple[Content, ...] = ()

    def completed(self, source: Callable[[], Source], **facts: Any) -> Plan:
        """Return it with what its client adds: what it was compiled of, and fields of its own."""
        return replace(self, source=source(), **facts)

    @property
    def outlines(self) -> list[Outline]:
        """Return what is to be known of each map of the graph."""
        return [_outline(node) for node in self.graph.nodes if isinstance(node, Map)]

    @property
    def request_count(self) -> int:
        """How many requests there are: found without making them, where bytes cannot matter."""
        limits = settings()
        overhead = sum(_OVERHEAD + _INPUT * len(unit.inputs) for unit in self.units)
        small = all(blob.size < limits.request_bytes // 8 for blob in self.uploads)
        small = small and all(len(unit.inputs) <= limits.fan_in for unit in self.units)
        if small and self.size + overhead < limits.request_bytes // 8:
            submits = -(-len(self.units) // limits.submit_units)
            return bool(self.units) + bool(self) + submits
        return len(self.requests)

    @property
    def requests(self) -> tuple[Request, ...]:
        """The requests of this plan, in the order in which they are sent."""
        return tuple(_requests(self))

    @property
    def uploads(self) -> tuple[Content, ...]:
        """The blobs that are not stored yet: they travel."""
        stored = set(map(id, self.stored))
        return tuple(blob for blob in self.blobs if id(blob) not in stored)

    def places(self) -> dict[str, ValueLocation]:
        """Return where the values with names will be found."""
        named = [one for one in self.names if not isinstance(one.node, Put)]
        locations = self._locations_of({id(one.node) for one in named})
        places = {name: ValueLocation(content=content) for name, content in self.named.items()}
        for name, node, start, length in named:
            # A value that got its name after it was sent is not in this plan: use the location that
            # its node has.
            location, offset = locations.get(id(node), (node.location, node.offset))
            if location is not None and location.output is not None:
                places[name] = _placed(location, offset + start, length)
        return places

    def tables(self) -> dict[str, dict[str, ValueLocation]]:
        """Return what other programs may look up: where values with names are, and with keys."""
        from pymonik.plan.requests import NAMES, VALUES

        locations = self._locations_of({id(node) for _, (node, _) in self.reusable})
        values = {
            key: _element(location, offset + index)
            for key, (node, index) in self.reusable
            for location, offset in [locations.get(id(node), (None, 0))]
            if location is not None and location.output is not None
        }
        tables = {NAMES: self.places(), VALUES: values}
        return {title: table for title, table in tables.items() if table}

    def _locations_of(self, nodes: set[int]) -> dict[int, tuple[Location, int]]:
        result: dict[int, tuple[Location, int]] = {}
        if not nodes:
            return result
        aliases = self.graph.aliases.items() if self.graph is not None else ()
        nodes |= {id(target) for other, target in aliases if id(other) in nodes}
        for node, locations in self.locations:
            for step, location in zip(node.steps, locations):
                for offset, origin in enumerate(step.origins):
                    if id(origin) in nodes:
                        result[id(origin)] = (location, offset)
        result.update(
            {id(other): result[id(target)] for other, target in aliases if id(target) in result}
        )
        return result

    @property
    def size(self) -> int:
        """Bytes that travel: payloads, and blobs that are not stored yet, each once."""
        return sum(len(unit.payload) for unit in self.units) + sum(b.size for b in self.uploads)

    def __bool__(self) -> bool:
        return bool(self.units or self.blobs)

    def __repr__(self) -> str:
        return (
            f"<Plan: {counted(self.calls, 'call')} in {counted(len(self.units), 'unit')}, "
            f"{counted(len(self.uploads), 'blob')}, {counted(self.request_count, 'request')}, "
            f"{counted(self.size, 'byte')}>"
        )

    def __str__(self) -> str:
        from pymonik.graph.show import show

        return f"{self!r}\n{show(self.graph)}" if self.graph is not None else repr(self)


def _outline(node: Map) -> Outline:
    specs, where = [step.spec for step in node.steps], node.steps[0].origins[0].where
    is_wanted = any(step.wanted is not False for step in node.steps)
    return Outline(node.name, specs, node.n, node.units, is_wanted, where)


def _placed(location: Location, start: int, length: int | None) -> ValueLocation:
    if length is None:
        return _element(location, start)
    return ValueLocation(
        tuple(location.unit_outputs), location.chunk, location.output or 0, start, length
    )


def _element(location: Location, index: int) -> ValueLocation:
    outputs, place = location.locate(index)
    return ValueLocation((outputs,), outputs.n, location.output or 0, place)


def _requests(plan: Plan) -> Iterator[Request]:
    from pymonik.plan import requests as objects
    from pymonik.plan.fan_in import bounded
    from pymonik.plan.make_requests import SubmissionContext, sending
    from pymonik.plan.placement import application
    from pymonik.plan.sizes import size_of
    from pymonik.plan.stored_objects import StoredObjects
    from pymonik.wire.envelope import digest_of_names

    stored_objects = StoredObjects()
    own = {id(unit.outputs) for unit in plan.units}
    for unit in plan.units:
        for outputs in unit.needs:
            if id(outputs) not in own:  # stored by an earlier submission
                stored_objects.outputs[outputs] = objects.ClusterObject(
                    "", digest_of_names(), id="stored"
                )
    for content in plan.stored:
        stored = objects.ClusterObject("blob", content.digest, content.size, id="stored")
        stored_objects.contents[content.digest] = stored
    context = SubmissionContext(versions=plan.versions, application=application())
    if plan.source is not None:
        context = replace(context, slots=plan.source.target.slots, optimize=plan.source.optimize)
    units = bounded(plan.units, context.optimize)
    sent = sending(units, plan.blobs, stored_objects, context, plan.tables())
    for request in sent.requests:
        kind = type(request).__name__.lower()
        count = (
            1
            if isinstance(request, objects.Stream)
            else len(request.entries if isinstance(request, objects.Submit) else request.objects)
        )
        yield Request(kind, count, size_of(request))


def bind_call(call: Call, location: Location, offset: int = 0) -> None:
    """Let a recorded node know where its values will be found."""
    call.location, call.offset = location, offset


def bind_calls(calls: Sequence[Call], locations: Sequence[Location]) -> None:
    """Let single calls know where their values will be found, each of them alone there."""
    for call, location in zip(calls, locations):
        call.location, call.offset = location, 0
