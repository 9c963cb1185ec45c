"""How functions by value are pickled, where cloudpickle does not do all of it.

Enters: functions, and what cloudpickle makes of them. Leaves: the same, with globals that only
class statements inside use, and with the name by which a module that came along has it.
"""

from __future__ import annotations

import dis
import functools
import inspect
import types
from typing import TYPE_CHECKING, Any

import cloudpickle

from pymonik.capture.definitions.by_value import is_by_value
from pymonik.capture.definitions.function_maker import function_in, new_code
from pymonik.capture.definitions.record import RECORDS, found_at
from pymonik.capture.importer import local_object, set_function

if TYPE_CHECKING:
    from pymonik.capture.definitions.record import DefinitionRecord

MAKE_FUNCTION = cloudpickle.cloudpickle._make_function
_LOADS = ("LOAD_NAME", "LOAD_FROM_DICT_OR_GLOBALS")


class SharedGlobal:
    """Stands, among the globals of a function, for what is defined elsewhere."""

    __slots__ = ("record",)

    def __init__(self, record: DefinitionRecord) -> None:
        self.record = record


def add_type_parameters(function: types.FunctionType, reduced: Any) -> None:
    """Add those of `def f[T](x: T)`, since Python 3.12: hints that are texts name them."""
    if variables := getattr(function, "__type_params__", ()):
        reduced[2][1]["__type_params__"] = variables


def add_names_in_classes(function: types.FunctionType, reduced: Any) -> None:
    """Add the globals that only class statements inside the function use.

    Their bodies load names in another way than functions do, which cloudpickle does not look for.
    """
    variables = reduced[2][1]["__globals__"]
    for name in _names_in_classes(function.__code__):
        if name in function.__globals__:
            variables.setdefault(name, function.__globals__[name])


# As many code objects as `code_text.uses` keeps.
@functools.lru_cache(maxsize=4096)
def _names_in_classes(code: types.CodeType) -> tuple[str, ...]:
    names: dict[str, None] = {}
    for inner in code.co_consts:
        if isinstance(inner, types.CodeType):
            names.update(dict.fromkeys(_names_in_classes(inner)))
            if not inner.co_flags & inspect.CO_OPTIMIZED:  # the body of a class
                loads = (i.argval for i in dis.get_instructions(inner) if i.opname in _LOADS)
                names.update(dict.fromkeys(loads))
    return tuple(name for name in names if name != "__name__")


def method_of_class(function: types.FunctionType) -> Any:
    """Return how a pickle takes a function out of its class, which travels; else None."""
    module, (place, _, name) = function.__module__, function.__qualname__.rpartition(".")
    if not place or "<" in place:
        return None
    address = f"{module}:{place}"
    kinds = [found_at(address)]
    if kinds == [None]:  # where classes were made of their definitions
        kinds = [record.obj for record in list(RECORDS.values()) if record.id == address]
    for kind in kinds:
        if isinstance(kind, type) and vars(kind).get(name) is function and is_by_value(kind):
            return getattr, (kind, name)
    return None


def named(obj: Any, reduced: Any) -> Any:
    """Let what a module of the script defines be known by its name.

    Where the module came along, it is the one there.
    """
    if not obj.__module__ or reduced is NotImplemented:
        return reduced
    if found_at(f"{obj.__module__}:{obj.__qualname__}") is not obj:
        return reduced
    make, parts, state, *rest = reduced
    if make is function_in:
        rest[-1] = set_function
    return local_object, (obj.__module__, obj.__qualname__, make, *parts), state, *rest


def reduce_code(code: types.CodeType) -> Any:
    """Take code apart as cloudpickle does, and keep where it is from: tracebacks show it.

    Since 3.1.3 cloudpickle leaves that out, so that its pickles do not depend on it; keys of ours
    do not either way (see `fingerprint`).
    """
    _make, args = cloudpickle.cloudpickle._code_reduce(code)
    file = "".join(code.co_filename)  # a string of its own: else pickles may share it, or not
    return new_code, tuple([file if _is_placeholder(arg) else arg for arg in args])


def _is_placeholder(value: Any) -> bool:
    return type(value) is str and value == "<dynamic-code>"
