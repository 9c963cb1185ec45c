"""Loggers and calls of user code for threads of ours: whatever user code raises there ends none.

A handler, a filter, a replaced stream may raise anything, `SystemExit` too. In a thread on which
others wait that would be the end of them all. What cannot be handed on is written once, to stderr.
"""

from __future__ import annotations

import contextlib
import logging
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    LoggerAdapter = logging.LoggerAdapter[logging.Logger]
else:  # it takes a parameter since Python 3.11 only
    LoggerAdapter = logging.LoggerAdapter

# What was written already: by what could not be handed on, and the error.
_REPORTED: set[tuple[str, str]] = set()


class SafeLogger(LoggerAdapter):
    """Logs, or says once on stderr that it cannot."""

    def log(self, level: int, msg: object, *args: Any, **kwargs: Any) -> None:
        """Log a message."""
        if self.logger.isEnabledFor(level):
            # Behind `safely`, and this: the line is of who logs.
            kwargs.setdefault("stacklevel", 3)
            safely(f"what {self.logger.name!r} logs", super().log, level, msg, *args, **kwargs)


def safe_logger(name: str) -> SafeLogger:
    """Return the logger of a name, for threads of ours."""
    return SafeLogger(logging.getLogger(name), {})


def safely(what: str, call: Callable[..., object], *args: Any, **kwargs: Any) -> None:
    """Call what may run code of the user; write what it raises to stderr, once."""
    try:
        call(*args, **kwargs)
    except BaseException as error:  # SystemExit would end the thread, and say nothing
        with contextlib.suppress(BaseException):
            key = what, repr(error)
            if key not in _REPORTED and sys.stderr is not None:
                _REPORTED.add(key)
                sys.stderr.write(f"{what} could not be logged: {error!r}\n")
