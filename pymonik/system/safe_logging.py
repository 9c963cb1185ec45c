"""Loggers and calls of user code for threads of ours: whatever user code raises there ends none.

A handler, a filter, a replaced stream may raise anything, `SystemExit` too. In a thread on which
others wait that would be the end of them all. What cannot be handed on is told once, on stderr.
"""

from __future__ import annotations

import contextlib
import logging
import sys
from collections.abc import Callable
from typing import Any

# What was told already: by what could not be handed on, and the error.
_TOLD: set[tuple[str, str]] = set()


class SafeLogger(logging.LoggerAdapter):  # type: ignore[type-arg]  # generic since Python 3.11 only
    """Logs, or tells once on stderr that it cannot."""

    def log(self, level: int, msg: object, *args: Any, **kwargs: Any) -> None:
        """Log a message."""
        if self.logger.isEnabledFor(level):
            kwargs.setdefault("stacklevel", 3)
            safely(f"what {self.logger.name!r} logs", super().log, level, msg, *args, **kwargs)


def safe_logger(name: str) -> SafeLogger:
    """Return the logger of a name, for threads of ours."""
    return SafeLogger(logging.getLogger(name), {})


def safely(what: str, call: Callable[..., object], *args: Any, **kwargs: Any) -> None:
    """Call what may run code of the user; tell once of what it raises."""
    try:
        call(*args, **kwargs)
    except BaseException as error:  # SystemExit would end the thread, and say nothing
        with contextlib.suppress(BaseException):
            key = what, repr(error)
            if key not in _TOLD and sys.stderr is not None:
                _TOLD.add(key)
                sys.stderr.write(f"{what} could not be handed on: {error!r}\n")
