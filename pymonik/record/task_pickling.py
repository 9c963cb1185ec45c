"""Tasks as they are pickled: what they are made of, or the place at which one stands.

Enters: tasks, and what they were pickled as. Leaves: what pickles name, and tasks. One that stands
for a function of a module is the same one as that, wherever it comes from. A task is Any here: it
imports this file.
"""

from __future__ import annotations

from typing import Any

from pymonik._pickled import pickled
from pymonik.capture.definitions.record import place_of, put_at, standing_at


def reduce_task(task: Any) -> Any:
    """Return what makes a task, for a pickler."""
    state = _state_of(task)
    if not (place := place_of(task, task.func)):
        return new_task, (type(task),), state
    return named_task, (type(task), task.func, place, state)


@pickled
def new_task(kind: Any) -> Any:
    """Begin a task."""
    return kind.__new__(kind)


@pickled
def named_task(kind: Any, function: Any, place: str, state: dict[str, Any]) -> Any:
    """Return the task that stands for a function at a place, or make one like it."""
    standing = standing_at(place, kind, function)
    if standing is not None and _are_same(_state_of(standing), state):
        return standing
    made = new_task(kind)
    vars(made).update(state)
    put_at(place, made)
    return made


def _are_same(one: dict[str, Any], other: dict[str, Any]) -> bool:
    try:
        return one == other
    except Exception:  # of an attribute whose comparison gives no bool, such as an array: a copy
        return False


def _state_of(made: Any) -> dict[str, Any]:
    return {key: value for key, value in vars(made).items() if key != "_signature"}
