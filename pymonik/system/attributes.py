"""Attributes of objects of the user, who may have taught them to answer in any way."""

from __future__ import annotations

from typing import Any

# `Py_TPFLAGS_HEAPTYPE`: a class that was made at run time.
HEAP_TYPE = 1 << 9


def attribute(obj: Any, name: str, default: Any = None) -> Any:
    """Return an attribute, the default where there is none, or where asking for it fails."""
    try:
        return getattr(obj, name, default)
    except Exception:  # of a `__getattr__` or a property, which may raise anything
        return default
