"""Slot values and columns: what stands for one argument, of one call or of all calls of a map.

Slot values: an immediate (itself), a `Content`, a `Ref` to one output, a `ListOf` of outputs
(arrives as a list), or `Nested` (a content with holes for others). Columns: `Const`, `Immediates`,
`Each`, `Range`, `Gather`, and `Same` (the value of an earlier step of the same element, in a fused
map).

Enters: what recording captured. Leaves: which outputs of which nodes it needs, the slot value of an
element, and the same with other nodes in their places. What a node is, is the business of `ir`.

An argument of a recorded call is a use of the value that it names, wherever the handle goes: it
holds the *anchor* of that value, by which the flush sees what is wanted (see `ir.Call`). Once a
flush has taken the call, its graph shows the use, and `release` lets go of the anchor.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from pymonik.values.content import Content


class Ref:
    """One output of a node, and the anchor of its value until a flush has taken the call."""

    __slots__ = ("anchor", "index", "node")

    def __init__(self, node: Any, index: int, anchor: Any = None) -> None:
        self.node = node
        self.index = index
        self.anchor = anchor


class ListOf:
    """Outputs that arrive as one list: runs of (node, range of indexes), and their anchors."""

    __slots__ = ("anchors", "runs")

    def __init__(self, runs: tuple[tuple[Any, range], ...], anchors: Any = ()) -> None:
        self.runs = runs
        self.anchors = anchors

    def __len__(self) -> int:
        return sum(len(indexes) for _, indexes in self.runs)


class Nested:
    """A content with numbered holes, and the slot values that go there."""

    __slots__ = ("content", "slots")

    def __init__(self, content: Content, slots: tuple[Any, ...]) -> None:
        self.content = content
        self.slots = slots


class Const:
    """The same slot value for every element."""

    __slots__ = ("value",)

    def __init__(self, value: Any) -> None:
        self.value = value


class Immediates:
    """An immediate for each element."""

    __slots__ = ("values",)

    def __init__(self, values: Sequence[Any]) -> None:
        self.values = values


class Each:
    """A slot value of any kind for each element: blobs, gathers, bundles."""

    __slots__ = ("values",)

    def __init__(self, values: Sequence[Any]) -> None:
        self.values = values


class Range:
    """Element i gets output `start + i * step` of a node."""

    __slots__ = ("anchor", "node", "start", "step")

    def __init__(self, node: Any, start: int, step: int, anchor: Any = None) -> None:
        self.node = node
        self.start = start
        self.step = step
        self.anchor = anchor


class Gather:
    """Element i gets output `indexes[i]` of a node: its values in another order, some of them."""

    __slots__ = ("indexes", "node")

    def __init__(self, node: Any, indexes: Sequence[int]) -> None:
        self.node = node
        self.indexes = indexes


class Same:
    """Element i gets what an earlier step of a fused map made for element i."""

    __slots__ = ("step",)

    def __init__(self, step: int) -> None:
        self.step = step


Column = Const | Immediates | Each | Range | Gather | Same


def release(argument: Any) -> None:
    """Let go of the anchors that an argument holds: its call stands in a graph from now on."""
    kind = type(argument)
    if kind is Ref or kind is Range:
        argument.anchor = None
    elif kind is ListOf:
        argument.anchors = ()
    elif kind is Const:
        release(argument.value)
    elif kind is Each:
        for value in argument.values:
            release(value)
    elif kind is Nested:
        for slot in argument.slots:
            release(slot)


def refs_of(slot: Any) -> Iterator[tuple[Any, range]]:
    """Return the outputs a slot value needs, as runs of (node, indexes)."""
    kind = type(slot)
    if kind is Ref:
        yield slot.node, range(slot.index, slot.index + 1)
    elif kind is ListOf:
        yield from slot.runs
    elif kind is Nested:
        for inner in slot.slots:
            yield from refs_of(inner)


def column_refs(column: Any, n: int) -> Iterator[tuple[Any, range]]:
    """Return the outputs a column needs, as runs of (node, indexes)."""
    kind = type(column)
    if kind is Const:
        yield from refs_of(column.value)
    elif kind is Range:
        # A step of 0 cannot arise: such a column is a constant.
        yield column.node, range(column.start, column.start + n * column.step, column.step)
    elif kind is Gather:
        for index in column.indexes:
            yield column.node, range(index, index + 1)
    elif kind is Each:
        for slot in column.values:
            yield from refs_of(slot)


def slot_at(column: Any, index: int) -> Any:
    """Return the slot value of one element of a column."""
    if isinstance(column, Const):
        return column.value
    if isinstance(column, Range):
        return Ref(column.node, column.start + index * column.step, column.anchor)
    if isinstance(column, Gather):
        return Ref(column.node, column.indexes[index])
    return column.values[index]


def substitute(slot: Any, target: Callable[[Any, int], tuple[Any, int]]) -> Any:
    """Rebuild a slot value with every output it names replaced by another."""
    kind = type(slot)
    if kind is Ref:
        node, index = target(slot.node, slot.index)
        return slot if node is slot.node and index == slot.index else Ref(node, index)
    if kind is ListOf:
        return ListOf(_merge_runs(slot.runs, target))
    if kind is Nested:
        return Nested(slot.content, tuple(substitute(inner, target) for inner in slot.slots))
    return slot


def _merge_runs(
    runs: Iterable[tuple[Any, range]], target: Callable[[Any, int], tuple[Any, int]]
) -> tuple[tuple[Any, range], ...]:
    merged: list[tuple[Any, range]] = []
    for node, indexes in runs:
        if not indexes:
            continue
        new, first = target(node, indexes[0])
        step = indexes.step if len(indexes) > 1 else 1
        run = range(first, first + len(indexes) * step, step)
        if merged and merged[-1][0] is new and _follows(merged[-1][1], run):
            last = merged.pop()[1]
            run = range(last.start, run.start + len(run) * run.step, run.step)
        merged.append((new, run))
    return tuple(merged)


def _follows(before: range, after: range) -> bool:
    return before.step == after.step and before.start + len(before) * before.step == after.start
