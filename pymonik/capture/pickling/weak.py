"""Weak references: they hold nothing in a task that nothing else there holds.

Enters: references, methods and proxies that are weak, and containers of such. Leaves: how they are
made again. What they name travels with them. Somebody at home holds it while an argument is used:
here the call does, until it ends. Of what else they name, all is gone where only they name it.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable
from typing import Any

from pymonik._pickled import pickled
from pymonik.capture.definitions.arguments import is_argument

# Holds what the weak references of arguments name; without one, nobody does.
_HOLDERS: list[Callable[[Any], None]] = []


def hold_by(holder: Callable[[Any], None]) -> None:
    """Give a holder what weak references name that arguments of calls bring, in this process."""
    _HOLDERS[:] = [holder]


def _hold(target: Any) -> None:
    if not _HOLDERS or not is_argument():
        return
    from pymonik.capture.definitions.maker import is_making  # before a first call, few need it

    if not is_making():  # a definition outlives the call: it is to be the same in all of them
        _HOLDERS[0](target)


def _reduce_reference(reference: Any) -> Any:
    target = reference()
    if target is None:
        return dead_reference, ()
    return weak_reference, (target, reference.__callback__)


@pickled
def weak_reference(target: Any, callback: Any) -> Any:
    """Make a weak reference."""
    _hold(target)
    return weakref.ref(target, callback)


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
    _hold(obj)
    return weakref.WeakMethod(getattr(obj, name))


@pickled
def dead_reference() -> Any:
    """Make a weak reference to what is gone."""
    return weakref.ref(set())


def _reduce_proxy(proxy: Any) -> Any:
    """Find what it stands for by a method that answers for it: a proxy itself never tells."""
    try:
        return weak_proxy, (proxy.__reduce_ex__.__self__,)
    except ReferenceError:
        return dead_proxy, ()


@pickled
def weak_proxy(target: Any) -> Any:
    """Make a proxy."""
    _hold(target)
    return weakref.proxy(target)


@pickled
def dead_proxy() -> Any:
    """Make a proxy of what is gone."""
    return weakref.proxy(set())


def _reduce_dictionary(weak: Any) -> Any:
    items = list(weak.items())
    # Its items are there when its state is set: it has none of its own.
    return type(weak), (), items, None, iter(items), hold_items


@pickled
def hold_items(weak: Any, items: list[Any]) -> None:
    """Hold the items of a weak dictionary."""
    _hold(items)


def _reduce_set(weak: weakref.WeakSet[Any]) -> Any:
    return weak_set, (list(weak),)


@pickled
def weak_set(members: list[Any]) -> weakref.WeakSet[Any]:
    """Make a weak set."""
    _hold(members)
    return weakref.WeakSet(members)


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
            "a WeakKeyDictionary of a class or a module cannot be pickled: its keys are objects "
            "of this process, and copies of them would not be found in it; keep its values in "
            "the objects themselves"
        )
    return type(weak), ()


# What a class or a module keeps in them, by the objects of this process, is of this process.
PROCESS_OWN: dict[Any, Callable[[Any], Any]] = {
    weakref.WeakKeyDictionary: _made_if_empty,
    weakref.WeakValueDictionary: _made_empty,
    weakref.WeakSet: _made_empty,
}
