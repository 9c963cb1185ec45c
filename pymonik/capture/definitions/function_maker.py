"""Making functions of a script, their cells and the variables they see, as pickles tell.

Enters: code and values, of a pickle that names what stands here (`pymonik._pickled`). Leaves:
functions. An executor loads this for its first call, and nothing of what takes functions apart:
that is the business of `namespaces` and `functions`.
"""

from __future__ import annotations

import builtins
import contextlib
import types
import weakref
from typing import Any

from pymonik._pickled import pickled

# Functions of the script that were made here, of a pickle: elsewhere a module has them.
_MADE: weakref.WeakSet[types.FunctionType] = weakref.WeakSet()


def note_made(function: Any) -> None:
    """Remember that a function stands here for one that a module has under its name."""
    if type(function) is types.FunctionType:
        _MADE.add(function)


def is_made_here(function: Any) -> bool:
    """Return whether a function stands here for one of another process, or of the program."""
    return type(function) is types.FunctionType and function in _MADE


@pickled
def new_code(*parts: Any) -> types.CodeType:
    """Return code out of its parts."""
    return types.CodeType(*parts)


@pickled
def function_in(code: types.CodeType, space: dict[str, Any], *rest: Any) -> types.FunctionType:
    """Make a function that sees variables which are there, and stay as they are."""
    space.setdefault("__builtins__", vars(builtins))
    return types.FunctionType(code, space, *rest)


@pickled
def complete_in(function: types.FunctionType, state: Any) -> None:
    """Complete it, out of the state that cloudpickle gives a function."""
    own, slots = state
    vars(function).update(own)
    space = function.__globals__
    space.update({**slots.pop("__globals__"), "__builtins__": space["__builtins__"]})
    for mine, given in zip(function.__closure__ or (), slots.pop("__closure__") or ()):
        with contextlib.suppress(ValueError):  # it is empty
            mine.cell_contents = given.cell_contents
    slots.pop("_cloudpickle_submodules")  # imported, since the pickle names them
    for name, value in slots.items():
        setattr(function, name, value)


@pickled
def new_namespace(identity: str, basic: dict[str, Any]) -> dict[str, Any]:
    """Begin the variables of a module."""
    space = dict(basic)
    _note(identity, space)
    return space


@pickled
def fill_namespace(space: dict[str, Any], values: dict[str, Any]) -> None:
    """Fill them."""
    space.update(values)


@pickled
def new_cell(identity: str) -> types.CellType:
    """Begin a cell of a closure."""
    cell = types.CellType()
    _note(identity, cell)
    return cell


@pickled
def fill_cell(cell: types.CellType, state: tuple[Any]) -> None:
    """Fill it."""
    cell.cell_contents = state[0]


def _note(identity: str, made: Any) -> None:
    from pymonik.capture.class_parts import NOTE

    for note in NOTE[-1:]:
        note(identity, made)
