"""Sharing: which objects that can change several pickles have in common.

Enters: what picklers have met. Leaves: yes or no. Each argument of a call is a pickle of its own,
so that equal ones travel once; two that hold one object are one pickle, as they are one in the
task: an optimizer that holds the parameters of a model, say.
"""

from __future__ import annotations

import threading
import types
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from pymonik.capture.pickling.views import do_overlap
from pymonik.system.attributes import attribute


class Reach(dict[int, Any]):
    """Objects by their ids: kept, so that no other comes to have the id of one.

    `arrays`: those that may share memory with others.
    """

    arrays: Sequence[Any] = ()


# What cannot be changed, and what goes by its name: no two pickles have it in common.
_FIXED = frozenset({int, float, complex, str, bytes, bool, tuple, frozenset, type(None)})
_NAMED = (type, types.FunctionType, types.BuiltinFunctionType, types.MethodType, types.ModuleType)


class _Noted(threading.local):
    reaches: dict[int, Reach] | None = None


# What the objects that this thread captures now have reached, by their ids; None where nobody asks.
NOTED = _Noted()


@contextmanager
def noting() -> Iterator[dict[int, Reach]]:
    """Note what the objects hold that this thread freezes meanwhile, by the ids of these."""
    outer, NOTED.reaches = NOTED.reaches, {}
    try:
        yield NOTED.reaches
    finally:
        NOTED.reaches = outer


def reach_of(memo: dict[int, tuple[int, Any]]) -> dict[int, Any]:
    """Return the objects in the memo of a pickler that can change."""
    return {key: obj for key, (_, obj) in memo.items() if _can_change(obj)}


def _can_change(obj: Any) -> bool:
    kind: Any = type(obj)
    if kind in _FIXED or isinstance(obj, _NAMED) or hasattr(kind, "__pymonik_role__"):
        return False
    # What is compared by its value, and could not be if it changed, is as good as a copy of it.
    unhashed = kind.__hash__ is None or kind.__hash__ is object.__hash__
    return unhashed or attribute(obj, "__dict__") is not None


def do_share(reaches: Iterable[Reach | None]) -> bool:
    """Return whether an object can be reached in two ways."""
    seen: set[int] = set()
    met = [reach for reach in reaches if reach]
    for reach in met:
        if not seen.isdisjoint(reach):
            return True
        seen.update(reach)
    return len(met) > 1 and do_overlap([reach.arrays for reach in met if reach.arrays])
