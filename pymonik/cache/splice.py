"""Takes known calls out of a graph, before it is compiled.

Enters: a graph as it was recorded. Leaves: the graph without the calls whose values are known,
their users naming the values instead; and which of the others are to be kept once they are there. A
map of which some elements are known leaves single calls for the rest.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Protocol

from pymonik.graph.columns import Values
from pymonik.graph.ir import Call, Element, External, Graph, StandIn, original_of
from pymonik.graph.slots import Ref
from pymonik.graph.value_state import Liveness
from pymonik.graph.verbs import Replacement, same, substitute
from pymonik.graph.visitors import NodeRun
from pymonik.values.location import ScatteredLocation

NodeOutput = tuple[Any, int]


class KeySource(Protocol):
    """Knows keys, and where values are."""

    def keys_of(self, node: Call) -> list[str | None]:
        """Return the keys of a node."""

    def find(self, key: str) -> NodeOutput | None:
        """Return where the value of a key is, if it is known."""


class SplicedGraph:
    """One graph without its known calls; calls with other arguments stand in for their users."""

    def __init__(self, source: KeySource, graph: Graph) -> None:
        # Who knows where values are.
        self._known = source
        self._parts: dict[int, list[NodeOutput]] = {}
        self._spliced: list[tuple[Call, list[NodeOutput]]] = []
        self._shared: list[NodeOutput] = []
        self._aliases = dict(graph.aliases)
        self.misses: list[tuple[str, NodeOutput, Any]] = []
        self.hits = 0
        nodes: list[Any] = []
        for node in graph.nodes:
            if isinstance(node, Call):
                keys = source.keys_of(node)  # of the arguments as they were recorded
                changed = self._renamed(node)
                nodes += self._look_up(changed, keys) if is_cached(node) else [changed]
            else:
                nodes.append(node)
        note = (f"reused {self.hits} calls: their values are known",) if self.hits else ()
        self.graph = Graph(tuple(nodes), self._aliases, graph.notes + note)

    def bind(self) -> None:
        """Let the calls that were taken out know where their values are."""
        for node, parts in self._spliced:
            node.location = ScatteredLocation(parts)
        for other, index in self._shared:  # of earlier submissions: each is wanted once more
            location, place = other.location.at(other.offset + index)
            location.share(other.offset)
            location.reclaim(place)

    @property
    def reusable(self) -> tuple[tuple[str, NodeOutput], ...]:
        """The keys of what is computed now, and where the values will be."""
        return tuple((key, place) for key, place, _ in self.misses)

    def _look_up(self, node: Call, keys: list[str | None]) -> list[Call]:
        cached = [None if key is None else self._known.find(key) for key in keys]
        hits = len(cached) - cached.count(None)
        if not hits:
            liveness = _kept_alive(node)
            own = node if node() is liveness else self._stand_in(liveness, node, node.args)
            # Of equal calls one stays in the graph: it is the recorded ones that know where it is.
            made = original_of(own)
            self.misses += [(k, (made, i), liveness) for i, k in enumerate(keys) if k is not None]
            return [own]
        self.hits += hits
        self._shared += [
            place for place in cached if place and isinstance(place[0], (Call, External))
        ]
        left: list[Call] = []
        parts: list[NodeOutput] = []
        for index, place in enumerate(cached):
            if place is None:
                liveness = _kept_alive(node)
                call = Element(liveness, node, index)
                left.append(call)
                place = call, 0
                key = keys[index]
                if key is not None:
                    self.misses.append((key, place, liveness))
            parts.append(place)
        original = original_of(node)
        self._aliases.pop(original, None)  # nobody makes its value as a whole
        self._parts[id(original)] = parts
        self._spliced.append((original, parts))
        return left

    def _stand_in(self, liveness: Any, node: Call, args: tuple[Any, ...]) -> Call:
        made = self._aliases[original_of(node)] = StandIn(liveness, node, node.spec, args)
        return made

    def _renamed(self, node: Call) -> Call:
        if not self._parts:
            return node
        reused = _Reused(self._parts)
        if node.n is None:
            args = tuple([substitute(slot, reused) for slot in node.args])
        else:
            args = tuple([column.replaced(reused, node.n) for column in node.args])
        return node if same(args, node.args) else self._stand_in(node(), node, args)


class _Reused(Replacement):
    """Outputs of calls that were taken out are found elsewhere, each on its own.

    parts: where they are, by the ids of these calls.
    """

    __slots__ = ("_parts",)

    def __init__(self, parts: Mapping[int, Sequence[NodeOutput]]) -> None:
        self._parts = parts

    def output(self, node: Any, index: int) -> Ref | None:
        """Return an output where it is; None where it is still made."""
        parts = self._parts.get(id(node))
        return None if parts is None else Ref(*parts[index])

    def column(self, node: Any, indexes: Sequence[int]) -> Values | None:
        """Return the column of outputs where they are; None where they are still made."""
        parts = self._parts.get(id(node))
        return None if parts is None else Values([Ref(*parts[index]) for index in indexes])

    def covers(self, node: Any) -> bool:
        """Return whether a call was taken out."""
        return id(node) in self._parts

    def outputs(self, node: Any, indexes: range) -> Iterator[NodeRun]:
        """Return outputs of a list where they are."""
        parts = self._parts[id(node)]
        return ((other, range(at, at + 1)) for other, at in (parts[i] for i in indexes))


def is_cached(node: Call) -> bool:
    """Return whether the values of a node are looked up."""
    # A value with a name is stored under it, so it is made.
    return node.spec.cache and node.label is None


def _kept_alive(node: Call) -> Any:
    """Return what keeps the values of a node wanted: somebody will ask for them."""
    liveness = node()
    return Liveness() if liveness is None else liveness
