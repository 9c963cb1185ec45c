"""Names that are looked for in a module when the first of them is used, and then stay.

For what calls need, and what only defines them does not: a program that has opened a block has an
executor start while the rest is loaded. The type checker sees a plain import.
"""

from __future__ import annotations

import importlib
from typing import Any

from pymonik.system.deferred_signals import Loading


class LateModule:
    """Stands for a module until one of its names is asked for; has each of them from then on."""

    def __init__(self, name: str) -> None:
        self.__name = name

    def __getattr__(self, name: str) -> Any:
        with Loading():
            module = importlib.import_module(self.__name)
        value = getattr(module, name)
        setattr(self, name, value)
        return value
