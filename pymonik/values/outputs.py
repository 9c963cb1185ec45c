"""Where values will be found once a graph was sent: `Outputs` of each unit, a `Location` a step.

Enters: records, from a backend, in any order. Leaves: records, to handles, and calls of callbacks.
Threads: a backend fills cells under its own lock `changed`; readers look without it, since a record
is set once and lists do not shrink.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from pymonik.errors import WireError
from pymonik.values.content import IMMEDIATE
from pymonik.values.outcome import PENDING, Failure

logger = logging.getLogger("pymonik")

Callback = Callable[[], None]


class Outputs:
    """The outcome of one unit: for each element of each stored step a record.

    `columns[o]` are the records of stored step `o`; `errors` the failures of values that nobody
    asked for, so that they are never lost; `missing` counts elements that have not ended;
    `renounced` are the calls that were cancelled, by the places of their values; `unwanted` the
    places that no call claims any more.
    """

    __slots__ = (
        "__weakref__",
        "callbacks",
        "columns",
        "errors",
        "missing",
        "n",
        "plain",
        "renounced",
        "unwanted",
    )

    def __init__(self, n: int, outputs: int) -> None:
        self.n = n
        self.columns: list[list[Any]] = [[PENDING] * n for _ in range(outputs)]
        # plain[o]: every record so far is an immediate, and can be handed out as it is.
        self.plain = [True] * outputs
        self.missing = n
        self.errors: list[Failure] = []
        self.renounced: dict[tuple[int, int], set[int]] = {}
        self.unwanted: set[tuple[int, int]] = set()
        self.callbacks: list[tuple[int, int, Callback]] = []

    def demand(self, columns: Sequence[Sequence[Any]]) -> None:
        """Raise WireError unless there is a record for each value, and for nothing else."""
        if [len(column) for column in columns] != [self.n] * len(self.columns):
            raise WireError(
                f"records of {list(map(len, columns))} values came where {len(self.columns)} "
                f"columns of {self.n} were promised"
            )

    def fill(self, start: int, columns: Sequence[Sequence[Any]]) -> list[Callback]:
        """Take the records of elements from `start` on; give the callbacks that are now due."""
        count = 0
        for output, records in enumerate(columns):
            count = len(records)
            if self.plain[output] and not IMMEDIATE.issuperset(map(type, records)):
                self.plain[output] = False
            if count == self.n:
                self.columns[output] = list(records)
            else:
                self.columns[output][start : start + count] = records
        return self.due() if self.callbacks else []

    def put(self, output: int, place: int, record: Any) -> list[Callback]:
        """Take one record that was left pending; give the callbacks that are now due."""
        self.columns[output][place] = record
        if all(column[place] is not PENDING for column in self.columns):
            self.missing -= 1
        return self.due() if self.callbacks else []

    def tell(self, output: int, position: int, record: Any) -> None:
        """Take one record before the report that has it, if nothing is there yet."""
        if self.columns[output][position] is PENDING:
            self.plain[output] &= type(record) in IMMEDIATE
            self.columns[output][position] = record

    def settle(self, count: int) -> None:
        """Note that `count` more elements have ended."""
        self.missing -= count

    def fail(self, failure: Failure) -> list[Callback]:
        """Let every element that has not ended end with one failure."""
        self.missing = 0
        for output, column in enumerate(self.columns):
            self.plain[output] = False
            self.columns[output] = [failure if r is PENDING else r for r in column]
        if not self.columns:
            self.errors.append(failure)
        return self.due()

    def watch(self, output: int, position: int, callback: Callback) -> bool:
        """Call back when a record is there; False when it already is."""
        self.callbacks.append((output, position, callback))
        if self.columns[output][position] is PENDING:
            return True
        self.callbacks = [entry for entry in self.callbacks if entry[2] is not callback]
        return False

    def give_up(self) -> list[Callback]:
        """Return the callbacks of records that will not come, and forget them."""
        due, self.callbacks = [callback for _, _, callback in self.callbacks], []
        return due

    def due(self) -> list[Callback]:
        """Return the callbacks whose records have come, and forget them."""
        due = [c for o, p, c in self.callbacks if self.columns[o][p] is not PENDING]
        if due:
            self.callbacks = [
                entry for entry in self.callbacks if self.columns[entry[0]][entry[1]] is PENDING
            ]
        return due


class Location:
    """Finds the record of an element of one step: its unit's cell, and the place there.

    `claims` counts the calls that share a value, by the offset of their node, where it is not one.
    """

    __slots__ = ("cells", "chunk", "claims", "output")

    def __init__(self, cells: Sequence[Outputs], chunk: int, output: int | None) -> None:
        self.cells = cells
        self.chunk = chunk
        self.output = output
        self.claims: dict[int, int] = {}

    def share(self, offset: int) -> None:
        """Note that one more call has its value at an offset."""
        self.claims[offset] = self.claims.get(offset, 1) + 1

    def reclaim(self, index: int) -> None:
        """Note that an element is wanted again, by a call of a later submission."""
        cell, place = self.locate(index)
        cell.unwanted.discard((self.output or 0, place))

    def locate(self, index: int) -> tuple[Outputs, int]:
        """Return the cell of an element and its place in it."""
        return self.cells[index // self.chunk], index % self.chunk

    def record(self, index: int) -> Any:
        """Return the record of an element, `PENDING` if there is none yet."""
        cell = self.cells[index // self.chunk]
        if self.output is None:
            return PENDING if cell.missing else None
        return cell.columns[self.output][index % self.chunk]

    def cells_of(self, indexes: range) -> Sequence[Outputs]:
        """Return the cells that hold a range of elements."""
        if not indexes:
            return ()
        first, last = sorted((indexes[0] // self.chunk, indexes[-1] // self.chunk))
        return self.cells[first : last + 1]

    def parts(self, indexes: range) -> Iterator[tuple[Outputs, range]]:
        """Return the cells that hold a range of elements, each with their places in it."""
        if indexes.step < 0:
            indexes = indexes[::-1]
        while indexes:
            number = indexes[0] // self.chunk
            base, step = number * self.chunk, indexes.step
            count = -(-(base + self.chunk - indexes[0]) // step)
            here, indexes = indexes[:count], indexes[count:]
            yield self.cells[number], range(here[0] - base, here[-1] - base + 1, step)

    def at(self, index: int) -> tuple[Location, int]:
        """Return the home that really has an element, and its place there."""
        return self, index

    def split(self, indexes: range) -> list[tuple[Location, range]]:
        """Return the homes that really have a range of elements, each with a range of its own."""
        return [(self, indexes)]

    def records(self, indexes: range) -> list[Any]:
        """Return the records of a range of elements."""
        if self.output is None or indexes.step != 1:
            return [self.record(index) for index in indexes]
        found: list[Any] = []
        for number in range(indexes.start // self.chunk, -(-indexes.stop // self.chunk)):
            base = number * self.chunk
            column = self.cells[number].columns[self.output]
            found += column[max(0, indexes.start - base) : indexes.stop - base]
        return found

    def is_plain(self, indexes: range) -> bool:
        """Return whether all records of the range are immediates."""
        if self.output is None:
            return False
        return all(cell.plain[self.output] and not cell.missing for cell in self.cells_of(indexes))


class ScatteredLocation(Location):
    """Elements that are found in several places: outputs of other nodes, one for each."""

    __slots__ = ("nodes",)

    def __init__(self, nodes: Sequence[tuple[Any, int]]) -> None:
        super().__init__((), 1, None)
        self.nodes = nodes

    def at(self, index: int) -> tuple[Location, int]:
        """Return where an element is, and its place there."""
        node, place = self.nodes[index]
        home: Location = node.home
        return home.at(node.offset + place)

    def split(self, indexes: range) -> list[tuple[Location, range]]:
        """Return where elements are, each with its place there."""
        places = [self.at(index) for index in indexes]
        return [(home, range(place, place + 1)) for home, place in places]

    def locate(self, index: int) -> tuple[Outputs, int]:
        """Return the outputs that hold an element, and its place in them."""
        home, place = self.at(index)
        return home.locate(place)

    def record(self, index: int) -> Any:
        """Return the record of an element."""
        home, place = self.at(index)
        return home.record(place)

    def cells_of(self, indexes: range) -> Sequence[Outputs]:
        """Return the outputs that hold a range of elements, each once."""
        return list(dict.fromkeys(self.locate(index)[0] for index in indexes))

    def records(self, indexes: range) -> list[Any]:
        """Return the records of a range of elements."""
        return [self.record(index) for index in indexes]

    def is_plain(self, indexes: range) -> bool:
        """Return False: they are not one unbroken column."""
        return False


def known_at(record: Any, offset: int = 0) -> Location:
    """Return a home that holds one record already: a cancelled call, an object put."""
    cell = Outputs(1, 1)
    cell.fill(0, [[record]])
    cell.settle(1)
    return _Settled([cell], 1, 0)


class _Settled(Location):
    """One record for every index."""

    __slots__ = ()

    def locate(self, index: int) -> tuple[Outputs, int]:
        return self.cells[0], 0

    def record(self, index: int) -> Any:
        return self.cells[0].columns[0][0]

    def cells_of(self, indexes: range) -> Sequence[Outputs]:
        return self.cells if indexes else ()

    def parts(self, indexes: range) -> Iterator[tuple[Outputs, range]]:
        yield from ((self.cells[0], range(1)) for _ in indexes[:1])

    def records(self, indexes: range) -> list[Any]:
        return [self.record(0)] * len(indexes)


Wanted = tuple[Location, range]

_OF_SEVERAL = re.compile(r"(.+)\.(\d+)\.(\d+)")


def value_id(stored: str, cell: Outputs, output: int, place: int) -> str:
    """Return the id of a value: that of what it is stored in, and where there, among several."""
    return stored if cell.n * len(cell.columns) == 1 else f"{stored}.{output}.{place}"


def stored_in(id: str) -> tuple[str, int | None, int]:
    """Return what a value is stored in: its id, and output and place there, if they are told."""
    found = _OF_SEVERAL.fullmatch(id)
    return (found[1], int(found[2]), int(found[3])) if found else (id, None, 0)


def only_record(columns: Sequence[Sequence[Any]], id: str) -> Any:
    """Return the record of a value out of all that is stored with it; raises LookupError."""
    _, output, place = stored_in(id)
    if output is not None:
        return columns[output][place]
    count = sum(map(len, columns))
    if count != 1:
        raise LookupError(f"{id!r} holds {count} values: the result_id of a handle says which")
    return next(record for column in columns for record in column)


def call_back(due: Iterable[Callback]) -> None:
    """Call who waited for values; one that raises keeps none of the others from being called."""
    for callback in due:
        try:
            callback()
        except Exception:
            logger.exception("a callback failed")
