"""The program of a unit: what its payload says, as plain tuples.

Written by `plan.lower`, read by `runtime.unit`. Inputs are named by position, because ids do not
exist when a payload is written: an input is a `Content` (a blob) or the columns of another unit.

Columns (one for each argument):

    ("v", value)                 the same immediate for all elements
    ("s", [value, …])            an immediate for each
    ("c", item)                  the same content; an item is a `Content` or an input's position
    ("m", [slot, …])             any slot for each element
    ("p", step)                  what an earlier step made for the element
    ("r", [(input, output, start, step, count), …])   runs over columns of other units

Slots (one argument of one element): an immediate column, or

    ("r", [one run of one])      an output of another unit
    ("b", [run, …])              a list of outputs
    ("n", item, [slot, …])       a content with holes
    ("x", failure)               nothing: the call was cancelled, and does not run
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from pymonik.runtime import seeds

Run = tuple[int, int, int, int, int]


class StepCode(NamedTuple):
    """One step of a program.

    keep: which values are stored (all, none, or a bit an element). site: "file:line" of the call,
    or one for each element. base: number of the first element, None for single calls. limit:
    seconds. retries, max_retries: tries after an exception, after a death. retry_on: a content
    with exception types, None for `Exception`. options: what sub-tasks inherit, given where the
    task may make some. places: where seeds come from (see `seeds`), None for pure tasks.
    """

    function: Any
    name: str
    keywords: tuple[str, ...]
    context: bool
    columns: tuple[Any, ...]
    keep: bool | bytes
    site: Any
    base: int | None
    limit: float | None
    retries: int
    max_retries: int
    retry_on: Any
    options: Any
    places: Any = None


class Program(NamedTuple):
    """The steps of a unit and the number of its elements."""

    steps: tuple[StepCode, ...]
    n: int

    @property
    def outputs(self) -> list[int]:
        """The steps whose values are stored, in order."""
        return [number for number, step in enumerate(self.steps) if step.keep is not False]

    def uses(self) -> Iterator[tuple[int, int, int]]:
        """Give the values of other units that it uses: (input, output, place), some repeatedly."""
        for step in self.steps:
            for column in step.columns:
                for source, output, start, stride, count in _runs_of(column):
                    for number in range(count):
                        yield source, output, start + number * stride


def site_of(step: StepCode, number: int) -> str:
    """Give "file:line" of the call of an element."""
    return step.site if isinstance(step.site, str) else str(step.site[number])


def element_of(step: StepCode, number: int) -> int | None:
    """Give the place of an element in its map, None for a single call."""
    return None if step.base is None else step.base + number


def cut(program: Program, start: int, stop: int) -> Program:
    """Give the program of a range of elements; its inputs keep their positions."""
    return Program(tuple(_cut_step(step, start, stop) for step in program.steps), stop - start)


def _runs_of(column: Any) -> Iterator[Run]:
    kind = column[0]
    if kind in "rb":
        yield from (run for run in column[1] if run[0] != "c")
    elif kind in "mn":
        for slot in column[-1]:
            yield from _runs_of(slot)


def _cut_step(step: StepCode, start: int, stop: int) -> StepCode:
    return step._replace(
        columns=tuple(_cut_column(column, start, stop) for column in step.columns),
        keep=step.keep[start:stop] if isinstance(step.keep, bytes) else step.keep,
        site=step.site if isinstance(step.site, str) else step.site[start:stop],
        base=None if step.base is None else step.base + start,
        places=seeds.cut(step.places, start, stop),
    )


def _cut_column(column: Any, start: int, stop: int) -> Any:
    kind = column[0]
    if kind in "sm":
        return (kind, column[1][start:stop])
    if kind == "r" and sum(run[4] for run in column[1]) > 1:
        return ("r", list(_cut_runs(column[1], start, stop)))
    return column


def _cut_runs(runs: Sequence[Run], start: int, stop: int) -> Iterator[Run]:
    at = 0
    for source, output, first, step, count in runs:
        low, high = max(start - at, 0), min(stop - at, count)
        if low < high:
            yield (source, output, first + low * step, step, high - low)
        at += count
