"""Containers with methods of their own: they are made and filled again without these.

Enters: an object of a class that extends a container of the standard library, and leaves pickling
to that. Leaves: how it is made again. The container has it that its class is called with what it
holds itself: a class that takes anything else would fail, or lose in silence what it holds. And
`pickle` fills it by its `__setitem__` or `extend`, before it has its attributes: what these do to
an item was done once already, when it was put there.
"""

from __future__ import annotations

import copyreg
import inspect
import sys
import types
from collections import Counter, OrderedDict, defaultdict, deque
from typing import Any

from pymonik._pickled import pickled
from pymonik.capture.definitions.by_value import is_by_value
from pymonik.capture.importer import is_shipped
from pymonik.capture.pickling.answering import set_attributes
from pymonik.system.attributes import attribute

# What comes first in the order of resolution counts: an `OrderedDict` is a `dict`, too.
_BASES: tuple[Any, ...] = (defaultdict, deque, Counter, OrderedDict, set, frozenset, dict, list)
_VALUES: tuple[Any, ...] = (tuple, str, int, float, bytes)
# Their `__reduce__` leaves out what attributes an object has.
_WITHOUT_STATE = (defaultdict, Counter)
# So do those of what these modules define.
_OF_STDLIB = frozenset({"datetime", "decimal", "fractions", "pathlib"})
# By which of their methods `pickle` looks at what they hold, and fills them.
_BY_KEYS, _IN_ORDER = ("__setitem__", "items"), ("extend", "append", "__iter__")
_FILLED_BY = {defaultdict: _BY_KEYS, OrderedDict: _BY_KEYS, dict: _BY_KEYS, list: _IN_ORDER}


def base_of(kind: Any) -> Any:
    """Return the container that a class extends with methods of its own; None: there is none.

    One that pickles itself knows better.
    """
    base = next((base for base in _BASES if issubclass(kind, base)), None)
    if base is None or kind.__reduce__ is not base.__reduce__:
        return None
    if kind.__reduce_ex__ is not base.__reduce_ex__ or _is_own(kind, base, "__getnewargs__"):
        return None
    called = ("__init__", "__new__", "update") if base is Counter else ("__init__", "__new__")
    if base in (dict, list):
        is_called = _needs_arguments(kind)
    else:
        is_called = any(_is_own(kind, base, name) for name in called)
    filled = any(_is_own(kind, base, name) for name in _FILLED_BY.get(base, ()))
    if filled and not _is_of_program(kind):  # it may need what its own constructor has set
        return None
    is_stripped = base in _WITHOUT_STATE and _is_of_program(kind)
    return base if is_called or is_stripped or _fills_itself(kind, base) else None


def _needs_arguments(kind: Any) -> bool:
    """Return whether a class cannot be made without arguments, as `pickle` makes it."""
    make = kind.__new__
    if type(make) is not types.FunctionType or hasattr(kind, "__getnewargs_ex__"):
        return False
    code = make.__code__
    is_short = code.co_argcount - len(make.__defaults__ or ()) > 1
    return is_short or code.co_kwonlyargcount > len(make.__kwdefaults__ or {})


def _fills_itself(kind: Any, base: Any) -> bool:
    """Return whether a class of the program does something of its own where it is filled."""
    is_plain = not any(_is_own(kind, base, name) for name in ("__getstate__", "__setstate__"))
    filled = any(_is_own(kind, base, name) for name in _FILLED_BY.get(base, ()))
    return is_plain and filled and _is_of_program(kind)


def _is_of_program(kind: Any) -> bool:
    return is_by_value(kind) or is_shipped(sys.modules.get(kind.__module__))


def _is_own(kind: Any, base: Any, name: str) -> bool:
    return getattr(kind, name, None) is not getattr(base, name, None)


def value_base_of(kind: Any) -> Any:
    """Return the value that a class extends whose constructor takes more than such a value.

    None: there is none. Another constructor may be called, as `pickle` does: it may give the one
    object that it has for a value.
    """
    make = kind.__new__
    if type(make) is not types.FunctionType or hasattr(kind, "__getnewargs_ex__"):
        return None
    base = next((base for base in _VALUES if issubclass(kind, base)), None)
    if base is None or kind.__reduce__ is not object.__reduce__ or not _is_of_program(kind):
        return None
    base = (_named_tuple_of(kind) if base is tuple else None) or base
    if kind.__reduce_ex__ is not object.__reduce_ex__ or _is_own(kind, base, "__getnewargs__"):
        return None
    return base if make is not base.__new__ and _takes_more(make, base) else None


def _named_tuple_of(kind: Any) -> Any:
    names = {"_make", "__getnewargs__"}
    return next((base for base in kind.__mro__ if names <= vars(base).keys()), None)


def _takes_more(make: types.FunctionType, base: Any) -> bool:
    code = make.__code__
    if code.co_kwonlyargcount > len(make.__kwdefaults__ or {}):
        return True
    if issubclass(base, tuple):  # of its items, all would be the first, whatever has a default
        return code.co_argcount > 2 or bool(code.co_flags & inspect.CO_VARARGS)
    return code.co_argcount - len(make.__defaults__ or ()) > 2


def reduce_value(obj: Any, base: Any) -> Any:
    """Return how a pickle makes a value of a class with a constructor of its own."""
    reduced: Any = object.__reduce_ex__(obj, 4)
    _make, (_kind, *given), *rest = reduced
    return new_value, (base, type(obj), *given), *rest


@pickled
def new_value(base: Any, kind: Any, *given: Any) -> Any:
    """Make a value as the one that it extends is made."""
    return base.__new__(kind, *given)


def reduce_with_attributes(obj: Any, kind: Any) -> Any:
    """Return how a pickle makes a number, a date or a path that has attributes of its own.

    NotImplemented: it has none, or its class says itself how it is pickled.
    """
    names = ("__reduce__", "__reduce_ex__")
    owner = next(base for base in kind.__mro__ if any(name in vars(base) for name in names))
    if owner.__module__.partition(".")[0] not in _OF_STDLIB:
        return NotImplemented
    own, reduced = attribute(obj, "__dict__"), obj.__reduce_ex__(4)
    if not own or not isinstance(reduced, tuple) or len(reduced) != 2:
        return NotImplemented
    return *reduced, dict(own), None, None, set_attributes


def reduce_container(obj: Any, base: Any) -> Any:
    """Return how a pickle makes a container."""
    make: Any
    args: Any
    if base in (dict, list):
        reduced: Any = object.__reduce_ex__(obj, 4)
        make, args, *rest = reduced
        if _needs_arguments(type(obj)):
            make, args = new_container, (base, type(obj), ())
    else:
        kind, given, *rest = obj.__reduce__()
        make, args = new_container, (base, kind, given)
        if base in _WITHOUT_STATE:
            rest = [_state_of(obj), *rest[1:]]
    if not _fills_itself(type(obj), base):
        return make, args, *rest
    state = rest[0] if rest else None
    items = list(list.__iter__(obj) if base is list else base.items(obj))  # in its own order
    return make, args, (base, items, state), None, None, fill_container


def _state_of(obj: Any) -> Any:
    """Return the attributes of an object, as `pickle` takes them."""
    get = getattr(type(obj), "__getstate__", None)
    if get is not None:  # that of `object`, since Python 3.11
        return get(obj)
    # What Python 3.10 asks itself; it is private.
    names: list[str] = copyreg._slotnames(type(obj))  # type: ignore[attr-defined]
    slots = {name: getattr(obj, name) for name in names if hasattr(obj, name)}
    attributes = getattr(obj, "__dict__", None) or None
    return (attributes, slots) if slots else attributes


@pickled
def fill_container(made: Any, given: tuple[Any, Any, Any]) -> None:
    """Fill a container as the one that it extends is filled, and give it its attributes."""
    base, items, state = given
    if base is list:
        list.extend(made, items)
    else:
        for key, value in items:
            base.__setitem__(made, key, value)
    attributes, slots = state if isinstance(state, tuple) else (state, None)
    if attributes:
        vars(made).update(attributes)
    for name, value in (slots or {}).items():
        setattr(made, name, value)


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
