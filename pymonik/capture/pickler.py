"""The pickler: cloudpickle, with handles as numbered slots and what local modules define by value.

Enters: any object. Leaves: its pickle (protocol 5), its raw out-of-band buffers, the handles met
inside, in the order of their slots, and the names of modules that are needed as such: their sources
travel apart (`editions`). Imported at the first capture: cloudpickle takes its time.
"""

from __future__ import annotations

import dis
import functools
import inspect
import io
import pickle
import sys
import types
from typing import Any

import cloudpickle

from pymonik.capture.importer import local_object, set_function
from pymonik.capture.local_modules import is_local
from pymonik.capture.source_closure import imported_by
from pymonik.values.content import slot_value
from pymonik.values.exceptions import reduced as reduced_exception

# Smaller buffers travel inside the pickle: a buffer of its own costs more than it saves.
_IN_BAND = 4096


def _taking(raw: list[memoryview]) -> Any:
    def take_buffer(buffer: pickle.PickleBuffer) -> bool:
        view = buffer.raw()
        if view.nbytes < _IN_BAND:
            return True
        raw.append(view)
        return False

    return take_buffer


class Pickler(cloudpickle.Pickler):  # type: ignore[misc]
    """Pickles one object; `lazies` are the handles found, `raw` its large buffers.

    files: leave holes for files to be shipped, too; else they are objects like any other.
    `modules`: those that pickled code imports, and local ones that are referred to. `origins`:
    those that what was met comes from.
    """

    def __init__(self, file: io.BytesIO, files: bool = False) -> None:
        self.raw: list[memoryview] = []
        self.lazies: list[Any] = []
        self.modules: set[str] = set()
        self.origins: set[str] = set()
        self._holes = ("lazy", "file") if files else ("lazy",)
        self._numbers: dict[int, int] = {}
        # Bound to the list, not to the pickler: a cycle would keep what was pickled alive.
        super().__init__(file, protocol=5, buffer_callback=_taking(self.raw))

    def reducer_override(self, obj: Any) -> Any:
        """Put a numbered slot where a handle is; carry local functions and classes by value."""
        kind = type(obj)
        role = getattr(kind, "__pymonik_role__", None)
        if role in self._holes:
            return self._hole(obj)
        if role is not None and role != "file":
            return obj.__pymonik_reduce__()
        if kind is types.FunctionType:
            return self._reduce_function(obj)
        if kind is types.ModuleType:
            self.origins.add(obj.__name__)
            if is_local(obj.__name__):
                self.modules.add(obj.__name__)
        self.origins.add(obj.__module__ if isinstance(obj, type) else kind.__module__)
        if kind is _CACHED and not _is_importable(obj):
            return _recached, (obj.__wrapped__, obj.cache_parameters())
        if isinstance(obj, type) and is_local(obj.__module__):
            return _named(obj, _with_slots(obj, cloudpickle.cloudpickle._dynamic_class_reduce(obj)))
        reduced = super().reducer_override(obj)
        if reduced is NotImplemented and isinstance(obj, BaseException):
            return reduced_exception(obj)
        return _with_slots(obj, reduced) if isinstance(obj, type) else reduced

    def _hole(self, obj: Any) -> Any:
        number = self._numbers.setdefault(id(obj), len(self.lazies))
        if number == len(self.lazies):
            self.lazies.append(obj)
        return slot_value, (number,)

    def _reduce_function(self, function: Any) -> Any:
        self.origins.add(function.__module__)
        local = is_local(function.__module__)
        if local:
            reduced = self._dynamic_function_reduce(function)
        else:
            reduced = super().reducer_override(function)
        if reduced is not NotImplemented:
            _add_names_in_classes(function, reduced)
            package = function.__globals__.get("__package__") or ""
            self.modules.update(imported_by(function.__code__, package))
        return _named(function, reduced) if local else reduced


def _add_names_in_classes(function: types.FunctionType, reduced: Any) -> None:
    """Have globals along that only class statements inside the function use.

    Their bodies load names in another way than functions do, which cloudpickle does not look for.
    """
    known = reduced[2][1]["__globals__"]
    for name in _names_in_classes(function.__code__):
        if name in function.__globals__:
            known.setdefault(name, function.__globals__[name])


@functools.lru_cache(maxsize=4096)
def _names_in_classes(code: types.CodeType) -> tuple[str, ...]:
    found: dict[str, None] = {}
    for inner in code.co_consts:
        if isinstance(inner, types.CodeType):
            found.update(dict.fromkeys(_names_in_classes(inner)))
            if not inner.co_flags & inspect.CO_OPTIMIZED:  # the body of a class
                loads = (i.argval for i in dis.get_instructions(inner) if i.opname in _LOADS)
                found.update(dict.fromkeys(loads))
    return tuple(name for name in found if name != "__name__")


def _with_slots(cls: type, reduced: Any) -> Any:
    """Have a class that travels by value made with its slots, as cloudpickle does not.

    Without them its instances would have a `__dict__`, which those of the user's own class lack.
    """
    if not isinstance(reduced, tuple) or reduced[0] is not _MAKE_CLASS:
        return reduced
    make, (kind, name, bases, names, *more), (attributes, rest), *setter = reduced
    if "__slots__" in vars(cls) and not issubclass(cls, tuple):  # a named tuple refuses to be told
        names = {**names, "__slots__": vars(cls)["__slots__"]}
    kept = {
        key: value
        for key, value in attributes.items()
        # What the class makes of its slots itself; copyreg notes their names once it was asked.
        if type(value) is not types.MemberDescriptorType and key != "__slotnames__"
    }
    return make, (kind, name, bases, names, *more), (kept, rest), *setter


def _named(obj: Any, reduced: Any) -> Any:
    """Have what a local module defines be the one of that module, where the module came along."""
    found: Any = sys.modules.get(obj.__module__)
    for part in obj.__qualname__.split("."):
        found = getattr(found, part, None)
    if getattr(found, "__pymonik_function__", found) is not obj:
        return reduced
    make, parts, state, *rest = reduced
    if isinstance(obj, types.FunctionType):
        rest[-1] = set_function
    return local_object, (obj.__module__, obj.__qualname__, make, *parts), state, *rest


_MAKE_CLASS = cloudpickle.cloudpickle._make_skeleton_class
_CACHED = functools._lru_cache_wrapper
_LOADS = ("LOAD_NAME", "LOAD_FROM_DICT_OR_GLOBALS")


def _is_importable(obj: Any) -> bool:
    if not isinstance(obj.__wrapped__, types.FunctionType):
        return True
    if obj.__module__ == "__main__" or is_local(obj.__module__):
        return False
    return getattr(sys.modules.get(obj.__module__), obj.__qualname__, None) is obj


def _recached(function: Any, parameters: dict[str, Any]) -> Any:
    return functools.lru_cache(**parameters)(function)


def freeze(
    obj: Any,
    files: bool = False,
    modules: set[str] | None = None,
    origins: set[str] | None = None,
) -> tuple[bytes, list[memoryview], list[Any]]:
    """Pickle an object; give the pickle, its raw buffers and the handles inside.

    files: files to be shipped are given like handles. modules: takes the names of modules that are
    needed to load it or to run what is in it. origins: takes the names of modules that are met.
    """
    file = io.BytesIO()
    pickler = Pickler(file, files)
    pickler.dump(obj)
    if modules is not None:
        modules |= pickler.modules
    if origins is not None:
        origins |= pickler.origins
    return file.getvalue(), pickler.raw, pickler.lazies


def explain(obj: Any, name: str, _depth: int = 0) -> str:
    """Find the part of an object that cannot be pickled; give its path, `args[0]['x'].lock`."""
    if _depth < 8:
        for path, part in _parts(obj, name):
            try:
                freeze(part)
            except Exception:  # whatever a reducer of the user raises: this part is the culprit
                return explain(part, path, _depth + 1)
    return f"{name} (a {type(obj).__module__}.{type(obj).__qualname__})"


def _parts(obj: Any, name: str) -> list[tuple[str, Any]]:
    if isinstance(obj, dict):
        return [(f"{name}[{key!r}]", value) for key, value in obj.items()]
    if isinstance(obj, (list, tuple)):
        return [(f"{name}[{index}]", value) for index, value in enumerate(obj)]
    if isinstance(obj, (set, frozenset)):
        return [(f"{name}{{…}}", value) for value in obj]
    if isinstance(obj, types.FunctionType):
        return _function_parts(obj, name)
    attributes = getattr(obj, "__dict__", None)
    if isinstance(attributes, dict) and not isinstance(obj, (type, types.ModuleType)):
        return [(f"{name}.{key}", value) for key, value in attributes.items()]
    return []


def _function_parts(function: types.FunctionType, name: str) -> list[tuple[str, Any]]:
    parts = [(f"{name} → default {value!r:.40}", value) for value in function.__defaults__ or ()]
    for variable, cell in zip(function.__code__.co_freevars, function.__closure__ or ()):
        parts.append((f"{name} → closure variable {variable!r}", cell.cell_contents))
    for variable in function.__code__.co_names:
        if variable in function.__globals__:
            value = function.__globals__[variable]
            parts.append((f"{name} → global {variable!r}", value))
    return parts
