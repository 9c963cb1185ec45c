"""What the functions of one pickle have in common: cells, variables of modules, single objects.

Enters: functions as they are reduced. Leaves: the same, with what stands for each thing that they
share, so that all of them see the same one where they are made.
"""

from __future__ import annotations

import types
from typing import Any

from pymonik.capture.definitions.function_maker import complete_in, function_in
from pymonik.capture.definitions.namespaces import shared_names
from pymonik.capture.definitions.record import DefinitionRecord, record_of
from pymonik.capture.definitions.registry import TABLE
from pymonik.capture.pickling.function_parts import SharedGlobal
from pymonik.capture.pickling.reducers import PROCESS_OWN, hinted
from pymonik.capture.reachable import cell_value, found_by_text, global_names


class SharedVariables:
    """What stands for cells, and for what is defined elsewhere, in the functions of one pickle."""

    def __init__(self) -> None:
        # Cells with what stands for each, by their ids; stand-ins by those of records.
        self._cells: dict[int, Any] = {}
        self._stand_ins: dict[int, SharedGlobal] = {}

    def cell(self, cell: Any, function: Any) -> Any:
        """Return what stands for a cell in all functions that have it: an empty one, or a name."""
        if id(cell) not in self._cells:
            record = self.cell_record(cell, function)
            stand_in = types.CellType() if record is None else self.stand_in(record)
            self._cells[id(cell)] = cell, stand_in
        return self._cells[id(cell)][1]

    def cell_record(self, cell: Any, function: Any) -> DefinitionRecord | None:
        """Return the record of a cell that is defined elsewhere, None if it is not."""
        return record_of(cell)

    def stand_in(self, record: DefinitionRecord) -> SharedGlobal:
        """Return what stands for what is defined elsewhere, the same wherever it is met."""
        return self._stand_ins.setdefault(id(record), SharedGlobal(record))

    def share_variables(self, function: Any, reduced: Any) -> Any:
        """Refer to what functions have in common with classes; add what type hints name."""
        _make, (code, space, *rest), (own, slots), *_others = reduced
        used = slots["__globals__"]
        used.update(hinted(function.__annotations__, function.__globals__))
        used.update({n: v for n, v in found_by_text(function).items() if n not in used})
        if function.__closure__:
            slots["__closure__"] = tuple(self.value_of(c, function) for c in function.__closure__)
        names = {*used, *global_names(function.__code__)}
        if names.isdisjoint(shared_names(function.__globals__)):
            self.share_values(used, function.__module__)
            return function_in, (code, space, *rest), (own, slots), None, None, complete_in
        space = self.stand_in(TABLE.namespace_of(function.__globals__, names))
        used.clear()
        return function_in, (code, space, *rest), (own, slots), None, None, complete_in

    def value_of(self, cell: Any, function: Any) -> Any:
        """Return a cell that holds what a function is to see: an empty one where it is named."""
        if type(self.cell(cell, function)) is not types.CellType:
            return types.CellType()
        value = cell_value(cell)
        if type(value) not in PROCESS_OWN:
            return cell
        record = TABLE.record_of(value, f"{function.__module__}:<variable>")
        return types.CellType(self.stand_in(record))

    def share_values(self, values: dict[str, Any], module: str) -> None:
        """Put what stands for them in the place of values that are defined elsewhere."""
        for name, value in values.items():
            if (record := self.shared(value, f"{module}:{name}")) is not None:
                values[name] = self.stand_in(record)

    def shared(self, value: Any, name: str) -> DefinitionRecord | None:
        """Return the record of a value that is defined elsewhere; None: it goes along as it is."""
        if type(value) in PROCESS_OWN:  # also of a module that is not registered
            return TABLE.record_of(value, name)
        record = record_of(value)
        return None if record is None or isinstance(value, type) else record
