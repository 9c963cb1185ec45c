"""What there is to know of one value: whether it is named or written, and what has no text.

Enters: values. Leaves: answers for `canonical_text`, which writes them.
"""

from __future__ import annotations

import pickle
import sys
import types
from typing import Any

from pymonik.capture.code_text import hashed
from pymonik.system.attributes import role_of

# Types whose values have a text of their own, equal in every run.
PLAIN = {type(None), bool, int, float, complex, str, bytes, type(Ellipsis), type(NotImplemented)}


def is_unnamed(value: Any) -> bool:
    """Return whether a value is a function of the user, whose name is the user's own business."""
    role = role_of(type(value))
    function = value.func if role == "task" else value
    return type(function) is types.FunctionType and not is_importable(function, types.FunctionType)


def bytes_of(value: Any) -> Any:
    """Return the bytes of a buffer, without a copy where it is one that pickle made."""
    return value.raw() if isinstance(value, pickle.PickleBuffer) else bytes(value)


def is_importable(value: Any, kind: Any) -> bool:
    """Return whether a function or class is named only: one that a worker imports as well."""
    is_class = issubclass(kind, type)
    if not is_class and kind not in (types.FunctionType, types.BuiltinFunctionType):
        return False
    module = value.__module__
    if not isinstance(module, str) or module == "__main__" or module not in sys.modules:
        return False
    from pymonik.capture.local_modules import is_local

    current: Any = sys.modules[module]
    try:
        for part in value.__qualname__.split("."):
            current = getattr(current, part)
    except Exception:  # a module that imports parts of itself when asked
        return False
    return current is value and not is_local(module)


def package_of(module: str) -> str | None:
    """Return the package that a module comes with, if one is installed: it may look at anything."""
    top = module.partition(".")[0]
    if not top or top in sys.stdlib_module_names or top in ("__main__", "pymonik"):
        return None
    from pymonik.capture.local_modules import lies_here, spec_of

    return None if lies_here(top, spec_of(top), sys.modules.get(top)) else top


def plain_items(values: Any) -> str | None:
    """Write many numbers and texts in one; None where there is anything else."""
    if not PLAIN.issuperset(map(type, values)):
        return None
    try:
        return repr(values)
    except ValueError:  # an int of too many digits
        return None


def pickled(value: Any) -> str:
    """Write what has no better text by its pickle; what has none is known by its type."""
    from pymonik.capture.freeze import freeze

    try:
        data, buffers, _ = freeze(value)
    except Exception:  # whatever a reducer of the user raises
        return type(value).__qualname__
    return f"{type(value).__qualname__} {hashed(data)} {[hashed(view) for view in buffers]}"
