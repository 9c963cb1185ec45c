"""Columns: what stands for one argument of all calls of a map.

`Const`, `Immediates`, `Values`, `Range`, `Gather`, and `FromStep`: the value of an earlier step of
the same element, in a fused map, where it is a slot value, too.

Enters: slot values, and nodes. Leaves: what is asked of all of them, by the same verbs as slot
values are (`verbs`), and the slot value of an element (`at`), or the column of some (`take`). What
a node is, is the business of `ir`; how columns are made of slot values, of `compact`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from pymonik.graph.slots import SLOTS, Ref
from pymonik.graph.verbs import (
    Column,
    Replacement,
    Slot,
    contents_of,
    refs_of,
    release,
    same,
)
from pymonik.graph.visitors import ColumnVisitor, NodeRun, SlotVisitor
from pymonik.values.content import Content


class Const(Column):
    """The same slot value for every element."""

    __slots__ = ("value",)
    is_constant = True

    def __init__(self, value: Any) -> None:
        self.value = value

    def own(self) -> Sequence[Any]:
        """Return the one slot value."""
        return (self.value,)

    def at(self, index: int) -> Any:
        """Return the one slot value."""
        return self.value

    def outputs(self, n: int) -> Iterable[NodeRun]:
        """Return the outputs that all elements need."""
        return refs_of(self.value)

    def uses(self, n: int) -> Iterable[tuple[Any, bool]]:
        """Return the nodes it needs; one element alone may be in step with what it uses."""
        return self.value.uses(n, 0 if n == 1 else -1) if type(self.value) in SLOTS else ()

    def add_sources(self, sources: dict[int, Any]) -> None:
        """Add the nodes that all elements need."""
        if type(self.value) in SLOTS:
            self.value.add_sources(sources)

    def replaced(self, by: Replacement, n: int) -> Column:
        """Return the column of what stands for the outputs."""
        value = self.value.replaced(by) if type(self.value) in _SLOTS else self.value
        return self if value is self.value else constant(value)

    def contents(self, n: int) -> Iterator[tuple[Content, int]]:
        """Return what is captured in it: all elements use it."""
        return ((content, n) for content in contents_of(self.value))

    def accept(self, visitor: ColumnVisitor, n: int) -> Any:
        """Return the slot value as a visitor writes it."""
        return visitor.const(self.value)

    def release(self) -> None:
        """Let go of the liveness of its slot value."""
        release(self.value)


class _Written(Column):
    """A slot value for each element, written out."""

    __slots__ = ("values",)

    def __init__(self, values: Sequence[Any]) -> None:
        self.values = values

    @property
    def length(self) -> int:
        """How many elements it has."""
        return len(self.values)

    def own(self) -> Sequence[Any]:
        """Return the slot values."""
        return self.values

    def take(self, start: int, stop: int) -> Column:
        """Return the column of the slot values from start to stop."""
        return type(self)(self.values[start:stop])


class Immediates(_Written):
    """An immediate for each element: none of them is looked at but by formats."""

    __slots__ = ()

    def contents(self, n: int) -> Iterator[tuple[Content, int]]:
        """Return none."""
        return iter(())

    def steps(self) -> Iterable[int]:
        """Return none."""
        return ()

    def accept(self, visitor: ColumnVisitor, n: int) -> Any:
        """Return the immediates as a visitor writes them."""
        return visitor.immediates(self.values)


class Values(_Written):
    """A slot value of any kind for each element: blobs, outputs of several nodes, lists."""

    __slots__ = ()

    def outputs(self, n: int) -> Iterator[NodeRun]:
        """Return the outputs of each slot value."""
        for slot in self.values:
            yield from refs_of(slot)

    def uses(self, n: int) -> Iterator[tuple[Any, bool]]:
        """Return the nodes of each slot value."""
        for index, slot in enumerate(self.values):
            if type(slot) in SLOTS:
                yield from slot.uses(n, index)

    def add_sources(self, sources: dict[int, Any]) -> None:
        """Add the nodes of each slot value."""
        for slot in self.values:
            if type(slot) is Ref:  # the usual case
                sources[id(slot.node)] = slot.node
            elif type(slot) in SLOTS:
                slot.add_sources(sources)

    def replaced(self, by: Replacement, n: int) -> Column:
        """Return the column of what stands for the outputs of each slot value."""
        values = [slot.replaced(by) if type(slot) in _SLOTS else slot for slot in self.values]
        return self if same(values, self.values) else Values(values)

    def accept(self, visitor: ColumnVisitor, n: int) -> Any:
        """Return the slot values as a visitor writes them."""
        return visitor.each(self.values)

    def release(self) -> None:
        """Let go of the liveness of each slot value."""
        for slot in self.values:
            release(slot)


class _OfNode(Column):
    """Outputs of one node, one for each element."""

    __slots__ = ("node",)

    def add_sources(self, sources: dict[int, Any]) -> None:
        """Add the node."""
        sources[id(self.node)] = self.node


class Range(_OfNode):
    """Element i gets output `start + i * step` of a node."""

    __slots__ = ("liveness", "start", "step")
    is_run = True

    def __init__(self, node: Any, start: int, step: int, liveness: Any = None) -> None:
        self.node = node
        self.start = start
        self.step = step
        self.liveness = liveness

    def indexes(self, n: int) -> range:
        """Return the indexes of the outputs that `n` elements get."""
        # A step of 0 cannot arise: such a column is a constant.
        return range(self.start, self.start + n * self.step, self.step)

    def at(self, index: int) -> Any:
        """Return the output that one element gets."""
        return Ref(self.node, self.start + index * self.step, self.liveness)

    def take(self, start: int, stop: int) -> Column:
        """Return the outputs of the elements from start to stop."""
        return Range(self.node, self.start + start * self.step, self.step)

    def outputs(self, n: int) -> Iterable[NodeRun]:
        """Return the outputs, which are one run."""
        return ((self.node, self.indexes(n)),)

    def uses(self, n: int) -> Iterable[tuple[Any, bool]]:
        """Return the node; a range of all its outputs is in step with it."""
        is_all = self.start == 0 and self.step == 1 and getattr(self.node, "n", 0) == n
        return ((self.node, is_all),)

    def replaced(self, by: Replacement, n: int) -> Any:
        """Return the column of what stands for the outputs."""
        return by.column(self.node, self.indexes(n)) or self

    def accept(self, visitor: ColumnVisitor, n: int) -> Any:
        """Return the outputs as a visitor writes them."""
        return visitor.run(self.node, self.indexes(n))

    def release(self) -> None:
        """Let go of its liveness."""
        self.liveness = None


class Gather(_OfNode):
    """Element i gets output `indexes[i]` of a node: its values in another order, some of them."""

    __slots__ = ("indexes",)

    def __init__(self, node: Any, indexes: Sequence[int]) -> None:
        self.node = node
        self.indexes = indexes

    @property
    def length(self) -> int:
        """How many elements it has."""
        return len(self.indexes)

    def at(self, index: int) -> Any:
        """Return the output that one element gets."""
        return Ref(self.node, self.indexes[index])

    def take(self, start: int, stop: int) -> Column:
        """Return the outputs of the elements from start to stop."""
        return Gather(self.node, self.indexes[start:stop])

    def outputs(self, n: int) -> Iterator[NodeRun]:
        """Return the outputs one by one."""
        return ((self.node, range(index, index + 1)) for index in self.indexes)

    def uses(self, n: int) -> Iterable[tuple[Any, bool]]:
        """Return the node, which it is not in step with."""
        return ((self.node, False),)

    def replaced(self, by: Replacement, n: int) -> Any:
        """Return the column of what stands for the outputs."""
        return by.column(self.node, self.indexes) or self

    def accept(self, visitor: ColumnVisitor, n: int) -> Any:
        """Return the outputs as a visitor writes them."""
        return visitor.gather(self.node, self.indexes)


class FromStep(Slot, Column):
    """Element i gets what an earlier step of a fused map made for element i."""

    __slots__ = ("step",)

    def __init__(self, step: int) -> None:
        self.step = step

    def at(self, index: int) -> Any:
        """Return itself: it is a slot value, too."""
        return self

    def outputs(self, n: int = 0) -> Iterable[NodeRun]:
        """Return none: the value is made by the same map."""
        return ()

    def uses(self, n: int = 0, index: int = 0) -> Iterable[tuple[Any, bool]]:
        """Return none: the value is made by the same map."""
        return ()

    def replaced(self, by: Replacement, n: int = 0) -> Any:
        """Return the step where it stands now."""
        return FromStep(by.first_step + self.step) if by.first_step else self

    def contents(self, n: int = 0) -> Iterator[Any]:
        """Return none."""
        return iter(())

    def steps(self) -> Iterable[int]:
        """Return the step."""
        return (self.step,)

    def accept(self, visitor: SlotVisitor | ColumnVisitor, n: int = 0) -> Any:
        """Return the earlier step as a visitor writes it."""
        return visitor.earlier(self.step)


# Columns that never name a node.
NAMELESS = frozenset({FromStep, Immediates})
# All slot values that are classes of ours.
_SLOTS = SLOTS | {FromStep}


def constant(slot: Any) -> Column:
    """Return the column of a slot value that is the same for all elements."""
    return slot if isinstance(slot, FromStep) else Const(slot)
