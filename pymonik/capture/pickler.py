"""The pickler: cloudpickle, with handles as numbered slots and what local modules define by value.

Enters: any object. Leaves: its pickle (protocol 5), its raw out-of-band buffers, the handles met
inside, in the order of their slots, and the names of modules that are needed as such: their sources
travel apart (`editions`). Imported at the first capture: cloudpickle takes its time.
"""

from __future__ import annotations

import dis
import enum
import functools
import inspect
import io
import pickle
import sys
import types
from typing import Any, NamedTuple

import cloudpickle

from pymonik.capture import class_parts
from pymonik.capture.definitions import TABLE, Record, defined, found_at, needed
from pymonik.capture.function import global_names
from pymonik.capture.importer import local_object, set_function
from pymonik.capture.local_modules import is_local
from pymonik.capture.namespaces import (
    Namespace,
    complete_in,
    function_in,
    is_variable,
    reduce_cell,
    shared_names,
)
from pymonik.capture.reducers import (
    PROCESS_OWN,
    REDUCERS,
    fill_module,
    hinted,
    is_dispatcher,
    is_importable,
    is_made,
    is_shareable,
    reduce_dispatcher,
    single_name,
    subimported,
    travels,
    travels_from,
    vars_of,
)
from pymonik.capture.sharing import reach_of
from pymonik.capture.source_closure import imported_by
from pymonik.system.source_lines import note_source
from pymonik.values.content import Content, Definition, freeze_buffer, slot_value
from pymonik.values.exceptions import reduced as reduced_exception
from pymonik.values.options import ExceptionTypes

# Smaller buffers travel inside the pickle: a buffer of its own costs more than it saves.
_IN_BAND = 4096


def _taking(raw: list[memoryview]) -> Any:
    def take_buffer(buffer: pickle.PickleBuffer) -> bool:
        view = buffer.raw()
        if view.nbytes < _IN_BAND and type(view.obj) is not Definition:
            return True
        raw.append(view)
        return False

    return take_buffer


def _role_of(kind: Any) -> Any:
    """Return what an object of this package is to a pickler; None for those of others."""
    if type(kind) is type:
        return getattr(kind, "__pymonik_role__", None)
    # A metaclass may answer every question: only what stands in a class counts.
    found = (vars(base).get("__pymonik_role__") for base in kind.__mro__)
    return next((role for role in found if role is not None), None)


class Pickler(cloudpickle.Pickler):  # type: ignore[misc]
    """Pickles one object; `lazies` are the handles found, `raw` its large buffers.

    files: leave holes for files to be shipped, too; else they are objects like any other.
    settled: name classes as they were captured, whatever was changed since.
    `modules`: those that pickled code imports, and local ones that are referred to. `origins`:
    those that what was met comes from. `used`: the definitions that are referred to.
    """

    def __init__(self, file: io.BytesIO, files: bool = False, settled: bool = False) -> None:
        self.raw: list[memoryview] = []
        self.lazies: list[Any] = []
        self.modules: set[str] = set()
        self.origins: set[str] = set()
        self.used: list[Record] = []
        self._holes = ("lazy", "file") if files else ("lazy",)
        self._settled = settled
        self._numbers: dict[int, int] = {}
        # What stands for cells, and for what is defined elsewhere, wherever functions share it.
        self._cells: dict[int, Any] = {}
        self._stand_ins: dict[int, _Shared] = {}
        # Bound to the list, not to the pickler: a cycle would keep what was pickled alive.
        super().__init__(file, protocol=5, buffer_callback=_taking(self.raw))

    def reducer_override(self, obj: Any) -> Any:
        """Put a numbered slot where a handle is; carry local functions and classes by value."""
        kind = type(obj)
        role = _role_of(kind)
        if role in self._holes:
            return self._hole(obj)
        if role is not None and role != "file":
            return obj.__pymonik_reduce__()
        if kind is types.FunctionType:
            return self._reduce_function(obj)
        if isinstance(obj, type):
            return self._reduce_type(obj)
        self.origins.add(kind.__module__)
        if kind in REDUCERS:
            return REDUCERS[kind](obj)
        if kind is types.ModuleType:
            return self._reduce_module(obj)
        if kind is _Shared:
            return self._refer(obj.record)
        return self._reduce_object(obj, kind)

    def _hole(self, obj: Any) -> Any:
        number = self._numbers.setdefault(id(obj), len(self.lazies))
        if number == len(self.lazies):
            self.lazies.append(obj)
        return slot_value, (number,)

    def _refer(self, record: Record) -> Any:
        """Name what is defined elsewhere, with the definitions that it takes."""
        record = TABLE.refer(record, self._settled)
        self.modules |= record.modules
        self.origins |= record.origins
        self.used.append(record)
        name, parts = record.reference
        return defined, (name, [pickle.PickleBuffer(part) for part in parts])

    def _reduce_type(self, cls: Any) -> Any:
        self.origins.add(cls.__module__)
        if travels(cls):
            return self._refer(TABLE.record_of(cls))
        return super().reducer_override(cls)

    def _reduce_module(self, module: types.ModuleType) -> Any:
        name = module.__name__
        self.origins.add(name)
        if is_local(name):
            self.modules.add(name)
        elif is_made(module):
            return subimported, (name,), vars_of(module), None, None, fill_module
        return super().reducer_override(module)

    def _reduce_object(self, obj: Any, kind: Any) -> Any:
        if isinstance(obj, enum.Enum):
            if travels(kind) and kind._member_map_.get(obj._name_) is obj:
                return class_parts.member_named, (kind, obj._name_)
        elif (name := single_name(obj, kind)) is not None:
            module = sys.modules[name.partition(":")[0]]
            if module.__name__ != "__main__" and not travels_from(module.__name__):
                return getattr, (module, name.partition(":")[2])
            return self._refer(TABLE.record_of(obj, name))
        return reduced_exception(obj) if isinstance(obj, BaseException) else NotImplemented

    def _reduce_function(self, function: Any) -> Any:
        self.origins.add(function.__module__)
        local = is_local(function.__module__)
        if is_dispatcher(function) and not is_importable(function):
            reduced = reduce_dispatcher(function)
        elif travels_from(function.__module__):
            reduced = self._dynamic_function_reduce(function)
        else:
            reduced = super().reducer_override(function)
        if reduced is not NotImplemented and reduced[0] is _MAKE_FUNCTION:
            note_source(function.__code__.co_filename, function.__globals__)
            _add_names_in_classes(function, reduced)
            package = function.__globals__.get("__package__") or ""
            self.modules.update(imported_by(function.__code__, package))
            reduced = self._share_variables(function, reduced)
        return _named(function, reduced) if local else reduced

    def _function_getnewargs(self, func: Any) -> Any:
        """Let functions share the cells, and the variables of modules, that they have in common."""
        code, space, name, defaults, closure = super()._function_getnewargs(func)
        if closure is not None:
            closure = tuple(map(self._cell, func.__closure__))
        return code, space, name, defaults, closure

    def _cell(self, cell: Any) -> Any:
        """Give what stands for a cell in all functions that have it: an empty one, or a name."""
        if id(cell) not in self._cells:
            record = self._cell_record(cell)
            known = types.CellType() if record is None else self._stand_in(record)
            self._cells[id(cell)] = cell, known
        return self._cells[id(cell)][1]

    def _cell_record(self, cell: Any) -> Record | None:
        return TABLE.known(cell)

    def _stand_in(self, record: Record) -> _Shared:
        return self._stand_ins.setdefault(id(record), _Shared(record))

    def _share_variables(self, function: Any, reduced: Any) -> Any:
        """Refer to what functions have in common with classes; add what type hints name."""
        make, (code, space, *rest), (own, slots), *others = reduced
        used = slots["__globals__"]
        used.update(hinted(function.__annotations__, function.__globals__))
        if function.__closure__:
            slots["__closure__"] = tuple(map(self._value_of, function.__closure__))
        names = {*used, *global_names(function.__code__)}
        if names.isdisjoint(shared_names(function.__globals__)):
            self._share_values(used, function.__module__)
            return make, (code, space, *rest), (own, slots), *others
        space = self._stand_in(TABLE.namespace_of(function.__globals__, names))
        used.clear()
        return function_in, (code, space, *rest), (own, slots), None, None, complete_in

    def _value_of(self, cell: Any) -> Any:
        """Give a cell that holds what a function is to see: an empty one where it is named."""
        return cell if type(self._cell(cell)) is types.CellType else types.CellType()

    def _share_values(self, values: dict[str, Any], module: str) -> None:
        for name, value in values.items():
            if (record := self._shared(value, f"{module}:{name}")) is not None:
                values[name] = self._stand_in(record)

    def _shared(self, value: Any, name: str) -> Record | None:
        if type(value) in PROCESS_OWN and found_at(name) is value:
            return TABLE.record_of(value, name)
        record = TABLE.known(value)
        return None if record is None or isinstance(value, type) else record


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


class _Definer(Pickler):
    """Pickles what is defined, and names other definitions by their ids alone."""

    def __init__(self, file: io.BytesIO, record: Record) -> None:
        super().__init__(file)
        self.record = record
        self.is_single = False
        # What must be there before the class itself can be.
        self.before: list[Record] = []
        self._begun = False

    def _refer(self, record: Record) -> Any:
        self.used.append(record)
        return needed, (record.id,)

    def reducer_override(self, obj: Any) -> Any:
        top = self.record.obj
        if obj is top and not self._begun:
            self._begun = True
            if isinstance(obj, type):
                space = vars(sys.modules.get(obj.__module__, types))
                hints = hinted(vars(obj).get("__annotations__"), space)
                return class_parts.reduce_class(obj, self.record.id, travels, hints)
            if type(obj) is types.CellType:
                return reduce_cell(obj, self.record.id)
            if type(obj) in PROCESS_OWN:
                self.is_single = True
                return PROCESS_OWN[type(obj)](obj)
            if single_name(obj, type(obj)) is not None:
                self.is_single = True
                return object.__new__, (type(obj),), vars_of(obj) or None
        if type(obj) is top and isinstance(obj, enum.Enum):
            return class_parts.reduce_member(obj)
        if type(obj) is Namespace:
            self._share_values(obj.values, self.record.id.partition(":")[0])
            return obj.reduced()
        if type(obj) is class_parts.Made:
            self.before = list(self.used)
        return super().reducer_override(obj)

    def _cell_record(self, cell: Any) -> Record | None:
        """Give what methods may rebind a definition of its own."""
        if not is_variable(cell):
            return None
        module = self.record.id.partition(":")[0]
        return TABLE.record_of(cell, f"{module}:<variable>")

    def _hole(self, obj: Any) -> Any:
        raise TypeError(
            f"{self.record.id} holds a handle, and a class has no place for one: pass the handle "
            "as an argument"
        )

    def _shared(self, value: Any, name: str) -> Record | None:
        """Give what a method sees a definition of its own, so that all that see it share it."""
        found = super()._shared(value, name)
        if found is None and is_shareable(value) and found_at(name) is value:
            return TABLE.record_of(value, name)
        return found


class _Shared:
    """Stands, among the globals of a function, for what is defined elsewhere."""

    def __init__(self, record: Record) -> None:
        self.record = record


class Taken(NamedTuple):
    """What was pickled for a definition, and what it needs."""

    data: bytes
    needs: list[Record]
    before: list[Record]
    modules: set[str]
    origins: set[str]
    is_single: bool


def define(record: Record) -> Taken:
    """Pickle what a record is of."""
    file = io.BytesIO()
    pickler = _Definer(file, record)
    # Buffers stay within: what shares them is the definition.
    cloudpickle.Pickler.__init__(pickler, file, protocol=5)
    is_space = record.is_namespace
    pickler.dump(Namespace(record.id, record.obj, record.names) if is_space else record.obj)
    return Taken(
        file.getvalue(),
        pickler.used,
        pickler.before,
        pickler.modules,
        pickler.origins,
        pickler.is_single,
    )


def _named(obj: Any, reduced: Any) -> Any:
    """Have what a local module defines be the one of that module, where the module came along."""
    found: Any = sys.modules.get(obj.__module__)
    for part in obj.__qualname__.split("."):
        found = getattr(found, part, None)
    if getattr(found, "__pymonik_function__", found) is not obj:
        return reduced
    make, parts, state, *rest = reduced
    if make in (_MAKE_FUNCTION, function_in):
        rest[-1] = set_function
    return local_object, (obj.__module__, obj.__qualname__, make, *parts), state, *rest


_MAKE_FUNCTION = cloudpickle.cloudpickle._make_function
_LOADS = ("LOAD_NAME", "LOAD_FROM_DICT_OR_GLOBALS")


def whole(obj: Any) -> bytes:
    """Pickle an object with all its buffers, for whoever loads it with nothing but `pickle`."""
    file = io.BytesIO()
    pickler = Pickler(file, settled=True)
    cloudpickle.Pickler.__init__(pickler, file, protocol=5)
    pickler.dump(obj)
    return file.getvalue()


def freeze(
    obj: Any,
    files: bool = False,
    modules: set[str] | None = None,
    origins: set[str] | None = None,
    used: list[Record] | None = None,
    settled: bool = False,
    reach: dict[int, Any] | None = None,
) -> tuple[bytes, list[memoryview], list[Any]]:
    """Pickle an object; give the pickle, its raw buffers and the handles inside.

    files: files to be shipped are given like handles. modules: takes the names of modules that are
    needed to load it or to run what is in it. origins: takes the names of modules that are met.
    used: takes the records of the definitions it refers to. settled: see `Pickler`.
    reach: takes the objects met that can change, by their ids.
    """
    file = io.BytesIO()
    pickler = Pickler(file, files, settled)
    pickler.dump(obj)
    if reach is not None:
        reach.update(reach_of(pickler.memo.copy()))
    if used is not None:
        used += pickler.used
    if modules is not None:
        modules |= pickler.modules
    if origins is not None:
        origins |= pickler.origins
    return file.getvalue(), pickler.raw, pickler.lazies


def content_of(obj: Any) -> Content:
    """Freeze an object that holds no handles."""
    data, raw, _ = freeze(obj)
    return Content(data, [freeze_buffer(view) for view in raw])


def pickled_types(types: tuple[type[BaseException], ...] | ExceptionTypes) -> Content:
    """Return exception types as they travel."""
    if isinstance(types, ExceptionTypes):
        return types.content
    return content_of(types)


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
