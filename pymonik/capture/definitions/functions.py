"""Functions that travel as definitions: those that a module of the script has under their names.

Enters: functions. Leaves: whether one is known by its name, and what tells it from another one of
that name. Lambdas, closures and methods have no such name: they are made anew for each pickle.
"""

from __future__ import annotations

import types
import weakref
from typing import Any

from pymonik.capture.definitions.record import found_at
from pymonik.system.blake import blake2b

# Begins the outlines of functions.
_KIND = b"function "
# Functions of the script that were made here, of a pickle: elsewhere a module has them.
_MADE: weakref.WeakSet[types.FunctionType] = weakref.WeakSet()
_PLAIN = (int, float, complex, str, bytes, bool, type(None))


def note_made(function: Any) -> None:
    """Remember that a function stands here for one that a module has under its name."""
    if type(function) is types.FunctionType:
        _MADE.add(function)


def is_made_here(function: Any) -> bool:
    """Return whether a function stands here for one of another process, or of the program."""
    return type(function) is types.FunctionType and function in _MADE


def is_known_by_name(function: types.FunctionType) -> bool:
    """Return whether a module that no worker can import has a function under its name."""
    name, module = function.__qualname__, function.__module__
    if "." in name or "<" in name:
        return False
    if function in _MADE:  # its module need not be there
        return True
    from pymonik.capture.definitions.by_value import travels_from  # not for executors: cloudpickle

    return travels_from(module) and found_at(f"{module}:{name}") is function


def outline_of(function: types.FunctionType) -> bytes:
    """Return a digest of the code of a function: the same in each process."""
    return _KIND + blake2b(repr(_parts(function.__code__)).encode(), digest_size=12).digest()


def is_of_function(outline: bytes) -> bool:
    """Return whether an outline is that of a function."""
    return outline.startswith(_KIND)


def _parts(code: types.CodeType) -> list[Any]:
    parts: list[Any] = [code.co_code, code.co_names, code.co_varnames, code.co_freevars]
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            parts += _parts(constant)
        elif type(constant) in _PLAIN:
            parts.append(constant)
    return parts
