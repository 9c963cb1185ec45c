"""Whether `if handle:` asks for the handle, and not for its value.

Programs of 0.2.5 test attributes that way which they declare as `ResultHandle | None`. Enters: a
handle, and the frame of who tests it. Leaves: yes, where the class of an object there declares so,
in its body or in a method; any other test is taken for the mistake that it mostly is, and refused.
"""

from __future__ import annotations

import ast
import inspect
import textwrap
import types
import weakref
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

# How many attributes may lie between a variable and the object: `if self.graph.node.next`.
_BETWEEN = 2


def is_declared_optional(handle: object, frame: types.FrameType) -> bool:
    """Return whether a handle is in an attribute, of an object in a frame, that is declared so."""
    return any(_holds(holder, handle) for holder in _objects_of(frame))


def _objects_of(frame: types.FrameType) -> Iterator[Any]:
    """Return what local variables hold, the globals that the code names, and what is in these."""
    names = frame.f_code.co_names
    objects = [*frame.f_locals.values(), *_named(frame.f_globals, names)]
    yield from objects
    for _ in range(_BETWEEN):
        objects = [inner for one in objects for inner in _named(_attributes(one), names)]
        yield from objects


def _named(space: Mapping[str, Any], names: Iterable[str]) -> list[Any]:
    return [space[name] for name in names if name in space]


def _attributes(holder: Any) -> Mapping[str, Any]:
    try:
        held: Mapping[str, Any] = object.__getattribute__(holder, "__dict__")  # runs no other code
    except AttributeError:
        return {}
    return held


def _holds(holder: Any, handle: object) -> bool:
    names = {name for name, value in list(_attributes(holder).items()) if value is handle}
    if not names:
        return False
    classes = type(holder).__mro__
    # The bodies first: for what methods declare, a file has to be read.
    return any(not names.isdisjoint(_declared_in_body(cls)) for cls in classes) or any(
        not names.isdisjoint(_declared_in_methods(cls)) for cls in classes
    )


def _declared_in_body(cls: type) -> Iterator[str]:
    hints = vars(cls).get("__annotations__", {})
    return (name for name, hint in hints.items() if _is_optional(str(hint)))


# What methods of classes declare, by the ids of these: a class may have no hash.
_IN_METHODS: dict[int, tuple[weakref.ref[type], frozenset[str]]] = {}


def _declared_in_methods(cls: type) -> frozenset[str]:
    number = id(cls)
    if number not in _IN_METHODS:
        gone = weakref.ref(cls, lambda _: _IN_METHODS.pop(number, None))
        _IN_METHODS[number] = gone, frozenset(_read(cls))
    return _IN_METHODS[number][1]


def _read(cls: type) -> Iterator[str]:
    """Return the attributes that a class declares to hold a handle or None, in its text."""
    try:
        tree = ast.parse(textwrap.dedent(inspect.getsource(cls)))
    except (OSError, TypeError, SyntaxError):  # none, or not to be read: what it holds must do
        return
    for node in ast.walk(tree):
        if not isinstance(node, ast.AnnAssign) or not isinstance(node.target, ast.Attribute):
            continue
        if _is_optional(ast.unparse(node.annotation)):
            yield node.target.attr


def _is_optional(hint: str) -> bool:
    return "ResultHandle" in hint and ("None" in hint or "Optional" in hint)
