"""Sharing: whether an object may be handed from one step of a unit to the next as itself.

Enters: a value that one step has made for another. Leaves: yes, when provably nothing else can ever
see it; in doubt no, and the value is pickled as between processes.
"""

from __future__ import annotations

import sys
from typing import Any

from pymonik.system.attributes import attribute
from pymonik.values.content import IMMEDIATE, is_immediate_tuple


def is_uniquely_owned(value: Any) -> bool:
    """Return whether only its one consumer can ever see an object.

    True for a list or dict of immediates and an array that owns its memory, when the count of
    references says that the task kept none.
    """
    if sys.getrefcount(value) > _OWN_REFERENCES:
        return False
    kind = type(value)
    if kind is list:
        return IMMEDIATE.issuperset(map(type, value))
    if kind is dict:
        return IMMEDIATE.issuperset(map(type, value.values())) and IMMEDIATE.issuperset(
            map(type, value)
        )
    if kind is tuple:
        return is_immediate_tuple(value)
    flags = attribute(value, "flags")
    if kind.__module__ == "numpy" and flags is not None and attribute(value, "base", 0) is None:
        return bool(flags.owndata) and not value.dtype.hasobject
    return False


def _measure() -> int:
    """Count the references to an object that only the frames of this module hold."""

    def store(value: Any) -> tuple[int, Any]:
        record = value
        return is_uniquely_owned(value), record

    def is_uniquely_owned(value: Any) -> int:
        return sys.getrefcount(value)

    outcome: list[Any] = []
    return store(outcome)[0]


_OWN_REFERENCES = _measure()
