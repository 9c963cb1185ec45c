"""Definitions pickled: a class, or an object that exists once, without what it needs.

Enters: records. Leaves: the bytes of their definitions, and the records that these name.
"""

from __future__ import annotations

import enum
import io
import sys
import types
from typing import Any

import cloudpickle

from pymonik.capture import class_parts
from pymonik.capture.definitions.by_value import is_by_value, is_by_value_from
from pymonik.capture.definitions.functions import is_known_by_name
from pymonik.capture.definitions.maker import begun, needed
from pymonik.capture.definitions.namespaces import Namespace, is_variable, reduce_cell
from pymonik.capture.definitions.record import (
    DefinitionRecord,
    HoldsHandle,
    Taken,
    found_at,
    record_of,
)
from pymonik.capture.definitions.registry import TABLE
from pymonik.capture.pickling.function_parts import SharedGlobal
from pymonik.capture.pickling.pickler import Pickler
from pymonik.capture.pickling.reducers import (
    PROCESS_OWN,
    hinted,
    is_shareable,
    single_name,
    vars_of,
)
from pymonik.capture.pickling.shared_variables import SharedVariables
from pymonik.capture.pickling.type_names import (
    is_lazy,
    is_type_name,
    parameter_number,
    reduce_lazy_name,
    reduce_type_name,
    type_parameter,
)


class _DefinedVariables(SharedVariables):
    """What methods share is a definition of its own; id: that of what is defined."""

    def __init__(self, id: str) -> None:
        super().__init__()
        self._id = id

    def cell_record(self, cell: Any, function: Any) -> DefinitionRecord | None:
        """Return the record of what methods share with the scope of their class; None of others."""
        is_inner = "<locals>" in self._id
        if not is_inner or not is_by_value_from(function.__globals__.get("__name__")):
            return None  # of a decorator, such as that of data classes
        if not is_variable(cell):
            return None
        module = self._id.partition(":")[0]
        return TABLE.record_of(cell, f"{module}:<variable>")

    def shared(self, value: Any, name: str) -> DefinitionRecord | None:
        """Return what a method sees a definition of its own, so that all that see it share it."""
        shared = super().shared(value, name)
        if shared is None and is_shareable(value) and found_at(name) is value:
            return TABLE.record_of(value, name)
        return shared


class _Definer(Pickler):
    """Pickles what is defined, and names other definitions by their ids alone."""

    def __init__(self, file: io.BytesIO, record: DefinitionRecord) -> None:
        super().__init__(file, variables=_DefinedVariables(record.id))
        self.record = record
        self._code = []  # methods are made with their class, and not taken out of it
        self.is_single = False
        # What must be there before the class itself can be.
        self.before: list[DefinitionRecord] = []
        self._begun = False

    def _refer(self, record: DefinitionRecord) -> Any:
        self.used.append(record)
        return needed, (record.id,)

    def reducer_override(self, obj: Any) -> Any:
        top = self.record.obj
        if obj is top and not self._begun:
            self._begun = True
            if isinstance(obj, type):
                space = vars(sys.modules.get(obj.__module__, types))
                hints = hinted(vars(obj).get("__annotations__"), space)
                return class_parts.reduce_class(obj, self.record.id, is_by_value, hints)
            if type(obj) is types.FunctionType:
                return self._begin_function(obj)
            if type(obj) is types.CellType:
                return reduce_cell(obj, self.record.id)
            if type(obj) in PROCESS_OWN:
                self.is_single = True
                return PROCESS_OWN[type(obj)](obj)
            if is_type_name(type(obj)):
                self.is_single = True
                if is_lazy(obj):
                    return self._begin(*reduce_lazy_name(obj))
                return reduce_type_name(obj)
            if single_name(obj, type(obj)) is not None:
                self.is_single = True
                return object.__new__, (type(obj),), vars_of(obj) or None
        if type(obj) in PROCESS_OWN:  # of the class, such as a lock for all of its objects
            record = record_of(obj)
            return PROCESS_OWN[type(obj)](obj) if record is None else self._refer(record)
        if (number := parameter_number(top, obj)) is not None:
            return type_parameter, (top, number)
        if type(obj) is top and isinstance(obj, enum.Enum):
            return class_parts.reduce_member(obj)
        if type(obj) is Namespace:
            self._variables.share_values(obj.values, self.record.id.partition(":")[0])
            return obj.reduced()
        if type(obj) is class_parts.ClassBegun:
            self.before = list(self.used)
        return super().reducer_override(obj)

    def _begin_function(self, function: Any) -> Any:
        self.origins.add(function.__module__)
        make, parts, *rest = self._function_by_value(function)
        self.before = [part.record for part in parts if type(part) is SharedGlobal]
        return self._begin(make, parts, *rest)

    def _begin(self, make: Any, parts: tuple[Any, ...], *rest: Any) -> Any:
        return begun, (self.record.id, make, *parts), *rest

    def _is_defined(self, function: Any) -> bool:
        return record_of(function) is not None or is_known_by_name(function)

    def _hole(self, obj: Any) -> Any:
        raise HoldsHandle(
            f"{self.record.id} holds a handle, which a class cannot bring to a task: pass the "
            "handle as an argument"
        )


def define(record: DefinitionRecord) -> Taken:
    """Pickle what a record is of."""
    file = io.BytesIO()
    pickler = _Definer(file, record)
    # Buffers stay within: what shares them is the definition.
    cloudpickle.Pickler.__init__(pickler, file, protocol=5)
    is_space = record.is_namespace
    pickler.dump(Namespace(record.id, record.obj, record.names) if is_space else record.obj)
    if is_type_name(type(record.obj)) and not is_lazy(record.obj):
        pickler.before = pickler.used
    return Taken(
        file.getvalue(),
        pickler.used,
        pickler.before,
        pickler.modules,
        pickler.origins,
        pickler.is_single,
    )
