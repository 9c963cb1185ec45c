"""Steps of a program that are made when one of them is asked for: most calls of lanes need none.

Enters: a program. Leaves: its steps; and what stands for one while its call runs.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, overload

if TYPE_CHECKING:
    from pymonik.wire.program import Program, StepCode


class LaterSteps(Sequence["StepCode"]):
    """The steps of a program, all of which are made for the first that is asked for."""

    def __init__(self, program: Program) -> None:
        self._program = program

    def __len__(self) -> int:
        return len(self._program.shared.codes)

    @overload
    def __getitem__(self, place: int) -> StepCode: ...
    @overload
    def __getitem__(self, place: slice) -> Sequence[StepCode]: ...
    def __getitem__(self, place: Any) -> Any:
        return self._program.steps[place]

    def __iter__(self) -> Iterator[StepCode]:
        return iter(self._program.steps)


class LaterStep:
    """Stands for a step while its call runs, which may ask for its context."""

    __slots__ = ("_place", "_program")

    def __init__(self, program: Program, place: int) -> None:
        self._program, self._place = program, place

    def __getattr__(self, name: str) -> Any:
        return getattr(self._program.steps[self._place], name)
