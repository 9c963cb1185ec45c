"""The inputs of a unit: what its columns need from elsewhere, by position.

Enters: columns, and a range of elements. Leaves: the columns of a program (see `wire.program`),
and the blobs and outputs they name. Where values are found stands in `Lowered`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Protocol

from pymonik.errors import GraphError
from pymonik.graph.ir import External, Map, Put
from pymonik.graph.verbs import Column, visit
from pymonik.graph.visitors import NodeRun
from pymonik.values.content import Content
from pymonik.values.location import Location, ScatteredLocation
from pymonik.values.outcome import Failure
from pymonik.values.outputs import Outputs
from pymonik.wire.program import Run


class Lowered(Protocol):
    """What has been lowered so far: locations by map, and blobs, contents above `limit`."""

    limit: int
    locations: dict[int, Location]

    def add_blob(self, content: Content) -> None:
        """Note a content that travels as a blob."""


class Inputs:
    """The inputs of one unit: each source once, by position."""

    __slots__ = ("lowering", "positions", "sources")

    def __init__(self, lowering: Lowered) -> None:
        self.lowering = lowering
        self.sources: list[Content | Outputs] = []
        self.positions: dict[int, int] = {}

    def position(self, source: Content | Outputs) -> int:
        """Return the number of a source among the inputs, a new one for a new source."""
        position = self.positions.get(id(source))
        if position is None:
            position = self.positions[id(source)] = len(self.sources)
            self.sources.append(source)
        return position

    def item(self, content: Content) -> Content | int:
        """Return a small content itself, a large one as an input."""
        if content.size <= self.lowering.limit:
            return content
        self.lowering.add_blob(content)
        return self.position(content)

    def column(self, column: Column, start: int, stop: int) -> Any:
        """Return what fills a parameter of the elements from start to stop."""
        return column.take(start, stop).accept(self, stop - start)

    # What fills a parameter: a visitor of columns and slot values.
    def immediate(self, value: Any) -> Any:
        """Fill it with a plain value, or with a failure that stands for one."""
        return ("x", value) if type(value) is Failure else ("v", value)

    def content(self, content: Content) -> Any:
        """Fill it with a captured value."""
        return ("c", self.item(content))

    def output(self, node: Any, index: int) -> Any:
        """Fill it with an output."""
        if type(node) is Put:
            return self.content(node.content)
        return ("r", self.runs(node, range(index, index + 1)))

    def outputs(self, runs: Sequence[NodeRun]) -> Any:
        """Fill it with a list of outputs."""
        return ("b", [part for node, indexes in runs for part in self.bundle(node, indexes)])

    def template(self, content: Content, slots: Sequence[Any]) -> Any:
        """Fill it with a captured value, whose holes are filled."""
        return ("n", self.item(content), [visit(slot, self) for slot in slots])

    def earlier(self, step: int) -> Any:
        """Fill it with what an earlier step has made."""
        return ("p", step)

    def const(self, slot: Any) -> Any:
        """Fill it with the same for all elements."""
        return visit(slot, self)

    def immediates(self, values: Sequence[Any]) -> Any:
        """Fill it with plain values."""
        return ("s", list(values))

    def each(self, slots: Sequence[Any]) -> Any:
        """Fill it with values of any kind: where all of them are outputs, with one list of runs."""
        filled = [visit(slot, self) for slot in slots]
        if all(each[0] == "r" for each in filled):
            return ("r", [run for _, runs in filled for run in runs])
        return ("m", filled)

    def run(self, node: Any, indexes: range) -> Any:
        """Fill it with outputs at equal distances."""
        return ("r", self.runs(node, indexes))

    def gather(self, node: Any, indexes: Sequence[int]) -> Any:
        """Fill it with outputs in any order."""
        return ("r", self.gathered(node, indexes))

    def bundle(self, node: Any, indexes: range) -> Iterable[Any]:
        """Return what fills a parameter with elements of a node."""
        if type(node) is Put:
            return [("c", self.item(node.content))] * len(indexes)
        return self.runs(node, indexes)

    def runs(self, node: Any, indexes: range) -> list[Run]:
        """Cut a run of outputs along the units that make them."""
        location, offset, output = self.location(node)
        if isinstance(location, ScatteredLocation):
            return [self.run_at(*location.at(offset + index)) for index in indexes]
        if len(indexes) == 1:
            outputs, place = location.locate(offset + indexes[0])
            return [(self.position(outputs), output, place, 1, 1)]
        runs: list[Run] = []
        step, left, at = indexes.step, len(indexes), offset + indexes.start
        while left:
            outputs, place = location.locate(at)
            # How many more of the run this unit makes: up to its last element, or down to its
            # first.
            room = (outputs.n - 1 - place) // step if step > 0 else place // -step
            count = min(left, room + 1)
            runs.append((self.position(outputs), output, place, step, count))
            left -= count
            at += count * step
        return runs

    def gathered(self, node: Any, indexes: Sequence[int]) -> list[Run]:
        """Find outputs in any order; neighbours that follow one another make one run."""
        location, offset, output = self.location(node)
        if isinstance(location, ScatteredLocation):
            return [self.run_at(*location.at(offset + index)) for index in indexes]
        runs: list[Run] = []
        source = first = count = -1
        for index in indexes:
            outputs, place = location.locate(offset + index)
            position = self.position(outputs)
            if position == source and place == first + count:
                count += 1
                continue
            if count > 0:
                runs.append((source, output, first, 1, count))
            source, first, count = position, place, 1
        return [*runs, (source, output, first, 1, count)]

    def run_at(self, location: Location, index: int) -> Run:
        """Return the run of a single output."""
        outputs, place = location.locate(index)
        return (self.position(outputs), location.output or 0, place, 1, 1)

    def location(self, node: Any) -> tuple[Location, int, int]:
        """Return where the values of a node will be found: location, offset there, output."""
        if isinstance(node, Map):
            location, offset = self.lowering.locations[id(node)], 0
        else:
            location, offset = node.location, node.offset
            if location.output is None and not isinstance(location, ScatteredLocation):
                name = node.name if type(node) is External else node.spec.name
                raise GraphError(
                    f"the value of {name} ({node.where}) was not stored, since nothing needed it "
                    "when its call was sent"
                )
        return location, offset, location.output if location.output is not None else 0
