"""Reducers: objects that `pickle` has no right answer for, though they can be described.

Enters: an object, met by the pickler. Leaves: how it is made again: views of memory, modules made
at run time, what exists once in its module; see also `of_functools` and `weak`.
"""

from __future__ import annotations

import contextlib
import contextvars
import math
import re
import struct
import sys
import threading
import types
import typing
from collections.abc import Callable
from typing import Any

from pymonik._pickled import pickled
from pymonik.capture.definitions.by_value import is_by_value_from
from pymonik.capture.pickling import of_functools, weak
from pymonik.system.attributes import HEAP_TYPE, attribute
from pymonik.values.content import IMMEDIATE

# Every module gets its own of these where it is made.
_OF_MODULES = frozenset({"__builtins__", "__loader__", "__spec__", "__cached__"})


def vars_of(obj: Any) -> dict[str, Any]:
    """Return the attributes of an object, but what every module has."""
    space = dict(attribute(obj, "__dict__", ()))
    if isinstance(obj, types.ModuleType):
        space = {k: v for k, v in space.items() if k not in _OF_MODULES}
    return space


def single_name(obj: Any, kind: Any) -> str | None:
    """Return "module:name" of an object that is known by its identity, such as a sentinel.

    It has no state, or is pickled by its name, and a module has it under that name.
    """
    if kind is object:
        return _name_in(obj, *_script_modules())
    if not kind.__flags__ & HEAP_TYPE:
        return None
    module = kind.__module__
    if kind.__reduce__ is not object.__reduce__ or kind.__reduce_ex__ is not object.__reduce_ex__:
        return _name_it_gives(obj, kind, module) if is_by_value_from(module) else None
    if attribute(obj, "__dict__") or not _holds_nothing(kind):
        return None
    if any(vars(base).get("__slots__") for base in kind.__mro__) and is_by_value_from(module):
        return None
    return _name_in(obj, module)


def _holds_nothing(kind: Any) -> bool:
    """Return whether objects of a class hold nothing by themselves, as lists and tuples do."""
    return all(base is object or base.__flags__ & HEAP_TYPE for base in kind.__mro__)


def _name_it_gives(obj: Any, kind: Any, module: str) -> str | None:
    own = kind.__reduce__ if kind.__reduce__ is not object.__reduce__ else kind.__reduce_ex__
    if isinstance(obj, BaseException) or getattr(own, "__module__", None) != module:
        return None
    try:
        reduced = obj.__reduce_ex__(5)
    except Exception:  # whatever a reducer of the user raises: the pickler will meet it again
        return None
    return f"{module}:{reduced}" if isinstance(reduced, str) else None


def _script_modules() -> list[str]:
    return [name for name in list(sys.modules) if is_by_value_from(name)]


def _name_in(obj: Any, *modules: str) -> str | None:
    for module in modules:
        for name, value in list(vars(sys.modules[module]).items()) if module in sys.modules else ():
            if value is obj:
                return f"{module}:{name}"
    return None


def is_shareable(value: Any) -> bool:
    """Return whether it matters that all holders of an object hold the same one."""
    kind = type(value)
    if kind in (list, dict, set, bytearray):
        return True
    if kind in IMMEDIATE or isinstance(value, (type, tuple, frozenset, types.ModuleType)):
        return False
    if hasattr(kind, "__pymonik_role__") or callable(value):
        return False
    return bool(kind.__flags__ & HEAP_TYPE) or hasattr(kind, "__getstate__")


def _reduce_variable(variable: contextvars.ContextVar[Any]) -> Any:
    try:
        return new_variable, (variable.name, contextvars.Context().run(variable.get))
    except LookupError:
        return new_variable, (variable.name,)


@pickled
def new_variable(name: str, *default: Any) -> contextvars.ContextVar[Any]:
    """Make a context variable."""
    if default:
        return contextvars.ContextVar(name, default=default[0])
    return contextvars.ContextVar(name)


def _made_anew(make: Callable[..., Any]) -> Callable[[Any], Any]:
    return lambda obj: (make, ())


# Each process has its own, as each that imports the module would.
PROCESS_OWN: dict[Any, Callable[[Any], Any]] = {
    # Their state is not carried: a lock that is held here is nobody's there.
    type(threading.Lock()): _made_anew(threading.Lock),
    type(threading.RLock()): _made_anew(threading.RLock),
    threading.Condition: _made_anew(threading.Condition),
    threading.Event: _made_anew(threading.Event),
    threading.local: _made_anew(threading.local),
    threading.Semaphore: lambda obj: (threading.Semaphore, (obj._value,)),
    threading.BoundedSemaphore: lambda obj: (threading.BoundedSemaphore, (obj._initial_value,)),
    contextvars.ContextVar: _reduce_variable,
    **weak.PROCESS_OWN,
}


def _reduce_view(view: memoryview) -> Any:
    """Keep the numbers and the shape of a view; its memory travels as that of an array does."""
    import pickle

    one = tuple(min(length, 1) for length in view.shape or ())
    try:  # of one item: what is known for that is known for all
        shaped_view(bytes(view.itemsize * math.prod(one)), view.format, one)
    except (TypeError, ValueError):
        if (numpy := sys.modules.get("numpy")) is not None:  # its own formats: records, complex
            return memoryview, (numpy.asarray(view),)
        raise TypeError(
            f"a memoryview of format {view.format!r} and shape {view.shape} cannot be pickled: "
            "those of native numbers can be, and all others where NumPy is imported"
        ) from None
    flat = view if view.c_contiguous else bytearray(view.tobytes())
    return shaped_view, (pickle.PickleBuffer(flat), view.format, view.shape, view.readonly)


@pickled
def shaped_view(
    flat: Any, format: str, shape: tuple[int, ...], readonly: bool = False
) -> memoryview:
    """Return a view of memory with a format and a shape."""
    view: Any = memoryview(flat).cast("B")  # any format of `struct` can be one of a view
    # An empty one has no shape that could be asked for.
    made: memoryview = view.cast(format) if len(shape) == 1 else view.cast(format, shape)
    return made.toreadonly() if readonly else made


def _reduce_method(method: types.MethodType) -> Any:
    """Name a method of an object by its class: there, it is equal to what the class makes of it."""
    obj, function = method.__self__, method.__func__
    name = getattr(function, "__name__", "")
    if isinstance(obj, type) or _in_class(type(obj), name) is not function:
        return NotImplemented
    return method_of, (obj, name)


def _in_class(kind: type, name: str) -> Any:
    return next((vars(base)[name] for base in kind.__mro__ if name in vars(base)), None)


@pickled
def method_of(obj: Any, name: str) -> Any:
    """Return a method of an object, which is asked for nothing: it may be incomplete yet."""
    return types.MethodType(_in_class(type(obj), name), obj)


def _reduce_struct(obj: struct.Struct) -> Any:
    return struct.Struct, (obj.format,)


def _reduce_managed(obj: Any) -> Any:
    """Carry what `contextlib.contextmanager` has made, as long as nobody has entered it.

    As a decorator it is never entered itself, but made anew at each call.
    """
    parts = vars(obj)
    if "func" not in parts:  # it was entered
        return NotImplemented
    return type(obj), (parts["func"], parts["args"], parts["kwds"])


REDUCERS: dict[Any, Callable[[Any], Any]] = {
    struct.Struct: _reduce_struct,
    contextlib._GeneratorContextManager: _reduce_managed,
    contextlib._AsyncGeneratorContextManager: _reduce_managed,
    **weak.REDUCERS,
    **of_functools.REDUCERS,
    memoryview: _reduce_view,
    types.MethodType: _reduce_method,
}


# Objects of classes that extend one of these are asked what they add to it.
_BUILT_IN = (type, dict, list, tuple, str, int, float, bytes)


def is_plain(obj: Any, kind: Any) -> bool:
    """Return at once, of most objects with attributes, that `pickle` itself knows what to do."""
    return (
        bool(kind.__flags__ & HEAP_TYPE)
        and kind.__reduce_ex__ is object.__reduce_ex__
        and kind.__reduce__ is object.__reduce__
        and not hasattr(kind, "__getattr__")
        and bool(getattr(obj, "__dict__", None))
        and not hasattr(kind, "__pymonik_role__")
        and kind not in REDUCERS
        and not isinstance(obj, _BUILT_IN)
    )


@pickled
def subimported(name: str) -> types.ModuleType:
    """Return an empty module, for what follows in its pickle."""
    return types.ModuleType(name)


@pickled
def fill_module(module: types.ModuleType, space: dict[str, Any]) -> None:
    """Put into a module what was in it."""
    vars(module).update(space)


_WORD = re.compile(r"[A-Za-z_]\w*")


def hinted(annotations: Any, space: dict[str, Any]) -> dict[str, Any]:
    """Return the types that annotations name, which are texts until somebody resolves them."""
    texts = [text for text in dict(annotations or {}).values() if type(text) is str]
    words = {word for text in texts for word in _WORD.findall(text)}
    return {word: space[word] for word in words if word in space and _is_hint(space[word])}


def _is_hint(value: Any) -> bool:
    return isinstance(value, _HINTS) or type(value).__module__ == "typing"


_HINTS = (type, types.GenericAlias, types.UnionType, types.ModuleType, typing.TypeVar)
