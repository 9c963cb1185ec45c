"""Columns: what stands for one argument of all calls of a map.

`Const`, `Immediates`, `Values`, `Range`, `Gather`, and `Same`: the value of an earlier step of the
same element, in a fused map, where it is a slot value, too.

Enters: slot values, and nodes. Leaves: what is asked of all of them, by the same verbs as slot
values are (`slots`), and the slot value of an element (`at`). What a node is, is the business of
`ir`; how arguments are written, of `lines`, `analysis.encode` and `plan.inputs`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from pymonik.graph.slots import (
    SLOTS,
    ListOf,
    NodeRun,
    Ref,
    Spelling,
    Target,
    Template,
    contents_of,
    refs_of,
    release,
    spelled,
    substitute,
)
from pymonik.values.content import Content

__all__ = [
    "Column",
    "Const",
    "Gather",
    "Immediates",
    "ListOf",
    "Range",
    "Ref",
    "Same",
    "Template",
    "Values",
    "contents_of",
    "refs_of",
    "release",
    "spelled",
    "substitute",
]


class Column:
    """An argument of all calls of a map; these are the verbs of a column that names no node."""

    __slots__ = ()

    @property
    def whole(self) -> Any:
        """The node whose outputs it is made of, None where there is no such one."""
        return None

    @property
    def length(self) -> int | None:
        """How many elements it has, None where it is as long as its map."""
        return None

    def own(self) -> Sequence[Any]:
        """Return the slot values that are written out in it."""
        return ()

    def at(self, index: int) -> Any:
        """Return the slot value of one element."""
        return self.own()[index]

    def outputs(self, n: int) -> Iterable[NodeRun]:
        """Return the outputs that `n` elements need."""
        return ()

    def add_sources(self, sources: dict[int, Any]) -> None:
        """Add the nodes it needs, by id."""

    def replaced(self, target: Target) -> Column:
        """Return it with the outputs it names replaced by others."""
        return self

    def contents(self, n: int) -> Iterator[tuple[Content, int]]:
        """Return what is captured in it, and how many of `n` elements use each."""
        for slot in self.own():
            for content in contents_of(slot):
                yield content, 1

    def spelled(self, spelling: Spelling) -> Any:
        """Return what is equal for equal ones."""
        return (type(self), *(spelled(slot, spelling) for slot in self.own()))

    def release(self) -> None:
        """Let go of the liveness: its call stands in a graph from now on."""


class Const(Column):
    """The same slot value for every element."""

    __slots__ = ("value",)

    def __init__(self, value: Any) -> None:
        self.value = value

    def own(self) -> Sequence[Any]:
        """Return the slot values that are written out in it."""
        return (self.value,)

    def at(self, index: int) -> Any:
        """Return the slot value of one element."""
        return self.value

    def outputs(self, n: int) -> Iterable[NodeRun]:
        """Return the outputs that `n` elements need."""
        return refs_of(self.value)

    def add_sources(self, sources: dict[int, Any]) -> None:
        """Add the nodes it needs, by id."""
        if type(self.value) in SLOTS:
            self.value.add_sources(sources)

    def replaced(self, target: Target) -> Column:
        """Return it with the outputs it names replaced by others."""
        value = substitute(self.value, target)
        return self if value is self.value else Const(value)

    def contents(self, n: int) -> Iterator[tuple[Content, int]]:
        """Return what is captured in it, and how many of `n` elements use each."""
        return ((content, n) for content in contents_of(self.value))

    def release(self) -> None:
        """Let go of the liveness: its call stands in a graph from now on."""
        release(self.value)


class Immediates(Column):
    """An immediate for each element."""

    __slots__ = ("values",)

    def __init__(self, values: Sequence[Any]) -> None:
        self.values = values

    @property
    def length(self) -> int:
        """How many elements it has."""
        return len(self.values)

    def own(self) -> Sequence[Any]:
        """Return the slot values that are written out in it."""
        return self.values

    def contents(self, n: int) -> Iterator[tuple[Content, int]]:
        """Return what is captured in it, and how many of `n` elements use each."""
        return iter(())


class Values(Column):
    """A slot value of any kind for each element: blobs, gathers, bundles."""

    __slots__ = ("values",)

    def __init__(self, values: Sequence[Any]) -> None:
        self.values = values

    @property
    def length(self) -> int:
        """How many elements it has."""
        return len(self.values)

    def own(self) -> Sequence[Any]:
        """Return the slot values that are written out in it."""
        return self.values

    def outputs(self, n: int) -> Iterator[NodeRun]:
        """Return the outputs that `n` elements need."""
        for slot in self.values:
            yield from refs_of(slot)

    def add_sources(self, sources: dict[int, Any]) -> None:
        """Add the nodes it needs, by id."""
        for slot in self.values:
            if type(slot) is Ref:  # the usual case
                sources[id(slot.node)] = slot.node
            elif type(slot) in SLOTS:
                slot.add_sources(sources)

    def replaced(self, target: Target) -> Column:
        """Return it with the outputs it names replaced by others."""
        return Values([substitute(slot, target) for slot in self.values])

    def release(self) -> None:
        """Let go of the liveness: its call stands in a graph from now on."""
        for slot in self.values:
            release(slot)


class Range(Column):
    """Element i gets output `start + i * step` of a node."""

    __slots__ = ("liveness", "node", "start", "step")

    def __init__(self, node: Any, start: int, step: int, liveness: Any = None) -> None:
        self.node = node
        self.start = start
        self.step = step
        self.liveness = liveness

    @property
    def whole(self) -> Any:
        """The node whose outputs it is made of."""
        return self.node

    def at(self, index: int) -> Any:
        """Return the slot value of one element."""
        return Ref(self.node, self.start + index * self.step, self.liveness)

    def outputs(self, n: int) -> Iterable[NodeRun]:
        """Return the outputs that `n` elements need."""
        # A step of 0 cannot arise: such a column is a constant.
        return ((self.node, range(self.start, self.start + n * self.step, self.step)),)

    def add_sources(self, sources: dict[int, Any]) -> None:
        """Add the nodes it needs, by id."""
        sources[id(self.node)] = self.node

    def replaced(self, target: Target) -> Column:
        """Return it with the outputs it names replaced by others."""
        node, start = target(self.node, self.start)
        return self if node is self.node else Range(node, start, self.step)

    def spelled(self, spelling: Spelling) -> Any:
        """Return what is equal for equal ones."""
        return (Range, spelling.output(self.node, self.start), self.step)

    def release(self) -> None:
        """Let go of the liveness: its call stands in a graph from now on."""
        self.liveness = None


class Gather(Column):
    """Element i gets output `indexes[i]` of a node: its values in another order, some of them."""

    __slots__ = ("indexes", "node")

    def __init__(self, node: Any, indexes: Sequence[int]) -> None:
        self.node = node
        self.indexes = indexes

    @property
    def whole(self) -> Any:
        """The node whose outputs it is made of."""
        return self.node

    @property
    def length(self) -> int:
        """How many elements it has."""
        return len(self.indexes)

    def at(self, index: int) -> Any:
        """Return the slot value of one element."""
        return Ref(self.node, self.indexes[index])

    def outputs(self, n: int) -> Iterator[NodeRun]:
        """Return the outputs that `n` elements need."""
        return ((self.node, range(index, index + 1)) for index in self.indexes)

    def add_sources(self, sources: dict[int, Any]) -> None:
        """Add the nodes it needs, by id."""
        sources[id(self.node)] = self.node

    def replaced(self, target: Target) -> Column:
        """Return it with the outputs it names replaced by others."""
        node, offset = target(self.node, 0)
        if node is self.node:
            return self
        return Gather(node, [offset + i for i in self.indexes] if offset else self.indexes)

    def spelled(self, spelling: Spelling) -> Any:
        """Return what is equal for equal ones."""
        return (Gather, spelling.output(self.node, 0), *self.indexes)


class Same(Column):
    """Element i gets what an earlier step of a fused map made for element i."""

    __slots__ = ("step",)

    def __init__(self, step: int) -> None:
        self.step = step

    def at(self, index: int) -> Any:
        """Return the slot value of one element."""
        return self

    def spelled(self, spelling: Spelling) -> Any:
        """Return what is equal for equal ones."""
        return (Same, self.step)
