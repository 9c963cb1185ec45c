"""Types of `ctypes` that it makes of others, and that no module has: arrays, pointers, metaclasses.

Enters: such a type. Leaves: how `ctypes` gives it again, the same one for all. Structures that a
script defines are classes as others: see `class_parts`.
"""

from __future__ import annotations

import operator
from typing import Any

from pymonik._pickled import pickled


def reduce_c_type(cls: Any) -> Any:
    """Return how `ctypes` gives a type that no module has: of arrays, pointers, structures."""
    import ctypes

    array, pointer = ctypes.Array, ctypes._Pointer
    for base in (ctypes.Structure, ctypes.Union, array, pointer, ctypes._SimpleCData):
        if type(base) is cls:
            return type, (base,)
    inner = getattr(cls, "_type_", None)
    if issubclass(cls, array) and cls is not array and inner * cls._length_ is cls:
        return operator.mul, (inner, cls._length_)
    if issubclass(cls, pointer) and cls is not pointer and ctypes.POINTER(inner) is cls:
        return pointer_type, (inner,)
    for swapped, back in (("__ctype_be__", "__ctype_le__"), ("__ctype_le__", "__ctype_be__")):
        native = getattr(cls, back, cls)
        if native is not cls and getattr(ctypes, native.__name__, None) is native:
            return getattr, (native, swapped)
    return None


@pickled
def pointer_type(inner: Any) -> Any:
    """Return the type of pointers to another one."""
    import ctypes  # which forgets, when it is loaded, those that `_ctypes` has made before

    return ctypes.POINTER(inner)
