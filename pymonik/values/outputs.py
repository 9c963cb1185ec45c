"""The outcome of units, as it comes: `Outputs` for each, with a record for each value.

Enters: records, from a backend, in any order. Leaves: records, to handles, and calls of callbacks.
Threads: one at a time fills outputs, under the condition `changed` of its backend, or as the one
that leads the embedded engine; readers look without it, since a record is set once and lists do not
shrink.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Collection, Iterable, Sequence
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
    places that no call claims any more; `loose` those that use nothing of the stored step before;
    `has_early_records` says whether there is one that a user may have seen before it was reported.
    """

    __slots__ = (
        "__weakref__",
        "callbacks",
        "columns",
        "errors",
        "has_early_records",
        "loose",
        "missing",
        "n",
        "plain",
        "renounced",
        "unwanted",
    )

    def __init__(self, n: int, outputs: int) -> None:
        self.n = n
        self.columns: list[list[Any]] = (
            [[PENDING] * n] if outputs == 1 else [[PENDING] * n for _ in range(outputs)]
        )
        # plain[o]: every record so far is an immediate, and can be handed out as it is.
        self.plain = [True] * outputs
        self.missing = n
        self.errors: list[Failure] = []
        self.renounced: dict[tuple[int, int], set[int]] = {}
        self.unwanted: set[tuple[int, int]] = set()
        self.loose: Collection[tuple[int, int]] = ()
        self.callbacks: list[tuple[int, int, Callback]] = []
        self.has_early_records = False

    def demand(self, columns: Sequence[Sequence[Any]]) -> None:
        """Raise WireError unless there is a record for each value, and for nothing else."""
        if [len(column) for column in columns] != [self.n] * len(self.columns):
            raise WireError(
                f"{len(self.columns)} columns of {self.n} records were expected, got columns of "
                f"{list(map(len, columns))}"
            )

    def fill(self, start: int, columns: Sequence[Sequence[Any]]) -> list[Callback]:
        """Take the records of elements from `start` on; return the callbacks that are now due.

        One that was told before it was reported stays: its executor may have died meanwhile, and
        what another reports is of a second try.
        """
        for output, given in enumerate(columns):
            records, count = given, len(given)
            if self.has_early_records:
                present = self.columns[output][start : start + count]
                records = [new if old is PENDING else old for new, old in zip(given, present)]
            # Before the records are set: who looks without the lock takes plain ones as they are.
            if self.plain[output] and not IMMEDIATE.issuperset(map(type, records)):
                self.plain[output] = False
            if count == self.n:
                self.columns[output] = list(records)
            else:
                self.columns[output][start : start + count] = records
        return self.due() if self.callbacks else []

    def put(self, output: int, place: int, record: Any) -> list[Callback]:
        """Take one record that was left pending; return the callbacks that are now due."""
        self.columns[output][place] = record
        if all(column[place] is not PENDING for column in self.columns):
            self.missing -= 1
        return self.due() if self.callbacks else []

    def tell(self, output: int, position: int, records: Sequence[Any]) -> None:
        """Take records from a position on before the report that has them; what is here stays."""
        column = self.columns[output]
        present = column[position : position + len(records)]
        if PENDING not in present:
            return
        first = present.index(PENDING)  # they come in order: those before it are there already
        fresh = [
            new if old is PENDING else old for new, old in zip(records[first:], present[first:])
        ]
        self.plain[output] &= IMMEDIATE.issuperset(map(type, fresh))
        self.has_early_records = True
        column[position + first : position + len(present)] = fresh

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


_OF_SEVERAL = r"(.+)\.(\d+)\.(\d+)"


def value_id(stored: str, outputs: Outputs, output: int, place: int) -> str:
    """Return the id of a value: that of what it is stored in, and where there, among several."""
    return stored if outputs.n * len(outputs.columns) == 1 else f"{stored}.{output}.{place}"


def stored_in(id: str) -> tuple[str, int | None, int]:
    """Return what a value is stored in: its id, and output and place there, if the id has them."""
    match = re.fullmatch(_OF_SEVERAL, id)
    return (match[1], int(match[2]), int(match[3])) if match else (id, None, 0)


def only_record(columns: Sequence[Sequence[Any]], id: str) -> Any:
    """Return the record of a value out of all that is stored with it; raises LookupError."""
    _, output, place = stored_in(id)
    if output is not None:
        return columns[output][place]
    count = sum(map(len, columns))
    if count != 1:
        raise LookupError(
            f"result {id!r} holds {count} values: use the result_id of a handle, which names one "
            "of them"
        )
    return next(record for column in columns for record in column)


def call_back(due: Iterable[Callback]) -> None:
    """Call the callbacks of values; one that raises keeps none of the others from being called."""
    for callback in due:
        try:
            callback()
        except Exception:
            logger.exception("a callback failed")
