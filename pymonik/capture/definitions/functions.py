"""Functions that travel as definitions: those that a module of the script has under their names.

Enters: functions. Leaves: whether one is known by its name, and what tells it from another one of
that name. Lambdas, closures and methods have no such name: they are made anew for each pickle.
"""

from __future__ import annotations

import opcode
import types
from itertools import chain
from typing import Any

from pymonik.capture.code_text import instructions, nested
from pymonik.capture.definitions.function_maker import is_made_here
from pymonik.capture.definitions.record import found_at
from pymonik.capture.reachable import cell_value
from pymonik.system.blake import blake2b

# Begins the outlines of functions.
_KIND = b"function "
_STORE_DEREF = opcode.opmap["STORE_DEREF"]
_PLAIN = (int, float, complex, str, bytes, bool, type(None))


def is_known_by_name(function: types.FunctionType) -> bool:
    """Return whether a module that no worker can import has a function under its name."""
    name, module = function.__qualname__, function.__module__
    if "." in name or "<" in name:
        return False
    if is_made_here(function):  # its module need not be there
        return True
    from pymonik.capture.definitions.by_value import (
        is_by_value_from,
    )  # not for executors: cloudpickle

    return is_by_value_from(module) and found_at(f"{module}:{name}") is function


def outline_of(function: types.FunctionType) -> bytes:
    """Return a digest of what a function was written as: the same in each process.

    Its code, its defaults, and the functions that it was decorated with: not what it keeps.
    """
    parts = repr(_function_parts(function, set()))
    # 96 bits: compared are functions of one name alone.
    return _KIND + blake2b(parts.encode(errors="surrogatepass"), digest_size=12).digest()


def is_of_function(outline: bytes) -> bool:
    """Return whether an outline is that of a function."""
    return outline.startswith(_KIND)


def _function_parts(function: types.FunctionType, met: set[int]) -> list[Any]:
    if id(function) in met:
        return []
    met.add(id(function))
    code = function.__code__
    defaults = (function.__defaults__, tuple(sorted((function.__kwdefaults__ or {}).items())))
    # What it binds anew is kept from call to call.
    cells = [cell_value(cell) for cell in function.__closure__ or ()]
    if _stores(code):
        cells = [value for value in cells if type(value) is types.FunctionType]
    return [*_parts(code), [_written(value, met) for value in (*defaults, *cells)]]


def _written(value: Any, met: set[int]) -> Any:
    kind = type(value)
    if kind in _PLAIN:
        return value
    if kind is tuple:
        return [_written(item, met) for item in value]
    if kind is frozenset:
        return sorted(repr(_written(item, met)) for item in value)
    return _function_parts(value, met) if kind is types.FunctionType else None


def _stores(code: types.CodeType) -> bool:
    ops = chain.from_iterable(instructions(part.co_code) for part in (code, *nested(code)))
    return any(op == _STORE_DEREF for op, _ in ops)


def _parts(code: types.CodeType) -> list[Any]:
    parts: list[Any] = [code.co_code, code.co_names, code.co_varnames, code.co_freevars]
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            parts += _parts(constant)
        else:
            parts.append(_written(constant, set()))
    return parts
