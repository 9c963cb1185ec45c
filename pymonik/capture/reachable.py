"""What a function by value reaches: the names that its code uses, and the functions that go along.

Enters: a function. Leaves: names and functions. Nothing is imported for it.
"""

from __future__ import annotations

import functools
import pickle
import re
import sys
import types
from collections.abc import Callable, Iterator
from typing import Any


def cell_value(cell: Any) -> Any:
    """Return what is in a cell of a closure; in an empty one, what nothing else can be."""
    try:
        return cell.cell_contents
    except ValueError:  # an empty cell
        return cell_value


# What finds names in a text: of Python, and `DataFrame.query`, in which "@x" is one of them.
_READERS = frozenset({"eval", "exec", "globals", "query"})
# What finds the module of the script, whose attributes are global variables of its functions.
_MAIN = "__main__"
_MODULE_FINDERS = frozenset({_MAIN, "import_module"})
_TABLE_OF_MODULES = frozenset({"sys", "modules"})
# Of code whose first constant is its docstring; before Python 3.13 that is None where it has none.
_HAS_DOCSTRING = 0x4000000
_WORD = re.compile(r"[^\W\d]\w*")
# Of what a text may or may not mean, what can be taken along without harm.
_ATOMS = (bool, int, float, complex, str, bytes, type(None))
_HARMLESS = (*_ATOMS, types.FunctionType, types.ModuleType, type)
_CONTAINERS = (tuple, list, dict, set, frozenset)
# Levels of containers that are looked into.
_LEVELS = 8


def names_in_texts(code: types.CodeType) -> Iterator[str]:
    """Yield the words of texts in which code may look for names.

    Code that finds its own module, as `sys.modules[__name__]`, has names of attributes, too.
    """
    texts = [constant for constant in code.co_consts if type(constant) is str]
    finds_module = (
        not _MODULE_FINDERS.isdisjoint(code.co_names)
        or _TABLE_OF_MODULES.issubset(code.co_names)
        or any(_MAIN in text for text in texts if text is not _docstring(code))
    )
    if finds_module or not _READERS.isdisjoint(code.co_names):
        for text in texts:
            yield from _WORD.findall(text)
    if finds_module:
        yield from code.co_names
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            yield from names_in_texts(constant)


def found_by_text(function: types.FunctionType) -> dict[str, Any]:
    """Return the global variables of a function that texts in its code may name."""
    space = function.__globals__
    words = set(names_in_texts(function.__code__)) & space.keys()
    return {word: space[word] for word in words if _travels(space[word], _LEVELS)}


def _docstring(code: types.CodeType) -> Any:
    is_first = sys.version_info < (3, 13) or code.co_flags & _HAS_DOCSTRING
    return code.co_consts[0] if is_first and code.co_consts else None


def _travels(value: Any, levels: int) -> bool:
    """Return whether a value, which may not even be meant, can be taken along without harm."""
    if not isinstance(value, _CONTAINERS):
        return isinstance(value, _HARMLESS)
    items = [*value.keys(), *value.values()] if isinstance(value, dict) else list(value)
    return levels > 0 and all(_travels(item, levels - 1) or _is_pickled(item) for item in items)


def _is_pickled(item: Any) -> bool:
    try:
        pickle.dumps(item)
    except Exception:  # of a class of the user's: whatever it raises
        return False
    return True


def global_names(code: types.CodeType) -> Iterator[str]:
    """Yield the names that code and what is in it uses, not its own variables."""
    yield from code.co_names
    yield from names_in_texts(code)
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            yield from global_names(constant)


def reachable(function: Callable[..., Any]) -> list[types.FunctionType]:
    """List the functions that travel with a function by value, itself first."""
    from pymonik.capture.local_modules import is_local

    functions: dict[int, types.FunctionType] = {}
    open_ones: list[Any] = [function]
    while open_ones:
        current = open_ones.pop()
        # Only the type is asked: an object may be a stand-in that answers, or raises, as it likes.
        if issubclass(type(current), functools.partial):
            open_ones += [current.func, *current.args, *current.keywords.values()]
            continue
        if any("__pymonik_function__" in vars(base) for base in type(current).__mro__):
            current = current.__pymonik_function__
        if type(current) in (types.MethodType, staticmethod, classmethod):
            current = current.__func__
        if type(current) is not types.FunctionType or id(current) in functions:
            continue
        module = current.__module__
        if current is not function and not (module in (None, "__main__") or is_local(module)):
            continue
        functions[id(current)] = current
        names = set(global_names(current.__code__))
        seen = [current.__globals__[n] for n in names if n in current.__globals__]
        for value in seen:
            if type(value) is types.ModuleType and is_local(value.__name__):
                open_ones += [vars(value)[n] for n in names if n in vars(value)]
        open_ones += seen
        open_ones += [cell_value(cell) for cell in current.__closure__ or ()]
        wrapped = getattr(current, "__wrapped__", None)
        open_ones += [wrapped] if wrapped is not None else []
    return list(functions.values())
