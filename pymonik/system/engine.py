"""What runs calls in this process, for those below it who have to ask it.

Enters: the hooks of an engine that starts here. Leaves: them, for `get_context()` and for files
that are put in place while arguments are loaded. Executors load this first: it imports nothing.
"""

from __future__ import annotations

from typing import Any


class _Engine:
    """The hooks of the engine whose calls this process runs."""

    __slots__ = ("context", "install")

    def __init__(self) -> None:
        # Returns the context of the call that runs, None between calls.
        self.context: Any = lambda: None
        # Puts a file or folder in place for the call that runs, given it and its bytes; returns
        # where it lies. Raises MaterializeError.
        self.install: Any = None


ENGINE = _Engine()
