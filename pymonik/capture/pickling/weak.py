"""Weak references: they hold nothing in a task that nothing else there holds.

Enters: references, methods and proxies that are weak, and containers of such. Leaves: how they are
made again. What they name travels with them, and is gone again where only they name it, as at home.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable
from typing import Any

from pymonik._pickled import pickled


def _reduce_reference(reference: Any) -> Any:
    target = reference()
    if target is None:
        return dead_reference, ()
    callback = reference.__callback__
    return weakref.ref, (target,) if callback is None else (target, callback)


def _reduce_method(reference: weakref.WeakMethod[Any]) -> Any:
    method = reference()
    if method is None:
        return dead_reference, ()
    obj, function = method.__self__, method.__func__
    name = function.__name__
    if (
        getattr(type(obj), name, None) is not function
    ):  # as of a decorator: by what the class calls it
        spaces = (vars(base).items() for base in type(obj).__mro__)
        name = next((n for space in spaces for n, value in space if value is function), name)
    return weak_method, (obj, name)


@pickled
def weak_method(obj: Any, name: str) -> weakref.WeakMethod[Any]:
    """Make a weak reference to a method of an object, which is that of its class."""
    return weakref.WeakMethod(getattr(obj, name))


@pickled
def dead_reference() -> Any:
    """Make a weak reference to what is gone."""
    return weakref.ref(set())


def _reduce_proxy(proxy: Any) -> Any:
    """Find what it stands for by a method that answers for it: a proxy itself never tells."""
    try:
        return weakref.proxy, (proxy.__reduce_ex__.__self__,)
    except ReferenceError:
        return dead_proxy, ()


@pickled
def dead_proxy() -> Any:
    """Make a proxy of what is gone."""
    return weakref.proxy(set())


def _reduce_dictionary(weak: Any) -> Any:
    return type(weak), (), None, None, iter(list(weak.items()))


def _reduce_set(weak: weakref.WeakSet[Any]) -> Any:
    return weakref.WeakSet, (list(weak),)


REDUCERS: dict[Any, Callable[[Any], Any]] = {
    weakref.ref: _reduce_reference,
    weakref.WeakMethod: _reduce_method,
    weakref.ProxyType: _reduce_proxy,
    weakref.CallableProxyType: _reduce_proxy,
    weakref.WeakKeyDictionary: _reduce_dictionary,
    weakref.WeakValueDictionary: _reduce_dictionary,
    weakref.WeakSet: _reduce_set,
}


def _made_empty(weak: Any) -> Any:
    return type(weak), ()


def _made_if_empty(weak: weakref.WeakKeyDictionary[Any, Any]) -> Any:
    if len(weak):
        raise TypeError(
            "a WeakKeyDictionary of a class or a module knows objects of this process, and no copy "
            "of them: keep in the objects what it holds"
        )
    return type(weak), ()


# What a class or a module keeps in them, by the objects of this process, is of this process.
PROCESS_OWN: dict[Any, Callable[[Any], Any]] = {
    weakref.WeakKeyDictionary: _made_if_empty,
    weakref.WeakValueDictionary: _made_empty,
    weakref.WeakSet: _made_empty,
}
