"""What a drawing shows: boxes and links, made of a graph once and printed by every renderer.

Enters: a graph, as recorded or as compiled. Leaves: a `Drawing` that names nothing of the graph any
more, so that it can be saved. A fan-out is one box with its count.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from typing import Any

from pymonik.analysis.shape import captured, folded, uses
from pymonik.draw.layout import Layout, layered
from pymonik.graph.ir import Call, CallSpec, External, Graph, Map, Put
from pymonik.values.foreign import harmless


@dataclass(frozen=True)
class Box:
    """One node: `titles` are the names of its steps, `count` its elements, `units` what they make.

    kind: calls, object (put under a name), earlier (of a submission before this one), external (of
    another program) or group (several nodes in one box). sites: "file:line" of the steps. reads:
    bytes of captured values, each counted once. facts: options and other things to tell. origins:
    the recorded calls it stands for, by number. members: what is inside a group. status: of a run:
    waiting, running, done, failed or cancelled. notes: further lines inside the box.
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
    origins: tuple[int, ...] = ()
    members: Drawing | None = None
    status: str = ""
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Make every text harmless, for whatever it is drawn as."""
        for name in ("titles", "sites", "notes"):
            texts = getattr(self, name)
            if not all(map(str.isprintable, texts)):
                object.__setattr__(self, name, tuple(map(harmless, texts)))
        for name in ("kind", "status"):
            object.__setattr__(self, name, harmless(getattr(self, name)))
        facts = tuple([(harmless(key), harmless(fact)) for key, fact in self.facts])
        object.__setattr__(self, "facts", facts)

    @property
    def name(self) -> str:
        """The names of the steps in one line, repetitions counted."""
        return "; ".join(brief(self.titles, 4))


@dataclass(frozen=True)
class Link:
    """`values` outputs of one box are used by another.

    kind: values; or of sub-tasks, `made` by the source, or `delegated`: they make its outputs.
    """

    source: int
    target: int
    values: int
    kind: str = "values"


# What stands where there is nothing to draw: a blank would look like a fault.
EMPTY = "nothing was sent"


@dataclass(frozen=True)
class Drawing:
    """Boxes in an order in which they could run, links from earlier to later ones."""

    boxes: tuple[Box, ...]
    links: tuple[Link, ...]

    @classmethod
    def of(cls, data: Mapping[str, Any]) -> Drawing:
        """Make a drawing of its plain form, that of `dataclasses.asdict`, also read from JSON."""
        from pydantic import TypeAdapter

        drawing = TypeAdapter(cls).validate_python(data)
        if not all(0 <= k.source < k.target < len(drawing.boxes) for k in drawing.links):
            raise ValueError("links to boxes that are not there")
        if not all(box.titles and box.count >= 0 <= box.units for box in drawing.boxes):
            raise ValueError("boxes without names or counts")
        return drawing

    def layout(self) -> Layout:
        """Lay it out."""
        return layered(len(self.boxes), [(link.source, link.target) for link in self.links])


def status_of(counts: Mapping[str, int]) -> str:
    """Return one status for many: the one that says most."""
    if "failed" in counts:
        return "failed"
    if len(counts) <= 1:
        return next(iter(counts), "")
    return "running" if "running" in counts or "waiting" in counts else "cancelled"


def brief(titles: Sequence[str], most: int) -> list[str]:
    """Return at most `most` lines for the names of steps."""
    runs = [(name, sum(1 for _ in run)) for name, run in groupby(titles)]
    lines = [name if n == 1 else f"{name}, {n} times" for name, n in runs]
    if len(lines) <= most:
        return lines
    return [*lines[: most - 2], f"… {len(lines) - most + 1} more", lines[-1]]


def drawing(graph: Graph, fold: bool = True, numbers: Mapping[int, int] | None = None) -> Drawing:
    """Make the drawing of a graph.

    fold: single calls of a task are one box, as if they had been mapped. numbers: those of recorded
    calls, by id, for the boxes' `origins`.
    """
    if fold and any(type(node) is Call for node in graph.nodes):
        graph = folded(graph)
    boxes: list[Box] = []
    places: dict[int, int] = {}
    links: list[Link] = []
    for node in graph.nodes:
        used: dict[Any, int] = {}
        for source, values in uses(node):
            source = graph.aliases.get(source, source)
            used[source] = used.get(source, 0) + values
        for source in used:
            if id(source) not in places:
                places[id(source)] = len(boxes)
                boxes.append(_earlier(source))
        places[id(node)] = len(boxes)
        links += [Link(places[id(source)], len(boxes), count) for source, count in used.items()]
        boxes.append(_box(node, numbers or {}))
    return Drawing(tuple(boxes), tuple(links))


def _box(node: Any, numbers: Mapping[int, int]) -> Box:
    if isinstance(node, Put):
        name = node.label or "object"
        return Box(
            (name,), kind="object", wanted=True, sites=(node.where,), reads=node.content.size
        )
    contents = {id(content): content.size for content, _ in captured(node)}
    is_map = isinstance(node, Map)
    recorded = [origin for step in node.steps for origin in step.origins] if is_map else [node]
    sites = [step.origins[0].where for step in node.steps] if is_map else [node.where]
    origins = (numbers.get(id(origin)) for origin in recorded)
    return Box(
        tuple(step.spec.name for step in node.steps) if is_map else (node.spec.name,),
        1 if node.n is None else node.n,
        node.units if is_map and node.chunk else 0,
        wanted=any(step.is_wanted for step in node.steps) if is_map else node.wanted,
        sites=tuple(dict.fromkeys(sites)),
        reads=sum(contents.values()),
        facts=_facts(node.spec),
        origins=tuple(number for number in origins if number is not None),
    )


def _earlier(node: Any) -> Box:
    if isinstance(node, Put):
        return replace(_box(node, {}), wanted=False)
    count = getattr(node, "n", None) or 1
    if isinstance(node, External):
        return Box((node.name,), count, 0, "external", sites=(node.where,))
    name = node.spec.name if isinstance(node, (Call, Map)) else "value"
    return Box((name,), count, 0, "earlier")


def _facts(spec: CallSpec) -> tuple[tuple[str, str], ...]:
    options = spec.options
    shown = {
        "partition": options.partition_id,
        "priority": options.priority,
        "max_duration": options.max_duration,
        "max_retries": options.max_retries,
        "retries": options.retries,
        "cost": options.cost,
        "environment": spec.environment,
    }
    return tuple((name, str(value)) for name, value in shown.items() if value is not None)
