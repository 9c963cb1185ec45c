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

from typing import Any, NamedTuple

WIRE_VERSION = 1

Run = tuple[int, int, int, int, int]


class StepCode(NamedTuple):
    """One step of a program.

    keep: which values are stored (all, none, or a bit an element). site: "file:line" of the call,
    or one for each element. base: number of the first element, None for single calls. limit:
    seconds. retry_on: a content with exception types, None for `Exception`. options: what sub-tasks
    inherit, given where the task may make some.
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
    retry_on: Any
    options: Any


class Program(NamedTuple):
    """The steps of a unit and the number of its elements."""

    steps: tuple[StepCode, ...]
    n: int

    @property
    def outputs(self) -> list[int]:
        """The steps whose values are stored, in order."""
        return [number for number, step in enumerate(self.steps) if step.keep is not False]
