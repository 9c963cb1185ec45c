"""Watching what is changed in place: classes, the globals that methods see, containers in both.

Enters: an object that travels as a definition. Leaves: whether it is still what it was, compared
by the identities of what it holds, and arrays by their bytes, at every call that passes such an
object: each look is one loop in C. What only its pickle tells of, such as a data frame, is looked
at once between two flushes.
"""

from __future__ import annotations

import abc
import functools
import types
from collections.abc import Callable, Iterable
from itertools import chain
from operator import attrgetter, is_
from typing import Any

from pymonik.capture.changes.container_watch import parts_of
from pymonik.capture.changes.held_bytes import EPOCH, LIMIT, HeldBytes, is_array, is_opaque, size_of
from pymonik.capture.class_parts import name_slots, registry_of
from pymonik.capture.local_modules import is_local
from pymonik.system.attributes import HEAP_TYPE, attribute
from pymonik.values.content import IMMEDIATE

# More is not looked at: what is that large is data, which is passed as an argument.
_NODES, _ITEMS = 500, 2000
# Objects of which only a pickle tells whether they have changed, such as data frames.
_PICKLED = 50
_LEAVES = IMMEDIATE | {types.BuiltinFunctionType, types.CodeType}
_METHODS = (types.FunctionType, classmethod, staticmethod, property)
_of_function = attrgetter(
    "__code__", "__defaults__", "__kwdefaults__", "__closure__", "__name__", "__doc__"
)
_in_cell = attrgetter("cell_contents")

_END = (object(),)
Look = Callable[[], Iterable[Any]]


class ObjectWatch:
    """What an object held: `holds` says whether it holds the same."""

    __slots__ = ("_arrays", "_bare", "_epoch", "_looks", "_pickled", "_seen", "is_partial")

    def __init__(
        self, obj: Any, is_by_value: Callable[[Any], bool], names: Iterable[str] | None = None
    ) -> None:
        """Look at an object; is_by_value: which functions and classes go by value.

        names: of the variables of a module, those to look at.
        """
        seen = _Found(obj, is_by_value, names)
        self._looks, self._arrays, self._pickled = seen.looks(), seen.arrays, seen.pickled
        self._bare = seen.bare
        # Whether there is more than is looked at by every call.
        self.is_partial = seen.is_partial
        self._epoch = EPOCH.token
        # What was seen is kept, so that nothing else can come to have its identity.
        self._seen = list(self._look())

    def _look(self) -> Iterable[Any]:
        # The end is marked: else what is longer or shorter now would be the same as far as it goes.
        return chain(chain.from_iterable([look() for look in self._looks]), _END)

    def holds(self) -> bool:
        """Return whether nothing was changed since."""
        try:
            if not all(map(is_, self._look(), self._seen)) or not self._arrays.hold():
                return False
            if any(self._bare):
                return False
            if self._epoch is EPOCH.token:
                return True
            # Read before the look, and noted behind it: another thread relies on what is noted.
            token = EPOCH.token
            if self._pickled.hold():
                self._epoch = token
            return self._epoch is token
        except Exception:  # changed by another thread just now, or whatever objects of the user do
            return False


class _Found:
    """What can be changed in an object, and in what it holds."""

    def __init__(
        self, top: Any, is_by_value: Callable[[Any], bool], names: Iterable[str] | None
    ) -> None:
        self.top, self.is_by_value = top, is_by_value
        self.met: set[int] = set()
        self.functions: list[Any] = []
        # Attributes of functions that have none.
        self.bare: list[dict[str, Any]] = []
        self.is_partial = False
        self.cells: list[Any] = []
        self.dicts: list[dict[Any, Any]] = []
        self.others: list[Iterable[Any]] = []
        # Objects of classes of the program: they may be given another class.
        self.objects: list[Any] = []
        self.arrays, self.pickled = HeldBytes(), HeldBytes()
        self.globals: dict[int, tuple[dict[str, Any], set[str]]] = {}
        open_ones: list[Any] = [top]
        if names is not None:
            self.globals[id(top)] = top, set(names)
            open_ones = [top[name] for name in names if name in top]
        while open_ones and len(self.met) < _NODES:
            open_ones += self._look_at(open_ones.pop())
        self.is_partial = self.is_partial or bool(open_ones)

    def looks(self) -> list[Look]:
        """Return what looks at all of it again."""
        functions, cells, dicts, others = self.functions, self.cells, self.dicts, self.others
        objects = self.objects
        looks: list[Look] = []
        if isinstance(self.top, type):
            looks.append(_look_at_class(self.top))
        if functions:
            looks.append(lambda: chain.from_iterable(map(_of_function, functions)))
        if cells:
            looks.append(lambda: map(_in_cell, cells))
        if dicts:
            looks.append(lambda: chain.from_iterable(dicts))
            looks.append(lambda: chain.from_iterable(map(dict.values, dicts)))
        if others:
            looks.append(lambda: chain.from_iterable(others))
        if objects:
            looks.append(lambda: map(type, objects))
        for space, names in self.globals.values():
            looks.append(_look_at_globals(space, tuple(names)))
        return looks

    def _look_at(self, obj: Any) -> Iterable[Any]:
        kind = type(obj)
        if kind in _LEAVES or id(obj) in self.met:
            return ()
        self.met.add(id(obj))
        if isinstance(obj, type):
            return self._class(obj) if obj is self.top else ()
        if issubclass(kind, types.ModuleType):
            is_made = vars(obj).get("__spec__") is None  # by the program
            self.is_partial = self.is_partial or is_made or is_local(obj.__name__)
            return ()
        if vars(kind).get("__pymonik_role__") == "task":
            return (obj.__pymonik_function__,)
        if kind is types.FunctionType:
            return self._function(obj) if self.is_by_value(obj) else ()
        if kind is types.CellType:
            self.cells += [obj] if _is_filled(obj) else []
            return map(_in_cell, self.cells[-1:])
        if kind in (classmethod, staticmethod):
            return (obj.__func__,)
        if kind is functools._lru_cache_wrapper:
            return (obj.__wrapped__,)
        if kind is property:
            return (obj.fget, obj.fset, obj.fdel)
        if kind is dict and "__builtins__" in obj:  # variables of a module, as made here
            self.dicts.append(obj)
            return [value for name, value in obj.items() if name != "__builtins__"]
        if is_array(obj):
            if size_of(obj) <= LIMIT:
                self.arrays.add_array(obj)
            else:
                self.is_partial = True
            return ()
        parts = parts_of(obj, kind)
        if parts and kind.__flags__ & HEAP_TYPE:
            self.objects.append(obj)
        if not parts:
            self.is_partial = True
            if is_opaque(kind) and len(self.pickled) < _PICKLED:
                self.pickled.add_pickled(obj)
        return chain.from_iterable(map(self._items, parts))

    def _class(self, cls: type) -> Iterable[Any]:
        name_slots(cls)
        return [
            value
            for name, value in vars(cls).items()
            # What is under such names is made by decorators, and made anew rather than changed.
            if isinstance(value, _METHODS) or not (name.startswith("__") and name.endswith("__"))
        ]

    def _function(self, function: types.FunctionType) -> Iterable[Any]:
        from pymonik.capture.reachable import global_names

        self.functions.append(function)
        own = vars(function)
        keywords = function.__kwdefaults__ or {}
        self.dicts.append(keywords)
        for space in (own, attribute(function, "__annotations__", {})):
            (self.dicts if space else self.bare).append(space)
        space, names = function.__globals__, set(global_names(function.__code__))
        self.globals.setdefault(id(space), (space, set()))[1].update(names)
        cells = [cell for cell in function.__closure__ or () if _is_filled(cell)]
        self.cells += cells
        defaults = (*(function.__defaults__ or ()), *keywords.values())
        seen = [space[name] for name in names if name in space]
        return [*seen, *map(_in_cell, cells), *defaults, *own.values()]

    def _items(self, part: Any) -> Iterable[Any]:
        if len(part) > _ITEMS:
            self.is_partial = True
            return ()
        if isinstance(part, dict):
            self.dicts.append(part)
            return [*part, *dict.values(part)]
        self.others.append(part)
        return list(part)


def _look_at_class(cls: Any) -> Look:
    space = vars(cls)
    # Two ints that stand for one number of registered classes are one object, being small.
    is_abstract = isinstance(cls, abc.ABCMeta)

    def look() -> Iterable[Any]:
        registered = len(registry_of(cls)) if is_abstract else 0
        return chain(space, space.values(), (cls.__bases__, type(cls), min(registered, 256)))

    return look


def _look_at_globals(space: dict[str, Any], names: tuple[str, ...]) -> Look:
    return lambda: map(space.get, names)


def _is_filled(cell: Any) -> bool:
    try:
        cell.cell_contents  # noqa: B018  # raises where it is empty
    except ValueError:
        return False
    return True
