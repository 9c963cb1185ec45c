"""Closed code: functions that call nothing and see nothing but what they are given.

Enters: a function. Leaves: whether it only computes with its arguments and constants. Where these
are immediates, no code of the program runs but its own, so a call of it changes nothing of the
process, and there is nothing to put back behind it.
"""

from __future__ import annotations

from opcode import opmap
from types import FunctionType
from typing import Any

from pymonik.values.content import IMMEDIATE

# What instructions of such code begin with, in all versions of Python. None calls, none reaches
# anything outside: attributes, globals, variables of closures; none makes a generator.
_CLOSED = (
    "BINARY_", "BUILD_TUPLE", "CACHE", "COMPARE_OP", "CONTAINS_OP", "COPY", "DUP_TOP",
    "EXTENDED_ARG", "INPLACE_", "IS_OP", "JUMP_", "LOAD_CONST", "LOAD_FAST", "NOP", "NOT_TAKEN",
    "POP_JUMP_", "POP_TOP", "RESUME", "RETURN_CONST", "RETURN_VALUE", "ROT_", "STORE_FAST", "SWAP",
    "TO_BOOL", "UNARY_",
)  # fmt: skip
_OPERATIONS = frozenset([
    number for name, number in opmap.items() if name.startswith(_CLOSED) and "_FREE" not in name
])  # fmt: skip


def is_closed(function: Any) -> bool:
    """Return whether a function only computes with what it is given, if that is immediates."""
    if type(function) is not FunctionType or function.__kwdefaults__:
        return False
    if not IMMEDIATE.issuperset(map(type, function.__defaults__ or ())):
        return False
    return _OPERATIONS.issuperset(function.__code__.co_code[::2])
