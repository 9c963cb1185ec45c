"""Classes as they were captured, in the process that they were captured in.

Enters: definitions, while a unit runs in the user's own process. Leaves: whether the class of this
process still is what one says. One that was changed since is made of its definition instead, as in
an executor. Asked once a unit: what a task itself does to a class is seen by the calls after it.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from pymonik.system.attributes import attribute
from pymonik.values.content import Definition


class _Unit(threading.local):
    seen: dict[Definition, bool] | None = None
    # Objects of the program that have no state, and may be given some by tasks.
    stateless: tuple[Any, ...] = ()


_UNIT = _Unit()


@contextmanager
def as_captured() -> Iterator[None]:
    """Let this thread load classes as they were captured."""
    outer, _UNIT.seen = _UNIT.seen, {}
    others: tuple[Any, ...]
    others, _UNIT.stateless = _UNIT.stateless, ()
    try:
        yield
    finally:
        if is_alone():  # a thread may have begun meanwhile
            obj: Any
            for obj in _UNIT.stateless:
                attribute(obj, "__dict__").clear()
        _UNIT.seen, _UNIT.stateless = outer, others


def clear_after_unit(obj: Any) -> None:
    """Take from an object of the program, at the end of the unit, what tasks have set of it."""
    if all(obj is not one for one in _UNIT.stateless):
        _UNIT.stateless = (*_UNIT.stateless, obj)


def is_alone() -> bool:
    """Return whether the program has no other thread, so that what an object is given is a task's.

    With others, nobody can tell who has set an attribute of an object of the program.
    """
    this = threading.current_thread()
    # Threads of ours set none.
    others = [thread.name for thread in threading.enumerate() if thread is not this]
    return all(name.startswith("pymonik-") for name in others)


def is_in_unit() -> bool:
    """Return whether this thread runs a unit in the user's own process."""
    return _UNIT.seen is not None


def liveness(
    definitions: Sequence[Definition], is_current: Callable[[Definition], bool]
) -> tuple[bool, ...]:
    """Return for which definitions the objects of this process stand, in a unit that runs in it."""
    seen = _UNIT.seen
    if seen is None:
        return ()
    return tuple([are_live((definition,), is_current) for definition in definitions])


def are_live(definitions: Sequence[Definition], is_current: Callable[[Definition], bool]) -> bool:
    """Return whether the objects of this process may stand for definitions."""
    seen = _UNIT.seen
    if seen is None:
        return True
    for definition in definitions:
        if definition not in seen:
            seen[definition] = is_current(definition)
    return all(map(seen.__getitem__, definitions))
