"""Variables that classes and functions have in common: names of a module, and cells of a scope.

Enters: the variables of a module, or a closure cell. Leaves: which names are rebound by functions
and used by methods, and how a pickle makes the namespace, or the cell, again. A class is made once
in each process: what its methods rebind has to be what functions see. Functions alone need none of
this: those of one pickle share what they see anyway.
"""

from __future__ import annotations

import types
from collections.abc import Iterator
from functools import lru_cache
from typing import Any

from pymonik.capture.code_text import STORING, instructions, nested
from pymonik.capture.definitions.function_maker import (
    fill_cell,
    fill_namespace,
    new_cell,
    new_namespace,
)
from pymonik.capture.definitions.record import record_of
from pymonik.capture.reachable import global_names
from pymonik.system.attributes import attribute, role_of

# What code finds of its module without naming it.
_BASIC = ("__package__", "__name__", "__path__", "__file__")


# As many code objects as `code_text.uses` keeps.
@lru_cache(maxsize=4096)
def rebound(code: types.CodeType) -> frozenset[str]:
    """Return the globals that a code object, or one inside it, rebinds."""
    return frozenset(
        one.co_names[argument]
        for one in (code, *nested(code))
        for op, argument in instructions(one.co_code)
        if op in STORING
    )


def shared_names(space: dict[str, Any]) -> frozenset[str]:
    """Return the names of a module that its functions rebind, and what is defined apart uses.

    These are methods of its classes, and functions that are passed as values.
    """
    functions, methods = _defined_in(space)
    stored = frozenset().union(*(rebound(f.__code__) for f in (*functions, *methods)))
    if not stored:
        return stored
    users = [*methods, *filter(record_of, functions)]
    return stored & {name for user in users for name in global_names(user.__code__)}


def _defined_in(space: dict[str, Any]) -> tuple[list[types.FunctionType], list[types.FunctionType]]:
    module = space.get("__name__")
    functions, methods = [], []
    for value in list(space.values()):
        if issubclass(type(value), type):  # a stand-in may raise when it is asked
            methods += list(_methods(value)) if value.__module__ == module else []
        elif (function := _function_of(value)) is not None and function.__globals__ is space:
            functions.append(function)
    return functions, methods


def _methods(cls: type) -> Iterator[types.FunctionType]:
    for value in list(vars(cls).values()):
        for part in (value, *(attribute(value, name) for name in ("fget", "fset", "fdel"))):
            if (function := _function_of(part)) is not None:
                yield function


def _function_of(value: Any) -> types.FunctionType | None:
    if type(value) in (staticmethod, classmethod):
        value = value.__func__
    if role_of(type(value)) == "task":
        value = value.__pymonik_function__
    return value if type(value) is types.FunctionType else None


class Namespace:
    """Stands in a pickle for the variables of a module, of which it takes some."""

    __slots__ = ("basic", "identity", "values")

    def __init__(self, identity: str, space: dict[str, Any], names: set[str] | None) -> None:
        self.identity = identity
        own = [name for name in space if not name.startswith("__")]
        self.values = {name: space[name] for name in sorted(names or own) if name in space}
        self.basic = {name: space[name] for name in _BASIC if name in space}

    def reduced(self) -> Any:
        """Return how a pickle makes it."""
        return new_namespace, (self.identity, self.basic), self.values, None, None, fill_namespace


def holds_code(data: bytes) -> bool:
    """Return whether a pickle may carry functions or classes by value."""
    return b"new_code" in data or b"cloudpickle" in data


def is_variable(cell: types.CellType) -> bool:
    """Return whether a cell holds what may be rebound, and not what is defined in its scope."""
    try:
        value = cell.cell_contents
    except ValueError:  # not set yet
        return False
    return not isinstance(value, (type, types.FunctionType, types.ModuleType))


def reduce_cell(cell: types.CellType, identity: str) -> Any:
    """Return how a pickle makes a cell that is known by a name."""
    return new_cell, (identity,), (cell.cell_contents,), None, None, fill_cell
