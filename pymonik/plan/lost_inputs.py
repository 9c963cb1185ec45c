"""Blame: which values of a unit cannot come any more, because an input failed as a whole.

Enters: a program, and the columns of those of its inputs that failed. Leaves: for each stored step
a column with a `Failure` for each lost value, and `PENDING` for each that can still be made.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import chain
from typing import Any

from pymonik.plan.unit import Unit
from pymonik.values.outcome import PENDING, Failure
from pymonik.values.outputs import Outputs
from pymonik.wire.program import Program

Columns = Sequence[Sequence[Any]]


def propagate_failures(
    program: Program, failed: Mapping[int, Columns]
) -> tuple[list[list[Any]], bool]:
    """Follow failed inputs, by position; return the stored columns, and whether nothing is left."""
    made: list[list[Any]] = []
    for step in program.steps:
        made.append([PENDING] * program.n)
        for element in range(program.n):
            columns = (_failures(column, element, failed, made) for column in step.columns)
            others = chain.from_iterable(columns)
            cause = next(others, None)
            if cause is not None:
                # What only passes values on is no part of the story.
                passes_on = step.function is None
                made[-1][element] = cause if passes_on else cause.below(step.name, others)
    stored = [made[number] for number in program.outputs]
    return stored, not any(PENDING in column for column in (stored or made[-1:]))


def failed_inputs(unit: Unit) -> dict[int, Columns]:
    """Return the columns of a unit's inputs that are known to hold failures, by position."""
    failed: dict[int, Columns] = {}
    for position, source in enumerate(unit.inputs):
        if isinstance(source, Outputs) and not source.missing and _holds_failures(source):
            failed[position] = source.columns or [source.errors[:1] * source.n]
    return failed


def _holds_failures(outputs: Outputs) -> bool:
    if not outputs.columns:
        return bool(outputs.errors)
    return any(
        not plain and any(type(record) is Failure for record in column)
        for plain, column in zip(outputs.plain, outputs.columns)
    )


def _failures(
    column: Any, element: int, failed: Mapping[int, Columns], made: Sequence[Sequence[Any]]
) -> Iterator[Failure]:
    """Return the failures among the values that one argument of one element is made of."""
    kind, what = column[0], column[1]
    if kind == "x":
        yield what
    elif kind == "p" and type(made[what][element]) is Failure:
        yield made[what][element]
    elif kind == "m":
        yield from _failures(what[element], 0, failed, made)
    elif kind == "b":
        yield from (record for record in _records(what, failed) if type(record) is Failure)
    elif kind == "n":
        for slot in column[2]:
            yield from _failures(slot, element, failed, made)
    elif kind == "r":
        count = sum(run[4] for run in what)
        record = _record(what, element if count > 1 else 0, failed)
        if type(record) is Failure:
            yield record


def _records(runs: Sequence[Any], failed: Mapping[int, Columns]) -> Iterator[Any]:
    for run in runs:
        if run[0] != "c" and run[0] in failed:
            source, output, start, step, count = run
            column = failed[source][output]
            yield from (column[start + k * step] for k in range(count))


def _record(runs: Sequence[Any], index: int, failed: Mapping[int, Columns]) -> Any:
    for source, output, start, step, count in runs:
        if index < count:
            return failed[source][output][start + index * step] if source in failed else PENDING
        index -= count
    raise IndexError(index)
