"""Values as texts: equal texts mean equal values, in every run.

Enters: any value, functions and classes among them. Leaves: a text. Pickles of what travels along
differ from run to run, so code objects are read instead, without file names and lines, objects by
what they are pickled by, and sets in order. Where two values cannot be told to be equal, their
texts differ: one is then computed once too often, never taken for the other.
"""

from __future__ import annotations

import enum
import functools
import hashlib
import types
from collections.abc import Callable, Iterator
from typing import Any

from pymonik.capture import global_names
from pymonik.numbers import literal

_PLAIN = {type(None), bool, int, float, complex, str, bytes}
_SEQUENCES = {list, tuple}
_SETS = {set, frozenset}
_DICTS = {dict, types.MappingProxyType}
# What the class statement leaves in a class beside what its author wrote.
_SLOTS = (types.MemberDescriptorType, types.GetSetDescriptorType)


def text(value: Any) -> str:
    """Write a value so that equal ones give equal texts in every run."""
    try:
        return _Text().of(value)
    except RecursionError:
        return pickled(value)


def code_text(function: types.FunctionType) -> str:
    """Write the code of a function and its defaults, without the values that it uses."""
    return _Text().code_of(function)


def values_of(function: types.FunctionType) -> Iterator[tuple[str, Any]]:
    """Give the global and closure values a function uses, but modules and functions."""
    for name, value in _used(function):
        inner = getattr(value, "__pymonik_function__", value)
        if not isinstance(inner, (types.FunctionType, types.BuiltinFunctionType)):
            yield name, value


def _used(function: types.FunctionType) -> Iterator[tuple[str, Any]]:
    for name in sorted(set(global_names(function.__code__)) & function.__globals__.keys()):
        value = function.__globals__[name]
        if not isinstance(value, types.ModuleType):
            yield f"global {name}", value
    for name, cell in zip(function.__code__.co_freevars, function.__closure__ or ()):
        try:
            yield f"closure {name}", cell.cell_contents
        except ValueError:  # an empty cell
            continue


class _Text:
    """Writes one value; what may hold itself, or is met again, is numbered where first met."""

    def __init__(self) -> None:
        # Values are kept: else another may come to have the id of one that is gone.
        self._met: dict[int, tuple[int, Any]] = {}

    def of(self, value: Any) -> str:
        kind = type(value)
        if kind in _PLAIN:
            return f"{kind.__name__}:{literal(value)}"
        # Constants may be one object in one run and two in another: they are written each time.
        if kind is tuple:
            return self._items(value)
        if kind is frozenset:
            return self._set(value)
        met = self._met.get(id(value))
        if met is not None:
            return f"again {met[0]}"
        self._met[id(value)] = len(self._met), value
        return self._new(value)

    def _new(self, value: Any) -> str:
        kind = type(value)
        if kind is list:
            return self._items(value)
        if kind is set:
            return self._set(value)
        if kind in _DICTS:
            pairs = (f"{self.of(key)}={self.of(item)}" for key, item in value.items())
            return f"{kind.__qualname__}{{{','.join(pairs)}}}"
        function = getattr(value, "__pymonik_function__", value)
        if isinstance(function, types.FunctionType):
            return self._function(function)
        if isinstance(value, type):
            return self._class(value)
        if isinstance(value, functools.partial):
            return f"partial({self.of((value.func, value.args, value.keywords))})"
        if isinstance(value, types.MethodType):
            return f"method({self.of((value.__func__, value.__self__))})"
        if isinstance(getattr(value, "__wrapped__", None), types.FunctionType):
            return f"{kind.__qualname__}({self.of(value.__wrapped__)})"
        if isinstance(value, enum.Enum):
            return f"{self.of(kind)}({self.of((value._name_, value._value_))})"
        if _travels(kind) or isinstance(value, (list, tuple, set, frozenset, dict)):
            return self._object(value)
        return pickled(value)

    def _items(self, values: Any) -> str:
        return f"{type(values).__qualname__}[{','.join(map(self.of, values))}]"

    def _set(self, values: Any) -> str:
        return f"{type(values).__qualname__}{{{','.join(sorted(map(self.of, values)))}}}"

    def _object(self, value: Any) -> str:
        """Write an object by what a pickle has of it."""
        kind = type(value)
        try:
            reduced = value.__reduce_ex__(4)
        except Exception:  # whatever a reducer of the user raises
            return pickled(value)
        if isinstance(reduced, str):
            return f"{self.of(kind)}:{reduced}"
        maker, args, *rest = reduced
        made_by = getattr(maker, "__qualname__", type(maker).__qualname__)
        parts = [list(part) if isinstance(part, Iterator) else part for part in rest]
        return f"{self.of(kind)}({made_by},{self.of(args)},{','.join(map(self.of, parts))})"

    def _function(self, function: types.FunctionType) -> str:
        head = f"{function.__qualname__}({self.code_of(function)}"
        if function.__module__ is not None and not _travels(function):
            return f"{head})"
        used = (f"{name}={self.of(value)}" for name, value in _used(function))
        return f"{head};{','.join(used)})"

    def code_of(self, function: types.FunctionType) -> str:
        """Write code and defaults."""
        defaults = (function.__defaults__, function.__kwdefaults__)
        return self._code(function.__code__) + self.of(defaults)

    def _code(self, code: types.CodeType) -> str:
        constants = [
            self._code(c) if isinstance(c, types.CodeType) else self.of(c) for c in _constants(code)
        ]
        shape = (code.co_argcount, code.co_posonlyargcount, code.co_kwonlyargcount, code.co_flags)
        names = (code.co_names, code.co_varnames, code.co_freevars, code.co_cellvars)
        return repr((code.co_code, shape, names, constants))

    def _class(self, kind: type) -> str:
        """Write a class by its name, and by what is in it when it travels with the function."""
        name = f"{kind.__module__}.{kind.__qualname__}"
        if not _travels(kind):
            return name
        members = []
        for key, value in sorted(vars(kind).items()):
            functions = list(_functions_in(value))
            if functions:
                members.append(f"{key}={','.join(map(self.of, functions))}")
            elif not (key.startswith("__") and key.endswith("__")) and not isinstance(
                value, _SLOTS
            ):
                members.append(f"{key}={self.of(value)}")
        bases = ",".join(map(self.of, kind.__bases__))
        return f"{name}({bases};{','.join(members)})"


def _functions_in(member: Any) -> Iterator[types.FunctionType]:
    """Give a method, or those that a property, a class method or a decorator holds."""
    parts = ("__func__", "__wrapped__", "func", "fget", "fset", "fdel")
    for function in (member, *(getattr(member, part, None) for part in parts)):
        if isinstance(function, types.FunctionType):
            yield function


def _constants(code: types.CodeType) -> list[Any]:
    """Give the constants but the docstring, which computes nothing."""
    constants = list(code.co_consts)
    if constants and isinstance(constants[0], str) and code.co_flags & 0x2:
        constants[0] = None
    return constants


def _travels(thing: Callable[..., Any]) -> bool:
    """Tell whether a class or function is pickled by value: no worker could import it."""
    from pymonik.local import is_local

    return thing.__module__ == "__main__" or is_local(thing.__module__)


def pickled(value: Any) -> str:
    """Write what has no better text by its pickle; what has none is known by its type."""
    from pymonik import pickling

    try:
        data, buffers, _ = pickling.freeze(value)
    except Exception:  # whatever a reducer of the user raises
        return type(value).__qualname__
    hasher = hashlib.blake2b(data, digest_size=10)
    for view in buffers:
        hasher.update(view)
    return f"{type(value).__qualname__}:{hasher.hexdigest()}"
