"""Partials: outcomes that are there in part, when a worker hands out the rest of its work.

Enters: the outputs of a unit, and the holes in them. Leaves: a unit that runs nothing: its task
waits for the values that are missing, and puts them beside the others.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from pymonik.plan.fan_in import PASS_ON, FanInUnit, Hole
from pymonik.values.options import TaskOptions
from pymonik.values.outputs import Outputs
from pymonik.wire.program import Program

NAME = "assemble"


class Partial(FanInUnit):
    """A unit that fills holes of outputs; its inputs are the outputs that make what is missing."""

    __slots__ = ("_holes",)

    def __init__(self, outputs: Outputs, holes: Sequence[Hole], options: TaskOptions) -> None:
        sources = tuple(dict.fromkeys(hole[2] for hole in holes))
        super().__init__(
            0, Program([PASS_ON], outputs.n), sources, outputs, options, NAME, wanted=False
        )
        self._holes = holes

    def columns(self) -> list[list[Any]]:
        """Return the records that are there, None in the holes."""
        return [list(column) for column in self.outputs.columns]

    def holes(self) -> Iterator[tuple[int, int, int, int, int]]:
        """Return (output, element, input, its output, its place) for each hole."""
        numbers = {source: number for number, source in enumerate(self.inputs)}
        for output, element, outputs, out, place in self._holes:
            yield output, element, numbers[outputs], out, place
