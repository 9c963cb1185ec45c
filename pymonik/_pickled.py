"""The names that stand in pickles: they are a format, and never move.

A pickle names functions and classes by module and name, and is loaded by whoever has it: workers of
another version, caches, saved graphs. So whatever of ours a pickle may name has its address here,
wherever its code is today; only public names have that by which users know them, `pymonik.Task` or
`pymonik.errors.TaskFailed`. A name may be added. One that is here stays, and takes what it took.

Code is found when a pickle asks for it: this module loads nothing.
"""

from __future__ import annotations

import importlib
from typing import Any, TypeVar

T = TypeVar("T")

# Where the code of each name is.
HOMES = {
    "Content": "pymonik.values.content",
    "Definition": "pymonik.values.content",
    "slot_value": "pymonik.values.content",
    "ExceptionTypes": "pymonik.values.options",
    "LeftBehind": "pymonik.values.exception_parts",
    "complete_exception": "pymonik.values.exception_parts",
    "new_exception": "pymonik.values.exception_parts",
    "Environment": "pymonik.environment.value",
    "new_environment": "pymonik.environment.value",
    "placed": "pymonik.files.materialize",
    # Tasks, and functions of ours that calls run.
    "current_recorder": "pymonik.record.current",
    "named_task": "pymonik.record.task_pickling",
    "new_task": "pymonik.record.task_pickling",
    "call": "pymonik.record.builtin_tasks",
    "call_in": "pymonik.record.builtin_tasks",
    "call_row": "pymonik.record.builtin_tasks",
    "call_row_in": "pymonik.record.builtin_tasks",
    "call_whole": "pymonik.record.builtin_tasks",
    "call_whole_in": "pymonik.record.builtin_tasks",
    "identity": "pymonik.record.builtin_tasks",
    "unpacked": "pymonik.record.builtin_tasks",
    # Definitions: classes and what they share with functions.
    "defined": "pymonik.capture.definitions.registry",
    "begun": "pymonik.capture.definitions.maker",
    "needed": "pymonik.capture.definitions.maker",
    "ClassBegun": "pymonik.capture.class_parts",
    "complete_class": "pymonik.capture.class_parts",
    "fill_member": "pymonik.capture.class_parts",
    "fill_parts": "pymonik.capture.class_parts",
    "member_named": "pymonik.capture.class_parts",
    "new_class": "pymonik.capture.class_parts",
    "new_member": "pymonik.capture.class_parts",
    "complete_in": "pymonik.capture.definitions.function_maker",
    "fill_cell": "pymonik.capture.definitions.function_maker",
    "fill_namespace": "pymonik.capture.definitions.function_maker",
    "function_in": "pymonik.capture.definitions.function_maker",
    "new_cell": "pymonik.capture.definitions.function_maker",
    "new_code": "pymonik.capture.definitions.function_maker",
    "new_namespace": "pymonik.capture.definitions.function_maker",
    "local_object": "pymonik.capture.importer",
    "set_function": "pymonik.capture.importer",
    # What the standard library does not pickle.
    "fill_dispatcher": "pymonik.capture.pickling.of_functools",
    "fill_module": "pymonik.capture.pickling.reducers",
    "method_of": "pymonik.capture.pickling.reducers",
    "new_cached": "pymonik.capture.pickling.of_functools",
    "new_cached_property": "pymonik.capture.pickling.of_functools",
    "new_dispatcher": "pymonik.capture.pickling.of_functools",
    "new_dispatching_method": "pymonik.capture.pickling.of_functools",
    "new_variable": "pymonik.capture.pickling.reducers",
    "pointer_type": "pymonik.capture.pickling.c_types",
    "shaped_view": "pymonik.capture.pickling.reducers",
    "subimported": "pymonik.capture.pickling.reducers",
    "fill_lazy_name": "pymonik.capture.pickling.type_names",
    "new_lazy_name": "pymonik.capture.pickling.type_names",
    "new_type_name": "pymonik.capture.pickling.type_names",
    "type_parameter": "pymonik.capture.pickling.type_names",
    "fill_container": "pymonik.capture.pickling.containers",
    "new_container": "pymonik.capture.pickling.containers",
    "new_value": "pymonik.capture.pickling.containers",
    "dead_proxy": "pymonik.capture.pickling.weak",
    "dead_reference": "pymonik.capture.pickling.weak",
    "hold_items": "pymonik.capture.pickling.weak",
    "weak_method": "pymonik.capture.pickling.weak",
    "weak_proxy": "pymonik.capture.pickling.weak",
    "weak_reference": "pymonik.capture.pickling.weak",
    "weak_set": "pymonik.capture.pickling.weak",
    "set_attributes": "pymonik.capture.pickling.answering",
    # Arrays of NumPy.
    "new_array": "pymonik.capture.pickling.arrays",
    "array_as": "pymonik.capture.pickling.arrays",
    "masked_array_over": "pymonik.capture.pickling.arrays",
    "new_masked_array": "pymonik.capture.pickling.arrays",
    "view_of": "pymonik.capture.pickling.views",
}


def pickled(thing: T) -> T:
    """Give a function or class its address in this module, under its own name; return it."""
    addressed: Any = thing
    addressed.__module__ = __name__
    return thing


def is_ours(function: Any) -> bool:
    """Return whether a function has its address in this module: it may just say so."""
    if function.__module__ != __name__ or (name := function.__qualname__) not in HOMES:
        return False
    return (globals().get(name) or __getattr__(name)) is function


def public(thing: T) -> T:
    """Give a function or class the address by which users know it; return it."""
    addressed: Any = thing
    addressed.__module__ = "pymonik"
    return thing


def __getattr__(name: str) -> Any:
    if name in HOMES:
        value = globals()[name] = getattr(importlib.import_module(HOMES[name]), name)
        return value
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
