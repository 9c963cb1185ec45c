"""Whether a class or function goes by value, or by its name: where a worker can import it.

Enters: classes, functions and modules. Leaves: answers for the pickler and what it works with.
"""

from __future__ import annotations

import importlib
import sys
import types
from typing import Any

import cloudpickle

from pymonik.capture.definitions.record import record_of
from pymonik.capture.local_modules import is_local

_MADE_IN_C = 1 << 8  # Py_TPFLAGS_IMMUTABLETYPE
_IS_FOUND = cloudpickle.cloudpickle._should_pickle_by_reference


def is_by_value_from(module: str | None) -> bool:
    """Return whether no worker can import a module, so that what it defines goes by value."""
    if module is None or module == "__main__" or is_local(module):
        return True
    loaded = sys.modules.get(module)
    return loaded is not None and is_made(loaded)


def is_by_value(thing: Any) -> bool:
    """Return whether a class or function goes by value."""
    module = thing.__module__
    if module == "builtins" or (isinstance(thing, type) and thing.__flags__ & _MADE_IN_C):
        return False
    return is_by_value_from(module) or record_of(thing) is not None or not _is_found(thing)


def is_importable(thing: Any) -> bool:
    """Return whether a worker finds a class or function under its name."""
    return not is_by_value_from(thing.__module__) and _is_found(thing)


def _is_found(thing: Any) -> bool:
    """Return whether a class or function is what its name says, in a module that is installed."""
    if _IS_FOUND(thing):
        return True
    # Of a package that is here, one may not be imported yet: `numpy.recarray` says `numpy.rec`.
    # `pickle` imports it.
    top, _, below = thing.__module__.partition(".")
    if not below or thing.__module__ in sys.modules or top not in sys.modules:
        return False
    try:
        importlib.import_module(thing.__module__)
    except Exception:  # whatever modules of others do when they are imported
        return False
    return bool(_IS_FOUND(thing))


def is_made(module: types.ModuleType) -> bool:
    """Return whether a module was made by the program, and can be imported nowhere else."""
    if getattr(module, "__spec__", None) is not None or hasattr(module, "__file__"):
        return False
    # One with a dot is made by the package that it is in, wherever that is imported; Cython has
    # modules of its own, for types that what it compiles shares.
    name = module.__name__
    return name != "__main__" and "." not in name and not name.startswith(("_cython", "cython_"))
