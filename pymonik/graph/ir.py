"""The IR: a graph is a list of nodes, a node names only nodes before it.

Recording appends `Call` calls and maps, and `Put`s (`nodes`); the pass `vectorize` turns them into
`Map`s, which the later passes and lowering read. `External`s, what other programs make, are used
and stand in no graph. What a node means does not change once it is recorded: what is known of its
values stands beside it (`value_state`). A call that is replaced stays, and the graph has an alias.

What the arguments of calls and maps are, slot values and columns, stands in `slots` and `columns`.

The classes have slots and no checks: a call is recorded in about two microseconds.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from pymonik.graph.arguments import sources_of
from pymonik.graph.call_spec import CallSpec
from pymonik.graph.nodes import (
    Call,
    Element,
    External,
    NamedValue,
    Put,
    StandIn,
    let_go,
    line_alone,
    line_of,
    original_of,
)
from pymonik.graph.verbs import Column
from pymonik.system.structs import Struct

__all__ = [
    "Block",
    "Call",
    "CallSpec",
    "Element",
    "External",
    "Graph",
    "Map",
    "NamedValue",
    "Put",
    "StandIn",
    "Step",
    "externals",
    "inputs",
    "line_of",
    "names_of",
    "original_of",
    "taken",
]


def names_of(steps: list[str]) -> str:
    """Return the name of a map whose steps have these names."""
    if len(steps) > 4:
        steps = [*steps[:2], f"… {len(steps) - 3} more", steps[-1]]
    return "; ".join(steps)


class Step:
    """One call for each element of a map.

    `origins` are the recorded nodes it stands for: one map, or a call for each element; `wanted`
    says which values somebody can ask for: all, none, or a bit an element.
    """

    __slots__ = ("columns", "origins", "spec", "wanted")

    def __init__(
        self,
        spec: CallSpec,
        columns: tuple[Column, ...],
        origins: tuple[Call, ...],
        wanted: bool | bytes = True,
    ) -> None:
        self.spec = spec
        self.columns = columns
        self.origins = origins
        self.wanted = wanted

    @property
    def ids(self) -> dict[int, str] | None:
        """The ids that were handed out for its values: each of them is then a unit of its own."""
        return self.origins[0].ids if len(self.origins) == 1 else None

    @property
    def is_wanted(self) -> bool:
        """Return whether any value of this step can be asked for."""
        return self.wanted if isinstance(self.wanted, bool) else any(self.wanted)


class Map:
    """`n` elements, each a run of steps; units take `chunk` elements (0: not decided yet)."""

    __slots__ = ("__weakref__", "chunk", "depth", "n", "steps")
    is_block = False

    def __init__(self, steps: tuple[Step, ...], n: int, chunk: int = 0, depth: int = 0) -> None:
        self.steps = steps
        self.n = n
        self.chunk = chunk
        self.depth = depth

    def of_steps(self, steps: tuple[Step, ...]) -> Map:
        """Return this map with other steps."""
        return Map(steps, self.n, self.chunk, self.depth)

    def in_units(self, chunk: int) -> Map:
        """Return this map cut into units of `chunk` elements."""
        return Map(self.steps, self.n, chunk, self.depth)

    @property
    def spec(self) -> CallSpec:
        """What the first step's calls share: fused steps agree on where they run."""
        return self.steps[0].spec

    @property
    def name(self) -> str:
        """The names of the steps, in order."""
        return names_of([step.spec.name for step in self.steps])

    @property
    def values(self) -> int:
        """How many values others can name: those of the last step."""
        return self.n

    @property
    def units(self) -> int:
        """How many units it makes."""
        return -(-self.n // (self.chunk or self.n)) if self.n else 0

    def line(self, numbers: dict[int, str]) -> str:
        """Return its line in a graph whose nodes have these numbers: see `graph.show`."""
        from pymonik.graph.lines import map_line

        return map_line(self, numbers)

    def __repr__(self) -> str:
        return line_alone(self, _sources(self))


class Block(Map):
    """Calls that make one unit, whatever they use of each other: one element of many steps.

    Others can name the value of each step: output k is that of step k. lanes: of each step, where
    several executors may run the unit together, each the steps of some lanes.
    """

    __slots__ = ("lanes",)
    is_block = True

    def __init__(self, steps: tuple[Step, ...], depth: int = 0, lanes: bytes | None = None) -> None:
        super().__init__(steps, 1, 1, depth)
        self.lanes = lanes

    @property
    def values(self) -> int:
        """How many values others can name: those of all steps."""
        return len(self.steps)

    def of_steps(self, steps: tuple[Step, ...]) -> Block:
        """Return this block with other steps."""
        return Block(steps, self.depth, self.lanes)

    def in_units(self, chunk: int) -> Block:
        """Return the block: it is a unit."""
        return self


class Graph(Struct):
    """Nodes in an order in which they could run, and why they are as they are.

    `aliases` maps a recorded call to the one that makes its value: an equal one (by `cse`), or a
    `StandIn` of its own.
    `notes` are the reasons passes gave for their decisions.
    `scattered` are recorded maps whose elements stand in several nodes, as calls of their own.
    """

    nodes: tuple[Any, ...]
    aliases: dict[Call, Call]
    notes: tuple[str, ...] = ()
    scattered: tuple[tuple[Call, tuple[Call, ...]], ...] = ()

    @property
    def calls(self) -> int:
        """How many calls it makes."""
        return sum(_calls(node) for node in self.nodes)


def taken(nodes: Iterable[Any], stand_ins: Mapping[Call, Call] | None = None) -> Graph:
    """Return the graph of recorded nodes, which are the calls that a flush takes.

    What they use of each other stands in the graph: they hold nothing alive any more. What keeps a
    value wanted is then its handle or its name, or a call that was recorded since. stand_ins: what
    stands for some of them.
    """
    nodes = tuple(nodes)
    let_go(nodes)
    if not stand_ins:
        return Graph(nodes, {})
    made = {node: stand_ins[node] for node in nodes if node in stand_ins}
    return Graph(tuple([made.get(node, node) for node in nodes]), made)


def _calls(node: Any) -> int:
    if isinstance(node, Map):
        return node.n * len(node.steps)
    if isinstance(node, Call):
        return 1 if node.n is None else node.n
    return 0


def inputs(node: Any) -> Iterable[Any]:
    """Return the nodes a node needs, each once, in the order met."""
    return _sources(node).values()


def externals(graph: Graph) -> Iterable[External]:
    """Return the values of other programs that a graph uses, each once."""
    used = (source for node in graph.nodes for source in inputs(node))
    return {id(source): source for source in used if type(source) is External}.values()


def _sources(node: Any) -> dict[int, Any]:
    if isinstance(node, Map):
        return sources_of(column for step in node.steps for column in step.columns)
    return sources_of(node.args) if isinstance(node, Call) else {}
