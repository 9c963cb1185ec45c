"""Feeding calls: the arguments of an element, made from columns and inputs.

Enters: the columns of a step (see `program`) and the inputs of a unit. Leaves: a getter for each
argument, `getter(element, made)`, where `made` are the values of earlier steps. Every call gets
objects of its own: contents are loaded anew for each, so that no call sees what another did to its
arguments.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from pymonik.capture.definitions.arguments import load_argument
from pymonik.values.content import Content
from pymonik.values.outcome import Failure
from pymonik.wire.program import parts_of

Getter = Callable[[int, Sequence[Any]], Any]


class UpstreamFailed(Exception):
    """An input of a call is the record of a failure, or the call was given its own instead."""

    def __init__(self, failure: Failure, is_own: bool = False) -> None:
        super().__init__(failure.message)
        self.failure = failure
        self.is_own = is_own

    def failure_of(self, name: str, others: Iterable[Failure] = ()) -> Failure:
        """Return the record of the call that has this input; others: those that failed, too."""
        return self.failure if self.is_own else self.failure.below(name, others)


def value_for(record: Any) -> Any:
    """Make the value of a record for one call."""
    kind = type(record)
    if kind is Content:
        return load_argument(record)
    if kind is Failure:
        raise UpstreamFailed(record)
    return record


class ArgumentReader:
    """The inputs of a unit: contents, and the columns of other units."""

    __slots__ = ("sources",)

    def __init__(self, sources: Sequence[Any]) -> None:
        self.sources = sources

    def content(self, item: Any) -> Content:
        """Return the content of an item: itself, or the input at its position."""
        content: Content = self.sources[item] if type(item) is int else item
        return content

    def getter(self, column: Any) -> Getter:
        """Make the getter of one argument."""
        kind, what = column[0], column[1]
        if kind == "v":
            return lambda i, made: what
        if kind == "s":
            return lambda i, made: what[i]
        if kind == "p":
            return lambda i, made: _taken(made[what])
        if kind == "m":
            return lambda i, made: self.getter(what[i])(0, made)
        if kind == "r":
            return self._run_getter(what)
        if kind == "c":
            content = self.content(what)
            return lambda i, made: load_argument(content)
        if kind == "x":
            return _failing(what)
        if kind == "b":
            return self._bundle_getter(what)
        return self._nested_getter(what, column[2])

    def failures(self, column: Any, element: int, made: Sequence[Any]) -> Iterator[Failure]:
        """Return the failures among the values that an argument is made of, without making it."""
        for part in parts_of(column, element):
            records: Sequence[Any] = ()
            if isinstance(part, int):
                records = made[part].records if type(made[part]) is StepValue else ()
            elif isinstance(part, tuple):  # else it has failed itself, and is raised
                records = self.records((part,))
            yield from (record for record in records if type(record) is Failure)

    def records(self, runs: Sequence[Any]) -> list[Any]:
        """Return the records that runs name, in order."""
        records: list[Any] = []
        for run in runs:
            if run[0] == "c":  # an object put, among the handles of a list
                records.append(self.content(run[1]))
                continue
            source, output, start, step, count = run
            column = self.sources[source][output]
            if step == 1:
                records += column[start : start + count]
            else:
                records += [column[start + k * step] for k in range(count)]
        return records

    def _run_getter(self, runs: Sequence[Any]) -> Getter:
        records = self.records(runs)
        if len(records) == 1:  # one value for all elements
            record = records[0]
            return lambda i, made: value_for(record)
        return lambda i, made: value_for(records[i])

    def _bundle_getter(self, runs: Sequence[Any]) -> Getter:
        records = self.records(runs)
        return lambda i, made: [value_for(record) for record in records]

    def _nested_getter(self, item: Any, slots: Sequence[Any]) -> Getter:
        content = self.content(item)
        getters = [self.getter(slot) for slot in slots]
        return lambda i, made: load_argument(content, [get(0, made) for get in getters])


def _failing(failure: Failure) -> Getter:
    def get(element: int, made: Sequence[Any]) -> Any:
        raise UpstreamFailed(failure, is_own=True)

    return get


def _taken(made: Any) -> Any:
    """Return what a step takes of what an earlier one has made: an immediate, or a `StepValue`."""
    return made.take() if type(made) is StepValue else made


class StepValue:
    """The value of a step inside a unit: handed over as itself only when nothing else sees it."""

    __slots__ = ("_record", "_value", "uses")

    def __init__(self, value: Any, record: Any, uses: int) -> None:
        self._value = value
        self._record = record
        self.uses = uses

    @property
    def records(self) -> tuple[Any, ...]:
        """What can be noted of it: its record, or nothing, where it is but an object."""
        return () if self._record is _OWNED else (self._record,)

    def take(self) -> Any:
        """Return the value to a step."""
        if self._record is not _OWNED:
            return value_for(self._record)
        value, self._value = self._value, None
        return value


_OWNED = object()


def owned(value: Any) -> StepValue:
    """Hold an object for its only consumer, unpickled."""
    return StepValue(value, _OWNED, 1)
