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
from collections.abc import Iterator


def is_declared_optional(handle: object, frame: types.FrameType) -> bool:
    """Return whether a handle is in an attribute, of an object in a frame, that is declared so."""
    for holder in list(frame.f_locals.values()):
        try:
            held = object.__getattribute__(holder, "__dict__")  # no code of the user's runs
        except AttributeError:
            continue
        names = {name for name, value in list(held.items()) if value is handle}
        if names and any(n in names for cls in type(holder).__mro__ for n in _optional(cls)):
            return True
    return False


def _optional(cls: type) -> Iterator[str]:
    """Return the attributes that a class declares to hold a handle or None."""
    declared = [(name, str(hint)) for name, hint in vars(cls).get("__annotations__", {}).items()]
    try:
        tree = ast.parse(textwrap.dedent(inspect.getsource(cls)))
    except (OSError, TypeError, SyntaxError):  # none, or not to be read: what it holds must do
        tree = ast.Module([], [])
    for node in ast.walk(tree):
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Attribute):
            declared.append((node.target.attr, ast.unparse(node.annotation)))
    for name, hint in declared:
        if "ResultHandle" in hint and ("None" in hint or "Optional" in hint):
            yield name
