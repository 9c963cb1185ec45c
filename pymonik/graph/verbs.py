"""Verbs: what slot values and columns are asked for, one verb for each thing.

Which outputs one needs (`outputs`, `uses`, `add_sources`), the same with others in their places
(`replaced`), what is captured in it (`contents`), and how it is written in some format (`accept`).
The kinds are in `slots` and `columns`. Immediates and contents, which are no classes of ours, are
asked through the functions at the end.
"""

from __future__ import annotations

import operator
from abc import abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from pymonik.graph.visitors import ColumnVisitor, NodeRun, SlotVisitor
from pymonik.values.content import IMMEDIATE, Content


class Replacement:
    """What is to stand where outputs of some nodes are named; as it is, nothing is replaced."""

    __slots__ = ()
    # In a fused map: how many steps precede those of the map that is being rewritten.
    first_step = 0

    def output(self, node: Any, index: int) -> Any:
        """Return the slot value that stands for one output; None where it stays."""

    def column(self, node: Any, indexes: Sequence[int]) -> Any:
        """Return the column that stands for one output an element; None where they stay."""

    def covers(self, node: Any) -> bool:
        """Return whether others stand for the outputs of a node: only then `outputs` is asked."""
        return False

    def outputs(self, node: Any, indexes: range) -> Iterable[NodeRun] | None:
        """Return the outputs that stand for some in a list; None where they are no outputs."""


# What is abstract here is so for the type checker, which refuses to make a kind that lacks it: with
# the metaclass of `abc`, `isinstance`, asked of every argument, takes three to ten times as long.


class Slot:
    """The verbs of a slot value that names no output and has nothing captured in it."""

    __slots__ = ()
    # The node whose one output it is, None where there is no such one.
    node: Any = None

    def outputs(self) -> Iterable[NodeRun]:
        """Return the outputs it needs."""
        return ()

    def uses(self, n: int, index: int) -> Iterable[tuple[Any, bool]]:
        """Return the nodes whose outputs it needs, maybe several times.

        index: which of `n` elements it is of: True where it needs the output of its own place in a
        map as long, and no other.
        """
        return [
            (node, run.start == index and len(run) == 1 and getattr(node, "n", 0) == n)
            for node, run in self.outputs()
        ]

    def add_sources(self, sources: dict[int, Any]) -> None:
        """Add the nodes it needs, by id."""

    def replaced(self, by: Replacement) -> Any:
        """Return it with the outputs it names replaced by others: itself where none is."""
        return self

    def contents(self) -> Iterable[Content]:
        """Return what is captured in it."""
        return ()

    def steps(self) -> Iterable[int]:
        """Return the earlier steps of the same element whose values it needs."""
        return ()

    @abstractmethod
    def accept(self, visitor: SlotVisitor) -> Any:
        """Return it as a visitor writes it."""

    def release(self) -> None:
        """Let go of the liveness: its call stands in a graph from now on."""


class Column:
    """An argument of all calls of a map; these are the verbs of a column that names no node."""

    __slots__ = ()
    # The node whose outputs it is made of, None where there is no such one.
    node: Any = None
    # Whether it is the same for all elements, or outputs of one node at equal distances.
    is_constant = False
    is_run = False

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

    def take(self, start: int, stop: int) -> Column:
        """Return the column of the elements from start to stop."""
        return self

    def outputs(self, n: int) -> Iterable[NodeRun]:
        """Return the outputs that `n` elements need."""
        return ()

    def uses(self, n: int) -> Iterable[tuple[Any, bool]]:
        """Return the nodes whose outputs `n` elements need: see `Slot.uses`."""
        return ((node, False) for node, _ in self.outputs(n))

    def add_sources(self, sources: dict[int, Any]) -> None:
        """Add the nodes it needs, by id."""

    def replaced(self, by: Replacement, n: int) -> Any:
        """Return it with the outputs it names replaced by others: itself where none is."""
        return self

    def contents(self, n: int) -> Iterator[tuple[Content, int]]:
        """Return what is captured in it, and how many of `n` elements use each."""
        for slot in self.own():
            for content in contents_of(slot):
                yield content, 1

    def steps(self) -> Iterable[int]:
        """Return the earlier steps of its map whose values it needs."""
        for slot in self.own():
            yield from steps_of(slot)

    @abstractmethod
    def accept(self, visitor: ColumnVisitor, n: int) -> Any:
        """Return it, for `n` elements, as a visitor writes it."""

    def release(self) -> None:
        """Let go of the liveness: its call stands in a graph from now on."""


# The same of any slot value: immediates and contents name no output.


def visit(slot: Any, visitor: SlotVisitor) -> Any:
    """Return a slot value as a visitor writes it."""
    kind = type(slot)
    if kind in IMMEDIATE:  # most of them
        return visitor.immediate(slot)
    if isinstance(slot, Slot):
        return slot.accept(visitor)
    return visitor.content(slot) if kind is Content else visitor.immediate(slot)


def refs_of(slot: Any) -> Iterable[NodeRun]:
    """Return the outputs a slot value needs, as runs of (node, indexes)."""
    return slot.outputs() if isinstance(slot, Slot) else ()


def substitute(slot: Any, by: Replacement) -> Any:
    """Return a slot value with the outputs it names replaced by others."""
    return slot.replaced(by) if isinstance(slot, Slot) else slot


def contents_of(slot: Any) -> Iterable[Content]:
    """Return what is captured in a slot value."""
    if isinstance(slot, Slot):
        return slot.contents()
    return (slot,) if isinstance(slot, Content) else ()


def steps_of(slot: Any) -> Iterable[int]:
    """Return the earlier steps of the same element whose values a slot value needs."""
    return slot.steps() if isinstance(slot, Slot) else ()


def same(one: Iterable[Any], other: Iterable[Any]) -> bool:
    """Return whether two sequences as long hold the very same objects."""
    return all(map(operator.is_, one, other))


def release(slot: Any) -> None:
    """Let go of the liveness that a slot value holds."""
    if isinstance(slot, Slot):
        slot.release()
