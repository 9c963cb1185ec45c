"""What `functools` makes of functions: caches, cached properties, dispatchers by type.

Enters: such an object, met by the pickler. Leaves: how it is made again: a cache begins empty.
"""

from __future__ import annotations

import functools
import sys
import types
import weakref
from collections.abc import Callable
from typing import Any

from pymonik._pickled import pickled
from pymonik.capture.definitions.arguments import is_argument
from pymonik.capture.definitions.by_value import is_by_value_from
from pymonik.capture.definitions.record import object_at, place_of, put_at, standing_at
from pymonik.capture.importer import is_shipped


def _reduce_cached(obj: Any) -> Any:
    """Carry a function with a cache, which begins empty, where it cannot be imported."""
    function = obj.__wrapped__
    if not isinstance(function, types.FunctionType):
        return NotImplemented
    at = f"{obj.__module__}:{obj.__qualname__}"
    if not is_by_value_from(obj.__module__) and object_at(at) is obj:
        return NotImplemented
    return new_cached, (function, obj.cache_parameters(), place_of(obj, function))


# Made here of one that a module has: one for each function, for as long as somebody holds it.
_CACHED: weakref.WeakValueDictionary[tuple[str, int, str], Any] = weakref.WeakValueDictionary()


@pickled
def new_cached(function: Any, parameters: dict[str, Any], place: str = "") -> Any:
    """Make a function with a cache, or return the one that stands for the function at a place."""
    cached = standing_at(place, functools._lru_cache_wrapper, function)
    if cached is not None and cached.cache_parameters() == parameters:
        return _emptied(cached) if is_shipped(sys.modules.get(function.__module__)) else cached
    made = functools.lru_cache(**parameters)(function)
    # It holds the function, so that no other one comes to have its id meanwhile.
    key = (place, id(function), repr(parameters))
    return put_at(place, _emptied(_CACHED.setdefault(key, made))) if place else made


def _emptied(cached: Any) -> Any:
    """Return a function; as an argument, without what earlier calls have kept.

    The program's may be cleared since: nothing tells whether it was, as where a file that it reads
    has changed.
    """
    if is_argument():
        cached.cache_clear()
    return cached


def _reduce_cached_property(obj: Any) -> Any:
    """Leave out the lock that it has before Python 3.12."""
    return new_cached_property, (obj.func, obj.attrname)


@pickled
def new_cached_property(function: Any, name: str | None) -> Any:
    """Make a cached property."""
    made: Any = functools.cached_property(function)
    made.attrname = name
    return made


def _reduce_dispatching_method(obj: Any) -> Any:
    """Leave out the weak cache of methods that it has from Python 3.13 on."""
    return new_dispatching_method, (obj.func, obj.dispatcher)


@pickled
def new_dispatching_method(function: Any, dispatcher: Any) -> Any:
    """Make a method that dispatches by its argument."""
    made: Any = functools.singledispatchmethod(function)
    made.dispatcher = dispatcher
    return made


def is_dispatcher(function: Any) -> bool:
    """Return whether a function was made by `functools.singledispatch`."""
    return hasattr(function, "dispatch") and hasattr(function, "_clear_cache")


def reduce_dispatcher(function: Any) -> Any:
    """Make it of its implementations; they may call it, so that it has to be there first."""
    extra = {k: v for k, v in vars(function).items() if k not in _DISPATCHER}
    state = (dict(function.registry), extra)
    return new_dispatcher, (function.__name__,), state, None, None, fill_dispatcher


# Attributes that `functools.singledispatch` itself gives a function.
_DISPATCHER = frozenset({"register", "dispatch", "registry", "_clear_cache", "__wrapped__"})


@pickled
def new_dispatcher(name: str) -> Any:
    """Begin a function that dispatches by its argument."""

    def stub(*_: Any) -> None:
        """Stand for the implementation of `object`."""

    stub.__name__ = name
    return functools.singledispatch(stub)


@pickled
def fill_dispatcher(made: Any, state: Any) -> None:
    """Complete it."""
    registry, extra = state
    for kind, function in registry.items():
        made.register(kind, function)
    vars(made).update(extra)
    functools.update_wrapper(made, registry[object])


REDUCERS: dict[Any, Callable[[Any], Any]] = {
    functools._lru_cache_wrapper: _reduce_cached,
    functools.cached_property: _reduce_cached_property,
    functools.singledispatchmethod: _reduce_dispatching_method,
}
