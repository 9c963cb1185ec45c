"""Arguments: slot values of a call, or columns of a map, looked at together.

Enters: the arguments of a node. Leaves: the nodes and outputs that they need, what is captured in
them, or what a visitor writes of each.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from pymonik.graph.columns import Const, Gather, Immediates, Range, Values
from pymonik.graph.slots import SLOTS, Ref
from pymonik.graph.verbs import contents_of, refs_of, visit
from pymonik.graph.visitors import ArgumentVisitor, NodeRun
from pymonik.values.content import IMMEDIATE, Content

# What can name an output, or hold what is captured, among arguments of calls and maps.
ARGUMENTS = SLOTS | {Const, Immediates, Values, Range, Gather}


def sources_of(arguments: Iterable[Any]) -> dict[int, Any]:
    """Return the nodes that slot values, or columns, need, by id, in the order met."""
    sources: dict[int, Any] = {}
    for argument in arguments:
        kind = type(argument)
        if kind is Ref:  # the usual case
            sources[id(argument.node)] = argument.node
        elif kind in ARGUMENTS:
            argument.add_sources(sources)
    return sources


def outputs_in(arguments: Iterable[Any], n: int | None) -> Iterator[NodeRun]:
    """Return the outputs that the arguments of a call (`n` is None), or of a map, need."""
    for argument in arguments:
        yield from refs_of(argument) if n is None else argument.outputs(n)


def contents_in(arguments: Iterable[Any], n: int | None) -> Iterator[tuple[Content, int]]:
    """Return what is captured in the arguments of a call, or of a map, and how many use each."""
    for argument in arguments:
        if n is None:
            yield from ((content, 1) for content in contents_of(argument))
        else:
            yield from argument.contents(n)


def slots_of(given: Iterable[Any]) -> tuple[Any, ...]:
    """Return the slot values of numbers, which they are themselves, and of handles."""
    # A handle that several calls use knows already what stands for it.
    return tuple([
        value if type(value) in IMMEDIATE else value._slot or value._as_slot() for value in given
    ])  # fmt: skip


def visit_arguments(arguments: Iterable[Any], n: int | None, visitor: ArgumentVisitor) -> list[Any]:
    """Return the arguments of a call (`n` is None), or of a map, as a visitor writes them."""
    if n is None:
        return [visit(slot, visitor) for slot in arguments]
    return [column.accept(visitor, n) for column in arguments]
