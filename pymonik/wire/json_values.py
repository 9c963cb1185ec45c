"""Plain values: what JSON keeps as it is, and lists of them, at the speed of C.

Enters: values of `records`. Leaves: whether they may stand in its text as they are; or long lists
of one kind as arrays and columns, which take no step of Python for each item.
"""

from __future__ import annotations

import math
import sys
from array import array
from collections.abc import Sequence
from itertools import chain
from operator import itemgetter
from typing import Any

PLAIN = frozenset({int, float, str, bool, type(None)})
# Bytes of an item, by the typecode of an array.
ITEM_SIZES = {"b": 1, "h": 2, "i": 4, "q": 8, "d": 8}
# Python may refuse to read integers of more than 640 digits from text: those go in hexadecimal.
_WIDE = 1 << 2048


def is_plain(values: Sequence[Any], kinds: set[type]) -> bool:
    """Return whether JSON keeps values as they are: no wide integer, no NaN, no lone surrogate."""
    if not kinds <= PLAIN:
        return False

    def of(kind: type) -> Sequence[Any]:
        return values if len(kinds) == 1 else [v for v in values if type(v) is kind]

    if int in kinds and not -_WIDE < min(ints := of(int)) <= max(ints) < _WIDE:
        return False
    if float in kinds and any(map(math.isnan, of(float))):
        return False
    return str not in kinds or _is_text("".join(of(str)))


def are_plain(tuples: list[Any]) -> bool:
    """Return whether JSON keeps all items of tuples as they are."""
    items = [*chain.from_iterable(tuples)]
    return is_plain(items, set(map(type, items)))


def columns_of(values: list[Any]) -> list[list[Any]]:
    """Return the columns of tuples that have one length, none of others."""
    width, *others = set(map(len, values))
    if others:
        return []
    return [[*map(itemgetter(place), values)] for place in range(width)]


def array_of(values: list[Any], kinds: set[type]) -> array[Any] | None:
    """Return numbers of one kind as an array, None of what does not fit into one exactly."""
    if kinds == {float}:
        return in_order(array("d", values))
    if kinds != {int}:
        return None
    low, high = min(values), max(values)
    for code in "bhiq":
        limit = 1 << 8 * ITEM_SIZES[code] - 1
        if -limit <= low and high < limit:
            return in_order(array(code, values))
    return None


def in_order(numbers: array[Any]) -> array[Any]:
    """Turn numbers round between the order of this machine and that of the format."""
    if sys.byteorder == "big":
        numbers.byteswap()
    return numbers


def _is_text(value: str) -> bool:
    if value.isascii():
        return True
    try:
        value.encode()
    except UnicodeEncodeError:  # a surrogate: two of them would be read as one character
        return False
    return True
