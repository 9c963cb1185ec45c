"""Versions of dicts: whether one has changed, told by a number instead of by all that it holds.

Enters: a dict. Leaves: a view of the number that CPython gives it anew at each change (PEP 509).
It stands in the memory of the dict; whether it does is tried once, with a dict of our own, and
where it does not there is no such view.
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Sequence
from functools import cache
from typing import Any

# Behind the two words that every object begins with, and how many items it has: a word of 8 bytes.
_PLACE, _SIZE = 24, 8
# What stands for a version where there is none: it never changes, and the dict is to be compared.
NO_VERSION = (0,)


def version_of(watched: dict[Any, Any]) -> Sequence[int] | None:
    """Return a view whose only item is another number once a dict has changed, None where none is.

    The dict has to live as long as the view.
    """
    return _view(watched) if _is_there() else None


def _view(watched: dict[Any, Any]) -> Sequence[int]:
    word = _word().from_address(id(watched) + _PLACE)
    view: Sequence[int] = memoryview(word).cast("B").cast("Q")
    return view


@cache
def _word() -> Any:
    # Not for `import pymonik`. The half of `ctypes` in C: all of it takes five times as long.
    import _ctypes

    base: Any = _ctypes._SimpleCData
    return type(base)("Word", (base,), {"_type_": "Q"})


@cache
def _is_there() -> bool:
    """Try whether each way of changing a dict gives it another number, and nothing else does."""
    if sys.implementation.name != "cpython" or dict.__basicsize__ < _PLACE + _SIZE:
        return False
    tried = {b"kept": b"one", b"gone": b"two"}
    with contextlib.suppress(Exception):  # no `_ctypes`, or another one than this is written for
        view = _view(tried)
        seen = [view[0]]
        for change in (
            lambda: tried.__setitem__(b"kept", b"three"),
            lambda: tried.__setitem__(b"new", b"four"),
            lambda: tried.__delitem__(b"gone"),
            lambda: tried.pop(b"new"),
            lambda: tried.update({b"kept": b"five"}),
            tried.clear,
        ):
            change()
            seen.append(view[0])
        return len(set(seen)) == len(seen) and [tried.get(b"kept"), view[0]] == [None, seen[-1]]
    return False
