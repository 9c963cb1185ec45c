"""Values as texts: equal texts mean equal values, in every run.

Enters: any value, functions and classes among them. Leaves: a text. Pickles of what travels along
differ from run to run, so all that a value can reach is read instead, in order: code objects
without file names and lines (`code_text`), with each name that they use and what it stands for;
classes with all that is in them; objects by what they are pickled by; sets in order. What can be
imported is named. Where two values cannot be told to be equal, their texts differ: one is then
computed once too often, never taken for the other.
"""

from __future__ import annotations

import abc
import copyreg
import enum
import functools
import pickle
import sys
import types
import weakref
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from pymonik.capture.by_name import (
    PLAIN,
    bytes_of,
    is_importable,
    is_unnamed,
    package_of,
    pickled,
    plain_items,
)
from pymonik.capture.code_text import CodeWriter, hashed, plain, uses
from pymonik.capture.function import global_names

_DICTS = {dict, types.MappingProxyType}
_BUFFERS = (bytearray, memoryview, pickle.PickleBuffer)
_METHODS = {
    property: ("fget", "fset", "fdel"),
    classmethod: ("__func__",),
    staticmethod: ("__func__",),
}
_BUILTIN = (types.BuiltinFunctionType, types.MethodWrapperType)
# Caches that hold nothing alive: they cannot be pickled, and what is in them comes and goes.
_WEAK = (weakref.ref, weakref.WeakKeyDictionary, weakref.WeakValueDictionary, weakref.WeakSet)
# What a class statement, an abstract class or the pickler notes for itself, and what is found again
# in the rest of the class. Compiled forms that pydantic makes of the fields hold addresses.
_DERIVED = frozenset(
    (
        *("__dict__", "__weakref__", "__module__", "__doc__", "__slotnames__"),
        *("__firstlineno__", "__static_attributes__", "__abstractmethods__", "_abc_impl"),
        *("__pydantic_core_schema__", "__pydantic_validator__", "__pydantic_serializer__"),
        "__pydantic_parent_namespace__",
    )
)
# Longer lists of numbers and texts are written at once.
_MANY = 64
_SLOTS = (types.MemberDescriptorType, types.GetSetDescriptorType)


def text(value: Any) -> str:
    """Write a value so that equal ones give equal texts in every run."""
    return _written(value, lambda writer: writer.of(value))


def whole_text(function: Callable[..., Any]) -> tuple[str, set[str]]:
    """Write a function with all that it can reach; give the packages that it imports from as well.

    Names of functions and of local variables are written only when something may look at them:
    code that reads `__name__` or `locals()`, say, or a package that is given a function.
    """
    writer = _Writer()
    try:
        writer.root(function)
    except RecursionError:
        return pickled(function), writer.packages
    return writer.text(), writer.packages


def code_text(function: types.FunctionType) -> str:
    """Write the code of a function and its defaults, without the values that it uses."""
    return _written(function, lambda writer: writer.head(function, frozenset()))


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


def _written(value: Any, write: Callable[[_Writer], None]) -> str:
    writer = _Writer()
    try:
        write(writer)
    except RecursionError:
        return pickled(value)
    return writer.text()


class _Writer:
    """Writes one value as tokens, a line each; what is met again is numbered where first met.

    Which of the names of functions and locals count is known in the end only: they are kept apart.
    """

    def __init__(self) -> None:
        self._tokens: list[str] = []
        # Values are kept: else another may come to have the id of one that is gone.
        self._met: dict[int, tuple[int, Any]] = {}
        # Names of functions and locals; and what only code that looks at itself can see.
        self._names: list[str] = []
        self._hidden: list[str] = []
        self._spaces: list[str] = []
        self._is_reflective = self._stores = False
        # Packages that it imports from.
        self.packages: set[str] = set()
        self._code = CodeWriter(self._write, self.of, self._tell)

    def text(self) -> str:
        """Give what was written."""
        tokens = list(self._tokens)
        if self._is_reflective or self.packages:
            tokens += ["names", *map(repr, self._names)]
        if self._is_reflective:
            tokens += ["hidden", *map(repr, self._hidden)]
        if self._stores:  # who shares the variables of a module with whom
            tokens += ["spaces", *self._spaces]
        return "\n".join(tokens)

    def _write(self, token: str) -> None:
        self._tokens.append(token)

    def _tell(self, name: str, is_hidden: bool) -> None:
        (self._hidden if is_hidden else self._names).append(name)

    # ----- values

    def of(self, value: Any) -> None:
        """Write a value."""
        kind = type(value)
        if kind in PLAIN:
            self._write(plain(value) if kind is not str else self._string(value))
        # Constants may be one object in one run and two in another: they are written each time.
        elif kind is tuple:
            self._items("(", value, ")")
        elif kind is frozenset:
            self._set(value)
        elif is_importable(value, kind):
            self._imported(value)
        elif id(value) in self._met:
            self._write(f"again {self._met[id(value)][0]}")
        else:
            self._met[id(value)] = len(self._met), value
            self._new(value, kind)

    def _new(self, value: Any, kind: Any) -> None:
        role = getattr(kind, "__pymonik_role__", None)
        if kind is list:
            self._items("[", value, "]")
        elif kind is set:
            self._set(value)
        elif kind in _DICTS:
            self._dict(value)
        elif kind is types.FunctionType:
            self._function(value)
        elif issubclass(kind, type):
            self._class(value)
        elif role == "task":
            self._parts("task", value.func, value.require_context, value.environment)
        elif kind is types.ModuleType and value.__name__ in sys.modules:
            self._imported(value)
        elif kind is types.ModuleType:  # one that was made: all that is in it travels
            self.of({k: v for k, v in vars(value).items() if k != "__builtins__"})
        elif kind is types.CodeType:
            self._code.code(value)
        elif kind is types.CellType:
            self._cell(value)
        elif kind in _METHODS:
            parts = [getattr(value, part) for part in _METHODS[kind]]
            self._parts(kind.__name__, *parts, getattr(value, "__dict__", None) or None)
        elif kind is types.MethodType:
            self._parts("method", value.__func__, value.__self__)
        elif kind is functools._lru_cache_wrapper:
            self._parts("lru_cache", vars(value), value.cache_parameters())
        elif issubclass(kind, enum.Enum):
            own = {k: v for k, v in vars(value).items() if k not in _OF_MEMBERS}
            self._parts("member", kind, value._name_, value._value_, own)
        elif issubclass(kind, _BUFFERS):
            self._write(f"{kind.__name__} {hashed(bytes_of(value))}")
        elif issubclass(kind, _WEAK) or role == "recorder":
            self.of(kind)
        elif issubclass(kind, _BUILTIN) and value.__self__ is not None:
            self._parts("bound", value.__name__, value.__self__)
        else:
            self._object(value, kind)

    def _string(self, value: str) -> str:
        """Write a text; where it ends in the address of what was met, as pydantic's names of
        classes do, the number of that."""
        start, colon, address = value.rpartition(":")
        if colon and len(address) < 20 and address.isdecimal() and int(address) in self._met:
            return f"{plain(start)} again {self._met[int(address)][0]}"
        return plain(value)

    def _parts(self, what: str, *parts: Any) -> None:
        self._write(f"{what}(")
        for part in parts:
            self.of(part)
        self._write(")")

    def _items(self, opening: str, values: Any, closing: str) -> None:
        self._write(opening)
        if len(values) > _MANY and (whole := plain_items(values)) is not None:
            values = (whole,)
        for value in values:
            self.of(value)
        self._write(closing)

    def _dict(self, value: Any) -> None:
        pairs = [part for pair in value.items() for part in pair]
        self._items("{", pairs, "}")

    def _set(self, values: Any) -> None:
        """Write the elements in the order of their texts, each as if it were met first."""
        lists = (self._tokens, self._names, self._hidden, self._spaces)
        marks = [len(kept) for kept in lists]
        met = len(self._met)
        elements = []
        for value in values:
            self.of(value)
            elements.append([kept[mark:] for kept, mark in zip(lists, marks)])
            for kept, mark in zip(lists, marks):
                del kept[mark:]
            while len(self._met) > met:
                self._met.popitem()
        self._write(f"{type(values).__name__} {{")
        for element in sorted(elements):
            for kept, added in zip(lists, element):
                kept += added
        self._write("}")

    def _cell(self, cell: types.CellType) -> None:
        try:
            self._parts("cell", cell.cell_contents)
        except ValueError:  # not set yet
            self._write("empty cell")

    def _imported(self, value: Any) -> None:
        if isinstance(value, types.ModuleType):
            name = module = value.__name__
        else:
            module = value.__module__
            name = f"{module}.{value.__qualname__}"
        self.packages.update(filter(None, [package_of(module)]))
        self._write(f"import {name}")

    def _object(self, value: Any, kind: Any) -> None:
        """Write an object by what a pickle has of it."""
        reduce = copyreg.dispatch_table.get(kind)
        try:
            reduced = reduce(value) if reduce is not None else value.__reduce_ex__(5)
        except RecursionError:
            raise
        except Exception:  # whatever a reducer of the user raises
            self._parts("opaque", kind, getattr(value, "__dict__", None))
            self._write(pickled(value))
            return
        if isinstance(reduced, str):
            self._parts("global", kind, getattr(value, "__module__", None), reduced)
            return
        parts = [list(part) if isinstance(part, Iterator) else part for part in reduced]
        self._parts("object", kind, *parts)

    # ----- functions and classes

    def root(self, function: Any) -> None:
        """Write a function, whatever module it is of, but not what it is called."""
        if type(function) is not types.FunctionType:
            self.of(function)
            return
        self._met[id(function)] = 0, function
        self._tell(function.__name__, True)
        self._body(function)

    def _function(self, function: types.FunctionType) -> None:
        self._tell(function.__name__, False)
        self._body(function)

    def _body(self, function: types.FunctionType) -> None:
        used = uses(function.__code__)
        self._is_reflective = self._is_reflective or used.is_reflective
        self._stores = self._stores or used.stores
        self.packages.update(filter(None, map(package_of, used.imports)))
        space = function.__globals__
        self._spaces.append(str(self._met.setdefault(id(space), (len(self._met), space))[0]))
        names = [name for name in used.globals if name in space]
        unnamed = frozenset(name for name in names if is_unnamed(space[name]))
        self._write("function(")
        self.head(function, unnamed)
        for name in names:
            self._write("global" if name in unnamed else f"global {name}")
            self.of(space[name])
            self._attributes(space[name], used.attributes)
        for cell in function.__closure__ or ():
            self.of(cell)
        self._write(")")

    def head(self, function: types.FunctionType, unnamed: frozenset[str]) -> None:
        """Write code, defaults and attributes of a function."""
        self._tell(function.__qualname__, True)
        self._code.code(function.__code__, unnamed)
        rest = (function.__defaults__, function.__kwdefaults__)
        self._parts("with", *rest, function.__annotations__, function.__dict__)

    def _attributes(self, value: Any, names: Iterable[str], levels: int = 4) -> None:
        """Write what code may take from a local module by name, at most `levels` packages deep."""
        from pymonik.capture.local_modules import is_local

        if type(value) is not types.ModuleType or not is_local(value.__name__) or not levels:
            return
        for name in names:
            if name in vars(value):
                self._write(f"attribute {name}")
                self.of(vars(value)[name])
                self._attributes(vars(value)[name], names, levels - 1)

    def _class(self, kind: type) -> None:
        self._parts(f"class {kind.__module__}.{kind.__qualname__}", type(kind), kind.__bases__)
        for name, value in vars(kind).items():
            if name == "__doc__":
                self._hidden.append(repr(value))
            elif name == "__annotations__" and not value:
                continue  # made by whoever asked for it
            elif name not in _DERIVED and not isinstance(value, _SLOTS):
                self._write(f"member {name}")
                self.of(value)
        if isinstance(kind, abc.ABCMeta):
            self.of({found for ref in abc._get_dump(kind)[0] if (found := ref()) is not None})  # type: ignore[attr-defined]
        self._write("end")


_OF_MEMBERS = ("_value_", "_name_", "__objclass__", "_sort_order_")
