"""The blocks of a client: `with` statements that are open, in whichever threads.

Enters: blocks that begin and end. Leaves: which recorder is current in a block, and whether the
last one has ended.
"""

from __future__ import annotations

import contextlib
import threading
from contextvars import Token
from typing import Any

from pymonik.record.current import CURRENT
from pymonik.system.waits import yielding_lock


class Blocks:
    """The open blocks of one client."""

    def __init__(self) -> None:
        self._open = 0
        # Guards the count alone: a flush may hold its lock for long. Taken again by a finalizer.
        self._counting = yielding_lock()
        # Several threads may enter one client: each leaves the context it came from.
        self._tokens = threading.local()

    def enter(self, scope: Any) -> None:
        """Begin a block, in which a scope is the current one."""
        with self._counting:
            self._open += 1
        tokens: list[Token[Any]] = vars(self._tokens).setdefault("stack", [])
        tokens.append(CURRENT.set(scope))

    def leave(self) -> bool:
        """End a block; return whether it was the last one."""
        tokens = vars(self._tokens).get("stack", [])
        # A block may end in another thread or context than it began in, as fixtures and cells of
        # notebooks do: what was current there cannot be set back from here. Of coroutines, which
        # share a thread, each has a context of its own.
        for token in reversed(tokens):
            with contextlib.suppress(ValueError):
                CURRENT.reset(token)
                tokens.remove(token)
                break
        with self._counting:
            self._open = max(self._open - 1, 0)
            return not self._open
