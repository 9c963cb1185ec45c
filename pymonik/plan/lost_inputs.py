"""Lost inputs: which values of a unit cannot come any more, because an input failed as a whole.

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
from pymonik.wire.program import Program, parts_of

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
    for part in parts_of(column, element):
        if type(part) is Failure:
            yield part
        elif isinstance(part, int):
            yield from _only_failures([made[part][element]])
        elif isinstance(part, tuple) and part[0] in failed:
            source, output, start, step, count = part
            records = failed[source][output]
            yield from _only_failures([records[start + k * step] for k in range(count)])


def _only_failures(records: Sequence[Any]) -> Iterator[Failure]:
    return (record for record in records if type(record) is Failure)
