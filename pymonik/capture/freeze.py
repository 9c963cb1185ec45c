"""Freezing: an object becomes a pickle, or an error that names the part that cannot.

Enters: any object. Leaves: its pickle, its buffers, the handles inside, and what it needs.
"""

from __future__ import annotations

import io
import types
from typing import Any

import cloudpickle

from pymonik.capture.definitions.record import DefinitionRecord
from pymonik.capture.definitions.registry import TABLE
from pymonik.capture.pickling.definer import define
from pymonik.capture.pickling.pickler import Pickler
from pymonik.capture.pickling.views import Memory, can_share, knows_sharing, shared_memory
from pymonik.capture.sharing import Reach, reach_of
from pymonik.system.attributes import attribute
from pymonik.system.deep_stack import can_go_deeper, deeply
from pymonik.values.content import Content, freeze_buffer
from pymonik.values.options import ExceptionTypes

# Whoever freezes may meet what travels as a definition.
TABLE.define = define


def whole(obj: Any) -> bytes:
    """Pickle an object with all its buffers, for whoever loads it with nothing but `pickle`."""
    file = io.BytesIO()
    pickler = Pickler(file, as_captured=True)
    cloudpickle.Pickler.__init__(pickler, file, protocol=5)
    pickler.dump(obj)
    return file.getvalue()


def freeze(
    obj: Any,
    files: bool = False,
    modules: set[str] | None = None,
    origins: set[str] | None = None,
    used: list[DefinitionRecord] | None = None,
    as_captured: bool = False,
    reach: Reach | None = None,
    code: list[Any] | None = None,
) -> tuple[bytes, list[memoryview], list[Any]]:
    """Pickle an object; return the pickle, its raw buffers and the handles inside.

    files: files to be shipped are given like handles. modules: takes the names of modules that are
    needed to load it or to run what is in it. origins: takes the names of modules that are met.
    used: takes the records of the definitions it refers to. as_captured, code: see `Pickler`.
    reach: takes the objects met that can change, by their ids.
    """
    file = io.BytesIO()
    pickler = Pickler(file, files, as_captured, code)
    try:
        pickler.dump(obj)
    except Exception as error:
        if not _is_too_deep(error) or TABLE.is_busy_here or not can_go_deeper():
            raise
        file = io.BytesIO()
        pickler = Pickler(file, files, as_captured, code)
        deeply(lambda: pickler.dump(obj))
    if len(pickler.arrays) > 1 and (memory := _memory_in(pickler)):
        file = io.BytesIO()
        pickler = Pickler(file, files, as_captured, code, memory)
        pickler.dump(obj)
    if reach is not None:
        reach.update(reach_of(pickler.memo.copy()))
        reach.arrays = _sharing(pickler)
    if used is not None:
        used += pickler.used
    if modules is not None:
        modules |= pickler.modules
    if origins is not None:
        origins |= pickler.origins
    return file.getvalue(), pickler.raw, pickler.handles_in


def _is_too_deep(error: BaseException) -> bool:
    return isinstance(error, RecursionError) or isinstance(error.__cause__, RecursionError)


def reason_of(error: BaseException) -> str:
    """Return why something cannot be pickled."""
    if _is_too_deep(error):
        return "it is nested too deeply, as a long chain of objects is: hold them in a list instead"
    return str(error).rstrip(".")


def _memory_in(pickler: Pickler) -> dict[int, Memory]:
    """Return the memory that arrays in a pickle share."""
    return shared_memory(_sharing(pickler))


def _sharing(pickler: Pickler) -> list[Any]:
    """Return the arrays in a pickle that may share memory with others.

    None where data frames are: they know themselves who shares what, and copy before they write.
    """
    if not pickler.arrays or any(map(knows_sharing, pickler.origins)):
        return []
    return [array for array in pickler.arrays if can_share(array)]


def define_class(cls: type) -> None:
    """Make the definition of a class that travels by value, or bring it up to date."""
    TABLE.refer(TABLE.record_of(cls))


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
    """Find the part of an object that cannot be pickled; return its path, `args[0]['x'].lock`."""
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
    attributes = attribute(obj, "__dict__")
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
