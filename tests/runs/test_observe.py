"""A run that is watched by several threads at once."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from pymonik.runs.observe import ObservedBackend


class _Units(list[Any]):
    """Units of a plan; while they are counted, a task makes two more."""

    def __init__(self, watched: ObservedBackend) -> None:
        super().__init__([None])
        self._watched = watched

    def __len__(self) -> int:
        self._watched.made(None, [None, None], ())  # type: ignore[arg-type]
        return super().__len__()


def test_no_unit_is_lost_that_a_task_makes_while_others_are_counted() -> None:
    traits = SimpleNamespace(session_id="s", name="local", slots=1, pieces=None)
    backend: Any = SimpleNamespace(
        traits=traits, want=None, progress=None, submit=lambda plan: None
    )
    watched = ObservedBackend(backend)
    plan: Any = SimpleNamespace(calls=1, units=_Units(watched), graph=SimpleNamespace(nodes=()))
    watched._draw = lambda plan: None  # type: ignore[method-assign]
    watched.submit(plan)
    assert watched._record.units == 3
