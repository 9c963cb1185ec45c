"""Slot values: what stands for one argument of one call.

An immediate (itself), a `Content`, a `Ref` to one output, a `ListOf` of outputs (arrives as a
list), or `Template` (a content with holes for others).

Enters: what recording captured. Leaves: what is asked of it, one verb for each thing: which outputs
it needs (`outputs`, `add_sources`), the same with other nodes in their places (`replaced`), what is
captured in it (`contents`), and what is equal for equal ones (`spelled`). Immediates and contents,
which are no classes of ours, are asked through the functions at the end.

An argument of a recorded call is a use of the value that it names, wherever the handle goes: it
holds the *liveness* of that value, by which the flush sees what is wanted (see `ir.Call`). Once a
flush has taken the call, its graph shows the use, and `release` lets go of the liveness.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any, Protocol

from pymonik.values.content import Content

# Outputs of a node, by their indexes.
NodeRun = tuple[Any, range]
# Gives the output that is to stand where another one is named.
Target = Callable[[Any, int], tuple[Any, int]]


class Spelling(Protocol):
    """Says what is equal for equal parts of an argument: see `spelled`."""

    def content(self, content: Content, holes: int) -> Any:
        """Spell a content that has so many holes."""

    def output(self, node: Any, index: int) -> Any:
        """Spell one output of a node."""

    def outputs(self, node: Any, indexes: range) -> Any:
        """Spell a run of outputs, in a list."""

    def immediate(self, value: Any) -> Any:
        """Spell a plain value."""


class Ref:
    """One output of a node, and the liveness of its value until a flush has taken the call."""

    __slots__ = ("liveness", "index", "node")

    def __init__(self, node: Any, index: int, liveness: Any = None) -> None:
        self.node = node
        self.index = index
        self.liveness = liveness

    def outputs(self) -> Iterable[NodeRun]:
        """Return the outputs it needs."""
        return ((self.node, range(self.index, self.index + 1)),)

    def add_sources(self, sources: dict[int, Any]) -> None:
        """Add the nodes it needs, by id."""
        sources[id(self.node)] = self.node

    def replaced(self, target: Target) -> Ref:
        """Return it with the outputs it names replaced by others."""
        node, index = target(self.node, self.index)
        return self if node is self.node and index == self.index else Ref(node, index)

    def contents(self) -> Iterable[Content]:
        """Return what is captured in it."""
        return ()

    def spelled(self, spelling: Spelling) -> Any:
        """Return what is equal for equal ones."""
        return spelling.output(self.node, self.index)

    def release(self) -> None:
        """Let go of the liveness: its call stands in a graph from now on."""
        self.liveness = None


class ListOf:
    """Outputs that arrive as one list: runs of (node, range of indexes), and their liveness."""

    __slots__ = ("liveness_of", "runs")

    def __init__(self, runs: tuple[NodeRun, ...], liveness_of: Any = ()) -> None:
        self.runs = runs
        self.liveness_of = liveness_of

    def __len__(self) -> int:
        return sum(len(indexes) for _, indexes in self.runs)

    def outputs(self) -> Iterable[NodeRun]:
        """Return the outputs it needs."""
        return self.runs

    def add_sources(self, sources: dict[int, Any]) -> None:
        """Add the nodes it needs, by id."""
        for node, _ in self.runs:
            sources[id(node)] = node

    def replaced(self, target: Target) -> ListOf:
        """Return it with the outputs it names replaced by others."""
        return ListOf(_merge_runs(self.runs, target))

    def contents(self) -> Iterable[Content]:
        """Return what is captured in it."""
        return ()

    def spelled(self, spelling: Spelling) -> Any:
        """Return what is equal for equal ones."""
        return (ListOf, *(spelling.outputs(node, indexes) for node, indexes in self.runs))

    def release(self) -> None:
        """Let go of the liveness: its call stands in a graph from now on."""
        self.liveness_of = ()


class Template:
    """A content with numbered holes, and the slot values that go there."""

    __slots__ = ("content", "slots")

    def __init__(self, content: Content, slots: tuple[Any, ...]) -> None:
        self.content = content
        self.slots = slots

    def outputs(self) -> Iterator[NodeRun]:
        """Return the outputs it needs."""
        for slot in self.slots:
            yield from refs_of(slot)

    def add_sources(self, sources: dict[int, Any]) -> None:
        """Add the nodes it needs, by id."""
        for slot in self.slots:
            if type(slot) in SLOTS:
                slot.add_sources(sources)

    def replaced(self, target: Target) -> Template:
        """Return it with the outputs it names replaced by others."""
        return Template(self.content, tuple([substitute(slot, target) for slot in self.slots]))

    def contents(self) -> Iterator[Content]:
        """Return what is captured in it."""
        yield self.content
        for slot in self.slots:
            yield from contents_of(slot)

    def spelled(self, spelling: Spelling) -> Any:
        """Return what is equal for equal ones."""
        inner = [spelled(slot, spelling) for slot in self.slots]
        return (Template, spelling.content(self.content, len(self.slots)), *inner)

    def release(self) -> None:
        """Let go of the liveness: its call stands in a graph from now on."""
        for slot in self.slots:
            release(slot)


SLOTS = frozenset({Ref, ListOf, Template})


# ----- the same of any slot value: immediates and contents name no output


def refs_of(slot: Any) -> Iterable[NodeRun]:
    """Return the outputs a slot value needs, as runs of (node, indexes)."""
    return slot.outputs() if type(slot) in SLOTS else ()


def substitute(slot: Any, target: Target) -> Any:
    """Return a slot value with every output it names replaced by another."""
    return slot.replaced(target) if type(slot) in SLOTS else slot


def contents_of(slot: Any) -> Iterable[Content]:
    """Return what is captured in a slot value."""
    if type(slot) in SLOTS:
        return slot.contents()  # type: ignore[no-any-return]
    return (slot,) if isinstance(slot, Content) else ()


def spelled(slot: Any, spelling: Spelling) -> Any:
    """Return what is equal for equal slot values; it can be hashed where all parts can."""
    if hasattr(slot, "spelled"):
        return slot.spelled(spelling)
    return spelling.content(slot, 0) if type(slot) is Content else spelling.immediate(slot)


def release(slot: Any) -> None:
    """Let go of the liveness that a slot value holds."""
    if type(slot) in SLOTS:
        slot.release()


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
