"""Containers with a constructor of their own: they are filled again without it.

Enters: an object of a class that extends a container of the standard library, and leaves pickling
to that. Leaves: how it is made again. The container has it that its class is called with what it
holds itself: a class that takes anything else would fail, or lose in silence what it holds.
"""

from __future__ import annotations

from collections import Counter, OrderedDict, defaultdict, deque
from typing import Any

from pymonik._pickled import pickled

# What comes first in the order of resolution counts: an `OrderedDict` is a `dict`, too.
_BASES: tuple[Any, ...] = (defaultdict, deque, Counter, OrderedDict, set, frozenset)


def base_of(kind: Any) -> Any:
    """Return the container that a class extends with a constructor of its own; None: there is none.

    One that pickles itself knows better.
    """
    base = next((base for base in _BASES if issubclass(kind, base)), None)
    if base is None or kind.__reduce__ is not base.__reduce__:
        return None
    if kind.__reduce_ex__ is not base.__reduce_ex__ or _is_own(kind, base, "__getnewargs__"):
        return None
    called = ("__init__", "__new__", "update") if base is Counter else ("__init__", "__new__")
    return base if any(_is_own(kind, base, name) for name in called) else None


def _is_own(kind: Any, base: Any, name: str) -> bool:
    return getattr(kind, name, None) is not getattr(base, name, None)


def reduce_container(obj: Any, base: Any) -> Any:
    """Return how a pickle makes a container."""
    kind, args, *rest = obj.__reduce__()
    return new_container, (base, kind, args), *rest


@pickled
def new_container(base: Any, kind: Any, args: tuple[Any, ...]) -> Any:
    """Make a container as the one that it extends is made."""
    if base is frozenset:
        return frozenset.__new__(kind, *args)
    made = base.__new__(kind)
    if base is Counter:  # its constructor calls `update`, which may be the class's own
        dict.update(made, *args)
    else:
        base.__init__(made, *args)
    return made
