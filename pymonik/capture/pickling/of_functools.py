"""What `functools` makes of functions: caches, cached properties, dispatchers by type.

Enters: such an object, met by the pickler. Leaves: how it is made again: a cache begins empty.
"""

from __future__ import annotations

import functools
import types
from collections.abc import Callable
from typing import Any

from pymonik._pickled import pickled
from pymonik.capture.definitions.by_value import travels_from
from pymonik.capture.definitions.record import found_at


def _reduce_cached(obj: Any) -> Any:
    """Carry a function with a cache, which begins empty, where it cannot be imported."""
    function = obj.__wrapped__
    if not isinstance(function, types.FunctionType):
        return NotImplemented
    if not travels_from(obj.__module__) and found_at(f"{obj.__module__}:{obj.__qualname__}") is obj:
        return NotImplemented
    return new_cached, (function, obj.cache_parameters())


@pickled
def new_cached(function: Any, parameters: dict[str, Any]) -> Any:
    """Make a function with a cache."""
    return functools.lru_cache(**parameters)(function)


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
