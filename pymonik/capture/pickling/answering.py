"""Objects that answer every attribute: what they hold is taken and set without asking them.

Enters: an object of a class with a `__getattr__` of its own. Leaves: how it is made again. `pickle`
asks an object that is still empty for `__setstate__`; one that looks attributes up in what it holds
then asks itself for ever, or raises what `pickle` does not expect.
"""

from __future__ import annotations

import copyreg
from typing import Any

from pymonik._pickled import pickled
from pymonik.system.attributes import HEAP_TYPE, attribute

_CopyReg: Any = copyreg
# What the methods of these say is asked for as ever.
_OF_STATE = ("__getnewargs__", "__getnewargs_ex__", "__getstate__")
# Of objects that begin with these, attributes and items are all there is.
_OPEN = frozenset({object, list, dict})


def answers_all(kind: Any) -> bool:
    """Return whether objects of a class answer for attributes that they do not have."""
    return (
        _defines(kind, "__getattr__")
        and not _defines(kind, "__setstate__")
        and kind.__reduce_ex__ is object.__reduce_ex__
        and kind.__reduce__ is object.__reduce__
    )


def _defines(kind: type, *names: str) -> bool:
    """Return whether a class does; a metaclass may answer for what it does not have."""
    return any(name in vars(base) for base in kind.__mro__[:-1] for name in names)


def reduce_answering(obj: Any) -> Any:
    """Return how a pickle makes an object, with its state set by `set_attributes`."""
    kind = type(obj)
    is_open = all(base.__flags__ & HEAP_TYPE or base in _OPEN for base in kind.__mro__)
    if not is_open or _defines(kind, *_OF_STATE):
        make, args, state, *items = obj.__reduce_ex__(4)
        return make, args, state, *items, *[None] * (2 - len(items)), set_attributes
    slots = {n: v for n in _CopyReg._slotnames(kind) if (v := _slot(obj, n)) is not obj}
    state = (attribute(obj, "__dict__") or None, slots or None)
    lists = iter(list(list.__iter__(obj))) if isinstance(obj, list) else None
    dicts = iter(list(dict.items(obj))) if isinstance(obj, dict) else None
    return _CopyReg.__newobj__, (kind,), state, lists, dicts, set_attributes


def _slot(obj: Any, name: str) -> Any:
    """Return what a slot holds; the object itself where it is empty."""
    try:
        return object.__getattribute__(obj, name)
    except AttributeError:
        return obj


@pickled
def set_attributes(made: Any, state: Any) -> None:
    """Give an object its attributes, and those in slots, as `pickle` does."""
    attributes, slots = state if isinstance(state, tuple) and len(state) == 2 else (state, None)
    if attributes:
        object.__getattribute__(made, "__dict__").update(attributes)
    for name, value in (slots or {}).items():
        object.__setattr__(made, name, value)
