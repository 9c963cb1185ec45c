"""The pickler: cloudpickle, with handles as numbered slots and what local modules define by value.

Enters: any object. Leaves: its pickle (protocol 5), its raw out-of-band buffers, the handles met
inside, in the order of their slots, and the names of modules that are needed as such: their sources
travel apart (`snapshot`). Imported at the first capture: cloudpickle takes its time.
"""

from __future__ import annotations

import enum
import importlib
import io
import pickle
import sys
import types
from typing import Any

import cloudpickle

from pymonik._pickled import is_ours
from pymonik.capture import class_parts
from pymonik.capture.definitions.by_value import (
    is_by_value,
    is_by_value_from,
    is_importable,
    is_made,
)
from pymonik.capture.definitions.functions import is_known_by_name
from pymonik.capture.definitions.record import (
    DefinitionRecord,
    HoldsHandle,
    is_single_here,
    record_of,
)
from pymonik.capture.definitions.registry import TABLE, defined
from pymonik.capture.local_modules import is_local
from pymonik.capture.pickling.answering import answers_all, reduce_answering
from pymonik.capture.pickling.arrays import reduce_array
from pymonik.capture.pickling.c_types import reduce_c_type
from pymonik.capture.pickling.containers import (
    base_of,
    reduce_container,
    reduce_value,
    reduce_with_attributes,
    value_base_of,
)
from pymonik.capture.pickling.function_parts import (
    MAKE_FUNCTION,
    SharedGlobal,
    add_names_in_classes,
    add_type_parameters,
    method_of_class,
    named,
    reduce_code,
)
from pymonik.capture.pickling.of_functools import is_dispatcher, reduce_dispatcher
from pymonik.capture.pickling.reducers import (
    REDUCERS,
    fill_module,
    is_plain,
    single_name,
    subimported,
    vars_of,
)
from pymonik.capture.pickling.shared_variables import SharedVariables
from pymonik.capture.pickling.type_names import has_definition, is_type_name
from pymonik.capture.pickling.views import Memory, is_array, reduce_view
from pymonik.capture.source import imported_by
from pymonik.system.attributes import HEAP_TYPE, role_of
from pymonik.system.garbage import go_on, put_off
from pymonik.system.source_lines import note_source
from pymonik.values.content import Definition, slot_value
from pymonik.values.exception_parts import reduced as reduced_exception

# Smaller buffers travel inside the pickle: a buffer of its own costs more than it saves.
_IN_BAND = 4096
# Amid as many objects as this no garbage is collected: one may be in the other, and finalizers that
# run where no room is left for their own calls would fail. With fewer, that is not worth a lock.
_MANY = 16


def _taking(raw: list[memoryview]) -> Any:
    def take_buffer(buffer: pickle.PickleBuffer) -> bool:
        view = buffer.raw()
        if view.nbytes < _IN_BAND and type(view.obj) is not Definition:
            return True
        raw.append(view)
        return False

    return take_buffer


class Pickler(cloudpickle.Pickler):  # type: ignore[misc]  # which has no types
    """Pickles one object; `handles_in` are the handles found, `raw` its large buffers.

    files: leave holes for files to be shipped, too; else they are objects like any other.
    as_captured: name classes as they were captured, whatever was changed since.
    code: takes functions that go along as code, and not as definitions of their own; else None.
    `modules`: those that pickled code imports, and local ones that are referred to. `origins`:
    those that what was met comes from. `used`: the definitions that are referred to.
    `arrays`: all arrays of NumPy. memory: what arrays lie in that share some, by their ids.
    variables: what functions have in common.
    """

    def __init__(
        self,
        file: io.BytesIO,
        files: bool = False,
        as_captured: bool = False,
        code: list[Any] | None = None,
        memory: dict[int, Memory] | None = None,
        variables: SharedVariables | None = None,
    ) -> None:
        self.raw: list[memoryview] = []
        self.handles_in: list[Any] = []
        self.modules: set[str] = set()
        self.origins: set[str] = set()
        self.used: list[DefinitionRecord] = []
        self._holes = ("handle", "file") if files else ("handle",)
        self._as_captured = as_captured
        self._code = code
        self.arrays: list[Any] = []
        self._memory = memory or {}
        self._numbers: dict[int, int] = {}
        self._variables = variables or SharedVariables()
        self._met = 0
        # Bound to the list, not to the pickler: a cycle would keep what was pickled alive.
        super().__init__(file, protocol=5, buffer_callback=_taking(self.raw))

    def dump(self, obj: Any) -> None:
        """Write an object, however deep it goes."""
        try:
            super().dump(obj)
        finally:
            if self._met >= _MANY:
                try:
                    go_on(self)
                except BaseException:  # raised by a handler, as that of Ctrl-C
                    go_on(self)
                    raise

    def reducer_override(self, obj: Any) -> Any:
        """Put a numbered slot where a handle is; carry local functions and classes by value."""
        self._met += 1
        if self._met == _MANY:
            put_off(self)
        kind = type(obj)
        # The first three are met with every object of a class of the script: in this order.
        if obj is defined:
            return NotImplemented
        if kind is type and (record := record_of(obj)) is not None:
            self.origins.add(obj.__module__)
            return self._refer(record)
        if type(kind) is type and is_plain(obj, kind):
            self.origins.add(kind.__module__)
            return NotImplemented
        if kind is types.CodeType:
            return reduce_code(obj)
        role = role_of(kind)
        if role in self._holes:
            return self._hole(obj)
        if role is not None and role != "file":
            return obj.__pymonik_reduce__()
        if kind is types.FunctionType:
            return self._reduce_function(obj)
        if issubclass(kind, type):
            return self._reduce_type(obj)
        self.origins.add(kind.__module__)
        if kind in REDUCERS:
            return REDUCERS[kind](obj)
        if kind is types.ModuleType:
            return self._reduce_module(obj)
        if kind is SharedGlobal:
            return self._refer(obj.record)
        return self._reduce_object(obj, kind)

    def _hole(self, obj: Any) -> Any:
        number = self._numbers.setdefault(id(obj), len(self.handles_in))
        if number == len(self.handles_in):
            self.handles_in.append(obj)
        return slot_value, (number,)

    def _refer(self, record: DefinitionRecord) -> Any:
        """Name what is defined elsewhere, with the definitions that it takes."""
        record = TABLE.refer(record, self._as_captured)
        self.modules |= record.modules
        self.origins |= record.origins
        self.used.append(record)
        name, parts = record.reference
        return defined, (name, [pickle.PickleBuffer(part) for part in parts])

    def _reduce_type(self, cls: Any) -> Any:
        if (
            "_ctypes" in (cls.__module__, type(cls).__module__)
            and (reduced := reduce_c_type(cls)) is not None
        ):
            return reduced
        self.origins.add(cls.__module__)
        if (record := record_of(cls)) is not None:
            return self._refer(record)
        if is_by_value(cls):
            return self._refer(TABLE.record_of(cls))
        return super().reducer_override(cls)

    def _reduce_module(self, module: types.ModuleType) -> Any:
        name = module.__name__
        self.origins.add(name)
        if is_local(name):
            self.modules.add(name)
        elif is_made(module) or name not in sys.modules:  # as of a plug-in that was loaded by hand
            space = vars_of(module)
            self._variables.share_values(space, name)
            return subimported, (name,), space, None, None, fill_module
        if cloudpickle.cloudpickle._should_pickle_by_reference(module):
            return importlib.import_module, (name,)
        return super().reducer_override(module)

    def _reduce_object(self, obj: Any, kind: Any) -> Any:
        if isinstance(obj, enum.Enum):
            if is_by_value(kind) and kind._member_map_.get(obj._name_) is obj:
                return class_parts.member_named, (kind, obj._name_)
        elif is_type_name(kind):
            place = f"{obj.__module__}:{obj.__name__}"
            if has_definition(obj, place):
                return self._refer(TABLE.record_of(obj, place))
        elif is_single_here(obj):
            return self._refer(TABLE.record_of(obj))
        elif (name := single_name(obj, kind)) is not None:
            module = sys.modules[name.partition(":")[0]]
            if module.__name__ != "__main__" and not is_by_value_from(module.__name__):
                return getattr, (module, name.partition(":")[2])
            return self._refer(TABLE.record_of(obj, name))
        if isinstance(obj, BaseException):
            return reduced_exception(obj)
        if is_array(obj):
            self.arrays.append(obj)
            if id(obj) in self._memory:
                return reduce_view(obj, self._memory[id(obj)])
        if kind.__flags__ & HEAP_TYPE:
            if answers_all(kind):
                return reduce_answering(obj)
            if (base := base_of(kind)) is not None:
                return reduce_container(obj, base)
            if (base := value_base_of(kind)) is not None:
                return reduce_value(obj, base)
            if (reduced := reduce_with_attributes(obj, kind)) is not NotImplemented:
                return reduced
        return reduce_array(obj, self.arrays)

    def _reduce_function(self, function: Any) -> Any:
        self.origins.add(function.__module__)
        if is_ours(function):
            return NotImplemented
        if self._is_defined(function):
            try:
                return self._refer(TABLE.record_of(function))
            except HoldsHandle:  # it goes along with the handle
                TABLE.forget(function)
        elif self._code is None and (method := method_of_class(function)) is not None:
            _, (cls, _name) = method
            try:
                TABLE.refer(TABLE.record_of(cls), self._as_captured)
            except HoldsHandle:  # as above
                return self._function_by_value(function)
            return method
        return self._function_by_value(function)

    def _is_defined(self, function: Any) -> bool:
        """Return whether a function goes by the name of its definition."""
        if record_of(function) is not None:
            return True
        if not is_known_by_name(function):
            return False
        if self._code is None:
            return True
        self._code.append(function)
        return False

    def _function_by_value(self, function: Any) -> Any:
        if is_dispatcher(function) and not is_importable(function):
            reduced = reduce_dispatcher(function)
        elif is_by_value_from(function.__module__):
            reduced = self._dynamic_function_reduce(function)
        else:
            reduced = super().reducer_override(function)
        if reduced is not NotImplemented and reduced[0] is MAKE_FUNCTION:
            note_source(function.__code__.co_filename, function.__globals__)
            add_names_in_classes(function, reduced)
            add_type_parameters(function, reduced)
            package = function.__globals__.get("__package__") or ""
            self.modules.update(imported_by(function.__code__, package))
            reduced = self._variables.share_variables(function, reduced)
        return named(function, reduced)

    def _function_getnewargs(self, func: Any) -> Any:
        """Let functions share the cells, and the variables of modules, that they have in common."""
        code, space, name, defaults, closure = super()._function_getnewargs(func)
        if closure is not None:
            closure = tuple(self._variables.cell(cell, func) for cell in func.__closure__)
        return code, space, name, defaults, closure
