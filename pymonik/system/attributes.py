"""Attributes of objects of the user, who may have taught them to answer in any way."""

from __future__ import annotations

from typing import Any

# `Py_TPFLAGS_HEAPTYPE`: a class that was made at run time.
HEAP_TYPE = 1 << 9


def role_of(kind: Any) -> Any:
    """Return what objects of a class of this package are, such as "handle"; None for other classes.

    So they are known to who may not import their classes. Who looks at each value that calls take
    or return asks for the attribute itself, which takes two thirds of the time.
    """
    if type(kind) is type:
        return getattr(kind, "__pymonik_role__", None)
    # A metaclass may answer every question: only what stands in a class counts.
    roles = (vars(base).get("__pymonik_role__") for base in kind.__mro__)
    return next((role for role in roles if role is not None), None)


def attribute(obj: Any, name: str, default: Any = None) -> Any:
    """Return an attribute, the default where there is none, or where asking for it fails."""
    try:
        return getattr(obj, name, default)
    except Exception:  # of a `__getattr__` or a property, which may raise anything
        return default
