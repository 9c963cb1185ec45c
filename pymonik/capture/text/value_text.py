"""Values written one by one: containers, objects, what has a name; see `canonical_text`.

Enters: values. Leaves: tokens, in order.
"""

from __future__ import annotations

import copyreg
import enum
import functools
import pickle
import sys
import types
import weakref
from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import Any

from pymonik.capture.code_text import CodeWriter, hashed, plain
from pymonik.capture.pickling.arrays import reduce_array
from pymonik.capture.pickling.type_names import (
    has_definition,
    is_type_name,
    parts_of_type_name,
)
from pymonik.capture.text.by_name import (
    PLAIN,
    bytes_of,
    is_importable,
    package_of,
    pickled,
    plain_items,
)
from pymonik.system.attributes import attribute, role_of

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
# Longer lists of numbers and texts are written at once.
_MANY = 64
# Attributes that `enum` gives a member, beside those of its class.
_OF_MEMBERS = ("_value_", "_name_", "__objclass__", "_sort_order_")


class ValueWriter(ABC):
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
        """Return what was written."""
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
        role = role_of(kind)
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
        elif is_type_name(kind) and has_definition(value, f"{value.__module__}:{value.__name__}"):
            self._parts("name", kind, value.__module__, value.__name__, *parts_of_type_name(value))
        elif issubclass(kind, _BUILTIN) and value.__self__ is not None:
            self._parts("bound", value.__name__, value.__self__)
        else:
            self._object(value, kind)

    def _string(self, value: str) -> str:
        """Write a text; for the address of what was met, at its end, the number of that.

        Names that pydantic gives to classes end so.
        """
        start, colon, address = value.rpartition(":")
        # No address has 20 digits, and Python refuses to make a number of a very long text.
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
        marks = [len(tokens) for tokens in lists]
        met = len(self._met)
        elements = []
        for value in values:
            self.of(value)
            elements.append([tokens[mark:] for tokens, mark in zip(lists, marks)])
            for tokens, mark in zip(lists, marks):
                del tokens[mark:]
            while len(self._met) > met:
                self._met.popitem()
        self._write(f"{type(values).__name__} {{")
        for element in sorted(elements):
            for tokens, added in zip(lists, element):
                tokens += added
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
            # NumPy leaves out what changes the values that a task computes.
            reduced = reduce_array(value, []) if reduce is None else reduce(value)
            if reduced is NotImplemented:
                reduced = value.__reduce_ex__(5)
        except RecursionError:
            raise
        except Exception:  # whatever a reducer of the user raises
            self._parts("opaque", kind, attribute(value, "__dict__"))
            self._write(pickled(value))
            return
        if isinstance(reduced, str):
            self._parts("global", kind, attribute(value, "__module__"), reduced)
            return
        parts = [list(part) if isinstance(part, Iterator) else part for part in reduced]
        self._parts("object", kind, *parts)

    @abstractmethod
    def _function(self, function: types.FunctionType) -> None:
        """Write a function."""

    @abstractmethod
    def _class(self, kind: type) -> None:
        """Write a class."""
