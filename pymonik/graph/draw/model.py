"""What a drawing shows: boxes and links, made of a graph once and printed by every renderer.

Enters: a graph, as recorded or as compiled. Leaves: a `Drawing` that names nothing of the graph any
more, so that it can be saved. A fan-out is one box with its count.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from typing import Any

from pymonik.content import Content
from pymonik.graph.analysis import uses
from pymonik.graph.draw.layout import Layout, layered
from pymonik.graph.ir import Each, Graph, Map, Nested, Put, Recorded
from pymonik.graph.passes import Target
from pymonik.graph.passes.vectorize import vectorize


@dataclass(frozen=True)
class Box:
    """One node: `titles` are the names of its steps, `count` its elements, `units` what they make.

    kind: calls, object (put under a name), earlier (of a submission before this one) or group
    (several nodes in one box). sites: "file:line" of the steps. reads: bytes of captured values,
    each counted once. facts: options and other things to tell.
    """

    titles: tuple[str, ...]
    count: int = 1
    units: int = 0
    kind: str = "calls"
    wanted: bool = False
    sites: tuple[str, ...] = ()
    reads: int = 0
    facts: tuple[tuple[str, str], ...] = ()
    levels: int = 1

    @property
    def name(self) -> str:
        """The names of the steps in one line, repetitions counted."""
        return "; ".join(brief(self.titles, 4))


@dataclass(frozen=True)
class Link:
    """`values` outputs of one box are used by another."""

    source: int
    target: int
    values: int


@dataclass(frozen=True)
class Drawing:
    """Boxes in an order in which they could run, links from earlier to later ones."""

    boxes: tuple[Box, ...]
    links: tuple[Link, ...]

    def layout(self) -> Layout:
        """Lay it out."""
        return layered(len(self.boxes), [(link.source, link.target) for link in self.links])


def brief(titles: Sequence[str], most: int) -> list[str]:
    """Give at most `most` lines for the names of steps."""
    runs = [(name, sum(1 for _ in run)) for name, run in groupby(titles)]
    lines = [name if n == 1 else f"{name}, {n} times" for name, n in runs]
    if len(lines) <= most:
        return lines
    return [*lines[: most - 2], f"… {len(lines) - most + 1} more", lines[-1]]


def folded(graph: Graph) -> Graph:
    """Give the graph as written, calls of one task and depth folded into one node."""
    return vectorize(graph, Target())


def drawing(graph: Graph) -> Drawing:
    """Make the drawing of a graph; single calls are folded, so that a loop is one box."""
    if any(type(node) is Recorded for node in graph.nodes):
        graph = folded(graph)
    boxes: list[Box] = []
    numbers: dict[int, int] = {}
    links: list[Link] = []
    for node in graph.nodes:
        used = uses(node)
        for source, _ in used:
            if id(source) not in numbers:
                numbers[id(source)] = len(boxes)
                boxes.append(_earlier(source))
        numbers[id(node)] = len(boxes)
        links += [Link(numbers[id(source)], len(boxes), count) for source, count in used]
        boxes.append(_box(node))
    return Drawing(tuple(boxes), tuple(links))


def _box(node: Any) -> Box:
    if isinstance(node, Put):
        facts = (("bytes", f"{node.content.size}"),)
        name = node.label or "object"
        return Box((name,), 1, 0, "object", True, (node.where,), node.content.size, facts)
    contents = {id(content): content for content in contents_of(node)}
    return Box(
        tuple(step.spec.name for step in node.steps),
        node.n,
        node.units if node.chunk else 0,
        wanted=any(step.is_wanted for step in node.steps),
        sites=tuple(dict.fromkeys(step.origins[0].where for step in node.steps)),
        reads=sum(content.size for content in contents.values()),
        facts=_facts(node),
    )


def _earlier(node: Any) -> Box:
    if isinstance(node, Put):
        return replace(_box(node), wanted=False)
    count = getattr(node, "n", None) or 1
    name = node.spec.name if isinstance(node, (Recorded, Map)) else "value"
    return Box((name,), count, 0, "earlier")


def _facts(node: Map) -> tuple[tuple[str, str], ...]:
    options = node.spec.options
    shown = {
        "partition": options.partition_id,
        "priority": options.priority,
        "max_duration": options.max_duration,
        "max_retries": options.max_retries,
        "retries": options.retries,
        "cost": options.cost,
        "environment": node.spec.environment,
    }
    return tuple((name, str(value)) for name, value in shown.items() if value is not None)


def contents_of(node: Map) -> Iterator[Content]:
    """Give the captured values of a node, as often as they are named; functions left out."""
    for step in node.steps:
        for column in step.columns:
            values: Iterable[Any] = (
                column.values if isinstance(column, Each) else (getattr(column, "value", None),)
            )
            for value in values:
                yield from _inside(value)


def _inside(slot: Any) -> Iterator[Content]:
    if isinstance(slot, Content):
        yield slot
    elif isinstance(slot, Nested):
        yield slot.content
        for inner in slot.slots:
            yield from _inside(inner)
