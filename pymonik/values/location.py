"""Where the value of each element of a step will be found: a `Location`, over `Outputs` of units.

Enters: outputs of units, and how a map was cut into them. Leaves: the record of an element,
wherever it is. Like outputs, locations are read without a lock.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from pymonik.values.outcome import PENDING
from pymonik.values.outputs import Outputs


class Location:
    """Finds the record of an element of one step: its unit's outputs, and the place there.

    `claims` counts the calls that share a value, by the offset of their node, where it is not one.
    """

    __slots__ = ("unit_outputs", "chunk", "claims", "output")

    def __init__(self, unit_outputs: Sequence[Outputs], chunk: int, output: int | None) -> None:
        self.unit_outputs = unit_outputs
        self.chunk = chunk
        self.output = output
        self.claims: dict[int, int] = {}

    def share(self, offset: int) -> None:
        """Note that one more call has its value at an offset."""
        self.claims[offset] = self.claims.get(offset, 1) + 1

    def reclaim(self, index: int) -> None:
        """Note that an element is wanted again, by a call of a later submission."""
        outputs, place = self.locate(index)
        outputs.unwanted.discard((self.output or 0, place))

    def locate(self, index: int) -> tuple[Outputs, int]:
        """Return the outputs of an element and its place in it."""
        return self.unit_outputs[index // self.chunk], index % self.chunk

    def record(self, index: int) -> Any:
        """Return the record of an element, `PENDING` if there is none yet."""
        outputs = self.unit_outputs[index // self.chunk]
        if self.output is None:
            return PENDING if outputs.missing else None
        return outputs.columns[self.output][index % self.chunk]

    def looks_for(self, index: int) -> Callable[[], bool]:
        """Return what says whether the record of an element is there: it is found once for all."""
        outputs, place = self.locate(index)
        columns, output = outputs.columns, self.output
        if output is None:
            return lambda: not outputs.missing
        return lambda: columns[output][place] is not PENDING

    def outputs_of(self, indexes: range) -> Sequence[Outputs]:
        """Return the outputs that hold a range of elements."""
        if not indexes:
            return ()
        first, last = sorted((indexes[0] // self.chunk, indexes[-1] // self.chunk))
        return self.unit_outputs[first : last + 1]

    def parts(self, indexes: range) -> Iterator[tuple[Outputs, range]]:
        """Return the outputs that hold a range of elements, each with their places in it."""
        if indexes.step < 0:
            indexes = indexes[::-1]
        while indexes:
            number = indexes[0] // self.chunk
            base, step = number * self.chunk, indexes.step
            count = -(-(base + self.chunk - indexes[0]) // step)
            own, indexes = indexes[:count], indexes[count:]
            yield self.unit_outputs[number], range(own[0] - base, own[-1] - base + 1, step)

    def at(self, index: int) -> tuple[Location, int]:
        """Return the location that really has an element, and its place there."""
        return self, index

    def split(self, indexes: range) -> list[tuple[Location, range]]:
        """Return the locations that really have a range of elements, each with its own range."""
        return [(self, indexes)]

    def records(self, indexes: range) -> list[Any]:
        """Return the records of a range of elements."""
        if self.output is None or indexes.step != 1:
            return [self.record(index) for index in indexes]
        records: list[Any] = []
        for number in range(indexes.start // self.chunk, -(-indexes.stop // self.chunk)):
            base = number * self.chunk
            column = self.unit_outputs[number].columns[self.output]
            records += column[max(0, indexes.start - base) : indexes.stop - base]
        return records

    def is_plain(self, indexes: range) -> bool:
        """Return whether all records of the range are immediates."""
        if self.output is None:
            return False
        return all(
            outputs.plain[self.output] and not outputs.missing
            for outputs in self.outputs_of(indexes)
        )


class ScatteredLocation(Location):
    """Elements that are found in several places: outputs of other nodes, one for each."""

    __slots__ = ("nodes",)

    def __init__(self, nodes: Sequence[tuple[Any, int]]) -> None:
        super().__init__((), 1, None)
        self.nodes = nodes

    def at(self, index: int) -> tuple[Location, int]:
        """Return where an element is, and its place there."""
        node, place = self.nodes[index]
        location: Location = node.location
        return location.at(node.offset + place)

    def split(self, indexes: range) -> list[tuple[Location, range]]:
        """Return where elements are, each with its place there."""
        places = [self.at(index) for index in indexes]
        return [(location, range(place, place + 1)) for location, place in places]

    def locate(self, index: int) -> tuple[Outputs, int]:
        """Return the outputs that hold an element, and its place in them."""
        location, place = self.at(index)
        return location.locate(place)

    def record(self, index: int) -> Any:
        """Return the record of an element."""
        location, place = self.at(index)
        return location.record(place)

    def looks_for(self, index: int) -> Callable[[], bool]:
        """Return what says whether the record of an element is there."""
        location, place = self.at(index)
        return location.looks_for(place)

    def outputs_of(self, indexes: range) -> Sequence[Outputs]:
        """Return the outputs that hold a range of elements, each once."""
        return list(dict.fromkeys(self.locate(index)[0] for index in indexes))

    def records(self, indexes: range) -> list[Any]:
        """Return the records of a range of elements."""
        return [self.record(index) for index in indexes]

    def is_plain(self, indexes: range) -> bool:
        """Return False: they are not one unbroken column."""
        return False


class StepLocations(ScatteredLocation):
    """The values of all steps of a block: value k is that of step k."""

    __slots__ = ("steps",)

    def __init__(self, steps: Sequence[Location]) -> None:
        super().__init__(())
        self.steps = steps

    def at(self, index: int) -> tuple[Location, int]:
        """Return where the value of a step is, and its place there."""
        return self.steps[index], 0


def known_at(record: Any) -> Location:
    """Return a location that holds one record already: a cancelled call, an object put."""
    outputs = Outputs(1, 1)
    outputs.fill(0, [[record]])
    outputs.settle(1)
    return _KnownLocation([outputs], 1, 0)


class _KnownLocation(Location):
    """One record for every index."""

    __slots__ = ()

    def locate(self, index: int) -> tuple[Outputs, int]:
        return self.unit_outputs[0], 0

    def record(self, index: int) -> Any:
        return self.unit_outputs[0].columns[0][0]

    def outputs_of(self, indexes: range) -> Sequence[Outputs]:
        return self.unit_outputs if indexes else ()

    def parts(self, indexes: range) -> Iterator[tuple[Outputs, range]]:
        yield from ((self.unit_outputs[0], range(1)) for _ in indexes[:1])

    def records(self, indexes: range) -> list[Any]:
        return [self.record(0)] * len(indexes)


# What somebody waits for: where it will be, and which of the elements there.
Wanted = tuple[Location, range]
