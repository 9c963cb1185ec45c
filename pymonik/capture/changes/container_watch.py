"""Containers that functions see, changed in place: a call means what they hold when it is made.

Enters: functions that were captured. Leaves: whether what they see still holds what it held then:
lists, dicts, sets, objects that are pickled by their attributes, arrays, and what only its pickle
tells of, such as data frames; in globals, closures and defaults, at any depth; attributes and
defaults of functions that they call; and the functions that containers hold. Looked at by every
call where there is little of it; what is more, and what has to be pickled, by the first call after
each flush; what is a lot is data, which is passed as an argument.
"""

from __future__ import annotations

import functools
import types
from collections import OrderedDict, deque
from collections.abc import Callable, Iterable, Iterator
from itertools import chain
from operator import attrgetter, is_
from typing import Any

from pymonik.capture.changes.held_bytes import LIMIT, HeldBytes, is_array, is_opaque, size_of
from pymonik.capture.class_parts import name_slots
from pymonik.capture.local_modules import is_local
from pymonik.capture.reachable import cell_value, global_names, reachable
from pymonik.system.attributes import HEAP_TYPE, role_of
from pymonik.values.content import IMMEDIATE

# Items that every call looks at, and that the first call after a flush does: 2 us, and 0.3 ms.
_FEW, _MANY = 50, 20_000
# Bytes of all arrays that every call compares: 1 us.
_FEW_BYTES = 1 << 14
# Objects that are pickled to be compared: a data frame takes 100 us.
_PICKLED = 50
# Compared by identity alone.
_LEAVES = IMMEDIATE | {types.ModuleType, types.BuiltinFunctionType}
_of_function = attrgetter("__code__", "__defaults__", "__kwdefaults__")
# What code of a program changes in place, and is looked into; subclasses too.
_CONTAINERS: tuple[Any, ...] = (OrderedDict, dict, list, tuple, set, frozenset, deque)
# Methods that hold the object that they are of.
_BOUND = (types.MethodType, types.BuiltinFunctionType, types.MethodWrapperType)
# A class that defines one of these says itself what it holds.
_REDUCE = ("__reduce__", "__reduce_ex__", "__getstate__")


class ContainerWatch:
    """What containers held: `hold` says whether they hold the same.

    functions: those that are seen, by way of containers too.
    """

    __slots__ = ("_bare", "_few", "_many", "_moment", "functions")

    def __init__(self, functions: Iterable[types.FunctionType], function: Any) -> None:
        """Look at what functions see; function: the one that was asked for, bound or partial."""
        self._few, self._many = _Snapshot(), _Snapshot()
        self._moment: object = None
        # Attributes of functions that have none.
        self._bare: list[dict[str, Any]] = []
        self.functions = list(functions)
        seen = list(chain.from_iterable(map(_seen_by, self.functions)))
        self._find([*_bound(function), *seen])
        # Those of the first only where it may see them: most functions never look at themselves.
        first = self.functions[:1]
        is_seen = any(vars(one) or any(value is one for value in seen) for one in first)
        for space in map(vars, self.functions if is_seen else self.functions[1:]):
            self._few.add(space) if space else self._bare.append(space)
        # What the first is made of, `Code` looks at.
        self._many.functions += self.functions[1:]
        for keywords in [one.__kwdefaults__ for one in self.functions[1:] if one.__kwdefaults__]:
            self._many.add(keywords)
        self._few.take()
        self._many.take()

    def __bool__(self) -> bool:
        return bool(self._few.is_used or self._many.is_used or self._bare)

    def hold(self, moment: object) -> bool:
        """Return whether nothing was changed; moment: all is looked at once in each."""
        if any(self._bare) or (self._few.is_used and not self._few.holds()):
            return False
        if self._many.is_used and (moment is None or moment is not self._moment):
            if not self._many.holds():
                return False
            # Behind the look: calls of other threads in this moment rely on it.
            self._moment = moment
        return True

    def _find(self, open_ones: list[Any]) -> None:
        met = set(map(id, self.functions))
        count = held = pickled = 0
        while open_ones:
            obj = open_ones.pop()
            kind = type(obj)
            if kind in _LEAVES or id(obj) in met:
                continue
            met.add(id(obj))
            if _is_called(kind):
                if _is_task(kind):
                    self._many.add(_OfTask(obj))
                open_ones += self._follow(obj, met)
                continue
            if issubclass(kind, type):
                self._few.add_class(obj)
                continue
            if is_array(obj):
                if (size := size_of(obj)) <= LIMIT:
                    held += size
                    (self._few if held <= _FEW_BYTES else self._many).held.add_array(obj)
                continue
            parts = parts_of(obj, kind)
            if not parts and pickled < _PICKLED and is_opaque(kind):
                pickled += 1
                self._many.held.add_pickled(obj)
            if parts and kind.__flags__ & HEAP_TYPE:
                (self._few if count <= _FEW else self._many).objects.append(obj)
            for part in parts:
                count += len(part)
                if count > _MANY:
                    return
                if not isinstance(part, (tuple, frozenset)):
                    (self._few if count <= _FEW else self._many).add(part)
                items = _items(part) if isinstance(part, dict) else part
                open_ones += [item for item in items if type(item) not in _LEAVES]

    def _follow(self, obj: Any, met: set[int]) -> list[Any]:
        """Take the functions that a container holds: their code is called by way of it."""
        if type(obj) is types.FunctionType and not _goes_along(obj):
            return []
        functions = [
            one for one in reachable(obj) if _goes_along(one) and (one is obj or id(one) not in met)
        ]
        met.update(map(id, functions))
        self.functions += functions
        held = _bound(obj) if type(obj) is not types.FunctionType else []
        return [*held, *chain.from_iterable(map(_seen_by, functions))]


class _Snapshot:
    """Containers that are looked at together: in two loops in C."""

    def __init__(self) -> None:
        # Functions, and what can be set of them.
        self.functions: list[types.FunctionType] = []
        # Objects of classes of the program, which may be given another class.
        self.objects: list[Any] = []
        self._kinds: list[Any] = []
        self._parts: list[Any] = []
        # The containers, and the values of those that are dicts, by views that stay true.
        self._views: list[Any] = []
        self._lengths: list[int] = []
        # What was in them, all of it one behind the other: held, so that no other gets its address.
        self._seen: list[Any] = []
        self.held = HeldBytes()
        # Whether there is anything to look at.
        self.is_used = False

    def add(self, container: Any) -> None:
        """Take one more container."""
        self._views.append(container)
        if isinstance(container, dict):
            self._views.append(dict.values(container))

    def add_class(self, cls: Any) -> None:
        """Take a class of a module that travels as its source; others are definitions."""
        if is_local(cls.__module__):
            space = vars(cls)
            self._views += [space, space.values()]

    def take(self) -> None:
        """Remember what they hold: kept, so that nothing else can come to have its identity."""
        self._parts = list(self._look_at_functions())
        self._kinds = list(map(type, self.objects))
        self._lengths = list(map(len, self._views))
        self._seen = list(chain.from_iterable(self._views))
        self.is_used = bool(self._views or self.functions or self.held)

    def _look_at_functions(self) -> Iterator[Any]:
        return chain.from_iterable(map(_of_function, self.functions))

    def holds(self) -> bool:
        """Return whether they hold the same."""
        try:
            return (
                list(map(len, self._views)) == self._lengths
                and all(map(is_, chain.from_iterable(self._views), self._seen))
                and all(map(is_, map(type, self.objects), self._kinds))
                and all(
                    map(is_, chain.from_iterable(map(_of_function, self.functions)), self._parts)
                )
                and self.held.hold()
            )
        except (
            Exception
        ):  # changed by another thread just now, or whatever a class of the user does
            return False


class _OfTask:
    """The attributes of a task, as a sequence: those that it finds out by itself do not count."""

    def __init__(self, task: Any) -> None:
        self._space = vars(task)

    def __len__(self) -> int:
        return len(list(iter(self)))

    def __iter__(self) -> Iterator[Any]:
        return (value for name, value in list(self._space.items()) if name != "_signature")


class _Slots:
    """The attributes of an object that has places for them, as a sequence."""

    def __init__(self, obj: Any, names: list[str]) -> None:
        self._obj, self._count = obj, len(names)
        self._get: Callable[[Any], Any] = attrgetter(*names)

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[Any]:
        values = self._get(self._obj)
        return iter(values if self._count > 1 else (values,))


def _is_called(kind: Any) -> bool:
    """Return whether objects of a type hold code of the program."""
    return (
        kind in (types.FunctionType, types.MethodType)
        or issubclass(kind, functools.partial)
        or _is_task(kind)
    )


def _is_task(kind: Any) -> bool:
    return bool(vars(kind).get("__pymonik_role__") == "task")


def _goes_along(function: types.FunctionType) -> bool:
    module = function.__module__
    return module in (None, "__main__") or is_local(module)


def _items(mapping: dict[Any, Any]) -> list[Any]:
    """Return the values of a dict, and those of its keys that are functions."""
    return [*dict.values(mapping), *(key for key in mapping if type(key) is types.FunctionType)]


def _seen_by(function: types.FunctionType) -> Iterable[Any]:
    """Return what a function sees: its globals, those of modules that travel, its variables."""
    names = set(global_names(function.__code__))
    space = function.__globals__
    seen = [space[name] for name in names if name in space]
    for module in [m for m in seen if type(m) is types.ModuleType and is_local(m.__name__)]:
        seen += [vars(module)[name] for name in names if name in vars(module)]
    cells = map(cell_value, function.__closure__ or ())
    keywords = (function.__kwdefaults__ or {}).values()
    return [*seen, *cells, *(function.__defaults__ or ()), *keywords]


def _bound(function: Any) -> list[Any]:
    """Return what a method is bound to, the arguments of a partial, an object that is called."""
    if isinstance(function, functools.partial):
        given = [*function.args, *function.keywords.values()]
        return [*_bound(function.func), *given]
    if isinstance(function, _BOUND):
        return [function.__self__]
    return [function]


def parts_of(obj: Any, kind: Any) -> list[Any]:
    """Return what can be changed of an object: it as a container, and its attributes."""
    try:
        return _parts(obj, kind)
    except Exception:  # objects of the user may do anything when looked at: pickling reports it
        return []


def _parts(obj: Any, kind: Any) -> list[Any]:
    parts = []
    base = next((base for base in _CONTAINERS if issubclass(kind, base)), None)
    if base is not None and kind.__iter__ is base.__iter__:  # else it may do whatever it likes
        parts.append(obj)
    if (base is None or kind is not base) and _is_pickled_by_attributes(kind):
        space = getattr(obj, "__dict__", None)
        parts += [space] if type(space) is dict else []
        names = name_slots(kind)
        if names and all(hasattr(obj, name) for name in names):
            parts.append(_Slots(obj, names))
    return parts


def _is_pickled_by_attributes(kind: Any) -> bool:
    if kind is types.SimpleNamespace:
        return True
    if role_of(kind) is not None:
        return False
    own = (getattr(kind, name, None) is getattr(object, name, None) for name in _REDUCE)
    return all(own)
