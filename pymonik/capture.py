"""Capture at the call: what an argument or a function was when `invoke` ran.

Enters: objects and functions of the user. Leaves: `Content` for what had to be frozen, with the
handles that hide inside, and `Code` for functions. Nothing is sent and no digest is computed here.
"""

from __future__ import annotations

import functools
import types
import weakref
from collections.abc import Callable, Iterator
from typing import Any

from pymonik.content import IMMEDIATE, Content, freeze_buffer
from pymonik.errors import CaptureError
from pymonik.settings import MIB, settings

# Immediates that are never large; strings and bytes may be.
SMALL = frozenset({int, float, bool, type(None), complex, type(Ellipsis)})
# Longer strings are contents, so that equal ones are stored and sent once.
LONG = 4096
_PART = 1024
# Stands for a global that is not there yet.
_MISSING: Any = object()


class Interner:
    """Keeps equal contents one: a large object met again is compared, not copied."""

    def __init__(self) -> None:
        self._known: weakref.WeakValueDictionary[Any, Content] = weakref.WeakValueDictionary()
        # Frozen copies of large objects live as long as the objects themselves.
        self._large: dict[int, tuple[weakref.ref[Any], Content]] = {}
        self.new_bytes = 0

    def freeze(self, obj: Any, name: str) -> tuple[Content, list[Any]]:
        """Freeze an object; give its content and the handles and files inside, in slot order."""
        from pymonik import pickling

        try:
            data, raw, lazies = pickling.freeze(obj, files=True)
        except Exception as error:
            place = pickling.explain(obj, name)
            raise CaptureError(
                f"{place} cannot be pickled: {error}. Pass what it is made of, "
                "or make it inside the task."
            ) from error
        remembered = self._large.get(id(obj))
        if remembered is not None and remembered[1].equals(data, raw):
            return remembered[1], lazies
        content = self._intern(data, raw)
        if content.size >= MIB:
            self._remember(obj, content)
        return content, lazies

    def _intern(self, data: bytes, raw: list[memoryview]) -> Content:
        key = (data, *[(view.nbytes, _sample(view)) for view in raw])
        known = self._known.get(key)
        if known is not None and known.equals(data, raw):
            return known
        content = Content(data, [freeze_buffer(view) for view in raw])
        self._known[key] = content
        self.new_bytes += content.size
        return content

    def _remember(self, obj: Any, content: Content) -> None:
        number = id(obj)
        try:
            ref = weakref.ref(obj, lambda _: self._large.pop(number, None))
        except TypeError:  # lists and dicts have no weak references
            return
        self._large[number] = (ref, content)


def _sample(view: memoryview) -> int:
    """Give what tells most buffers of one size apart at no cost: a hash of three parts of it."""
    middle, end = view.nbytes // 2, view.nbytes - _PART
    if end <= 2 * _PART:
        return hash(bytes(view))
    starts = (0, middle, end)
    return hash(b"".join(view[start : start + _PART] for start in starts))


def is_immediate_tuple(values: tuple[Any, ...]) -> bool:
    return len(values) <= 64 and all(
        type(value) in SMALL
        or (type(value) in IMMEDIATE and len(value) <= 64)
        or (type(value) is tuple and is_immediate_tuple(value))
        for value in values
    )


class Code:
    """A function as it was when captured: its content, handles inside, and what to watch.

    `watched` are the globals and closure cells it saw: `is_current` compares their identities, so
    that a rebound global is seen at the next call, at the price of a look-up each.
    """

    __slots__ = ("_cells", "_globals", "content", "delegates", "function", "lazies")

    def __init__(self, function: Callable[..., Any], content: Content, lazies: list[Any]) -> None:
        self.function = function
        self.content = content
        self.lazies = lazies
        self._globals: list[tuple[dict[str, Any], str, Any]] = []
        self._cells: list[tuple[Any, Any]] = []
        self.delegates = False
        for watched in reachable(function):
            self._watch(watched)

    @classmethod
    def of_content(cls, content: Content) -> Code:
        """Give the code of a function that was captured elsewhere."""
        code = cls.__new__(cls)
        code.function, code.content, code.lazies = content.load, content, []
        code._globals, code._cells, code.delegates = [], [], True
        return code

    def _watch(self, function: types.FunctionType) -> None:
        names = set(global_names(function.__code__))
        self.delegates = self.delegates or not names.isdisjoint(("invoke", "map_invoke"))
        space = function.__globals__
        self._globals += [(space, name, space.get(name, _MISSING)) for name in names]
        for cell in function.__closure__ or ():
            self._cells.append((cell, _cell_value(cell)))

    def is_current(self) -> bool:
        """Tell whether the function still sees the globals and cells it was captured with."""
        for space, name, value in self._globals:
            if space.get(name, _MISSING) is not value:
                return False
        for cell, value in self._cells:
            if _cell_value(cell) is not value:
                return False
        return True


def capture_function(function: Callable[..., Any], name: str, interner: Interner) -> Code:
    """Freeze a function with the globals and closure it needs."""
    content, lazies = interner.freeze(function, f"task {name!r}")
    limit = settings().capture_limit
    if content.size > limit:
        raise CaptureError(f"task {name!r} captures {content.size} bytes, more than {limit}")
    return Code(function, content, lazies)


def _cell_value(cell: Any) -> Any:
    try:
        return cell.cell_contents
    except ValueError:  # an empty cell
        return _cell_value


def global_names(code: types.CodeType) -> Iterator[str]:
    yield from code.co_names
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            yield from global_names(constant)


def reachable(function: Callable[..., Any]) -> list[types.FunctionType]:
    """List the functions that travel with a function by value, itself first."""
    from pymonik.pickling import is_local

    found: dict[int, types.FunctionType] = {}
    open_ones: list[Any] = [function]
    while open_ones:
        current = open_ones.pop()
        if isinstance(current, functools.partial):
            open_ones += [current.func, *current.args, *current.keywords.values()]
            continue
        current = getattr(current, "__pymonik_function__", current)
        current = getattr(current, "__func__", current)
        if not isinstance(current, types.FunctionType) or id(current) in found:
            continue
        module = current.__module__
        if current is not function and not (module in (None, "__main__") or is_local(module)):
            continue
        found[id(current)] = current
        names = set(global_names(current.__code__))
        open_ones += [current.__globals__[n] for n in names if n in current.__globals__]
        open_ones += [_cell_value(cell) for cell in current.__closure__ or ()]
        wrapped = getattr(current, "__wrapped__", None)
        open_ones += [wrapped] if wrapped is not None else []
    return list(found.values())
