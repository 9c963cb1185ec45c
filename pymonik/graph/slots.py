"""Slot values: what stands for one argument of one call.

An immediate (itself), a `Content`, a `Ref` to one output, a `ListOf` of outputs (arrives as a
list), or `Template` (a content with holes for others).

Enters: what recording captured. Leaves: what is asked of it, by the verbs of `verbs`.

An argument of a recorded call is a use of the value that it names, wherever the handle goes: it
holds the *liveness* of that value, by which the flush sees what is wanted (see `ir.Call`). Once a
flush has taken the call, its graph shows the use, and `release` lets go of the liveness. Where all
arguments are handles and numbers, the call holds them itself (`ValueState.held`), and the flush
makes slot values of them, which it shares with others that use the same handles.
"""

from __future__ import annotations

import pickle
from collections.abc import Iterable, Iterator
from functools import lru_cache
from typing import Any

from pymonik.graph.verbs import (
    Replacement,
    Slot,
    contents_of,
    refs_of,
    release,
    same,
    steps_of,
    substitute,
)
from pymonik.graph.visitors import NodeRun, SlotVisitor
from pymonik.values.content import IMMEDIATE, Content, Hole


class Ref(Slot):
    """One output of a node, and the liveness of its value until a flush has taken the call."""

    __slots__ = ("liveness", "index", "node")

    def __init__(self, node: Any, index: int, liveness: Any = None) -> None:
        self.node = node
        self.index = index
        self.liveness = liveness

    def outputs(self) -> Iterable[NodeRun]:
        """Return the output it is."""
        return ((self.node, range(self.index, self.index + 1)),)

    def uses(self, n: int, index: int) -> Iterable[tuple[Any, bool]]:
        """Return the node whose output it is."""
        return ((self.node, self.index == index and getattr(self.node, "n", 0) == n),)

    def add_sources(self, sources: dict[int, Any]) -> None:
        """Add the node whose output it is."""
        sources[id(self.node)] = self.node

    def replaced(self, by: Replacement) -> Any:
        """Return what stands for the output."""
        made = by.output(self.node, self.index)
        return self if made is None else made

    def accept(self, visitor: SlotVisitor) -> Any:
        """Return the output as a visitor writes it."""
        return visitor.output(self.node, self.index)

    def release(self) -> None:
        """Let go of its liveness."""
        self.liveness = None


class ListOf(Slot):
    """Outputs that arrive as one list: runs of (node, range of indexes), and their liveness."""

    __slots__ = ("liveness_of", "runs")

    def __init__(self, runs: tuple[NodeRun, ...], liveness_of: Any = ()) -> None:
        self.runs = runs
        self.liveness_of = liveness_of

    def __len__(self) -> int:
        return sum(len(indexes) for _, indexes in self.runs)

    def outputs(self) -> Iterable[NodeRun]:
        """Return the outputs in the list."""
        return self.runs

    def add_sources(self, sources: dict[int, Any]) -> None:
        """Add the nodes whose outputs are in the list."""
        for node, _ in self.runs:
            sources[id(node)] = node

    def replaced(self, by: Replacement) -> Slot:
        """Return the list of what stands for the outputs; runs that now follow on are one."""
        runs: list[NodeRun] = []
        for node, indexes in self.runs:
            new = by.outputs(node, indexes) if by.covers(node) else ((node, indexes),)
            if new is None:
                slots = [Ref(node, i).replaced(by) for node, run in self.runs for i in run]
                return Template(list_of_holes(len(slots)), tuple(slots))
            runs += new
        merged = _merged(runs)
        return self if merged == self.runs else ListOf(merged)

    def accept(self, visitor: SlotVisitor) -> Any:
        """Return the list as a visitor writes it."""
        return visitor.outputs(self.runs)

    def release(self) -> None:
        """Let go of its liveness."""
        self.liveness_of = ()


class Template(Slot):
    """A content with numbered holes, and the slot values that go there."""

    __slots__ = ("content", "slots")

    def __init__(self, content: Content, slots: tuple[Any, ...]) -> None:
        self.content = content
        self.slots = slots

    def outputs(self) -> Iterator[NodeRun]:
        """Return the outputs that go into its holes."""
        for slot in self.slots:
            yield from refs_of(slot)

    def add_sources(self, sources: dict[int, Any]) -> None:
        """Add the nodes whose outputs go into its holes."""
        for slot in self.slots:
            if type(slot) in SLOTS:
                slot.add_sources(sources)

    def replaced(self, by: Replacement) -> Template:
        """Return the content with what stands for the outputs in its holes."""
        slots = tuple([substitute(slot, by) for slot in self.slots])
        return self if same(slots, self.slots) else Template(self.content, slots)

    def contents(self) -> Iterator[Content]:
        """Return the content, and what is captured in its holes."""
        yield self.content
        for slot in self.slots:
            yield from contents_of(slot)

    def steps(self) -> Iterator[int]:
        """Return the earlier steps whose values go into its holes."""
        for slot in self.slots:
            yield from steps_of(slot)

    def accept(self, visitor: SlotVisitor) -> Any:
        """Return it as a visitor writes it."""
        return visitor.template(self.content, self.slots)

    def release(self) -> None:
        """Let go of the liveness in its holes."""
        for slot in self.slots:
            release(slot)


# Slot values that may name an output, or hold what is captured.
SLOTS = frozenset({Ref, ListOf, Template})
# What names none.
VALUES = IMMEDIATE | {tuple, Content}
# What an argument can only be when it was captured before.
CAPTURED = SLOTS | {Content}


# By length: programs have lists and tuples of handles in a few lengths, and each call asks.
@lru_cache(maxsize=64)
def list_of_holes(count: int) -> Content:
    """Return the content of a list of holes: what a list is where not all in it are outputs."""
    return Content(pickle.dumps([Hole(number) for number in range(count)], protocol=5))


# As above.
@lru_cache(maxsize=64)
def tuple_of_holes(count: int) -> Content:
    """Return the content of a tuple of holes."""
    return Content(pickle.dumps(tuple(map(Hole, range(count))), protocol=5))


def _merged(runs: Iterable[NodeRun]) -> tuple[NodeRun, ...]:
    """Return runs, each with those behind it that go on where it ends."""
    merged: list[NodeRun] = []
    for node, indexes in runs:
        if not indexes:
            continue
        step = indexes.step if len(indexes) > 1 else 1
        run = range(indexes[0], indexes[0] + len(indexes) * step, step)
        if merged and merged[-1][0] is node and _follows(merged[-1][1], run):
            last = merged.pop()[1]
            run = range(last.start, run.start + len(run) * run.step, run.step)
        merged.append((node, run))
    return tuple(merged)


def _follows(before: range, after: range) -> bool:
    return before.step == after.step and before.start + len(before) * before.step == after.start
