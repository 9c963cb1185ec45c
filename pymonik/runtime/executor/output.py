"""Where a process writes and logs to: kept from one call to the next.

A task may replace `sys.stdout`, or configure logging, as it would in a process of its own. The call
behind it is to be heard all the same: what decided where text goes is put back after each call.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable


class Output:
    """Standard streams, root logger, levels and disabled loggers as they are when it is made."""

    def __init__(self) -> None:
        self._out, self._err = sys.stdout, sys.stderr
        self._root = root = logging.getLogger()
        self._handlers, self._filters = list(root.handlers), list(root.filters)
        self._level, self._disable = root.level, root.manager.disable
        self._disabled = {name for name, logger in _loggers() if logger.disabled}
        # `dictConfig` and `fileConfig` disable all loggers that they do not know: one tells.
        self._tasks = logging.getLogger("pymonik.task")
        self._tasks_level = self._tasks.level

    def watch(self) -> Callable[[], bool]:
        """Return what tells whether a call has changed any of it: asked after each call.

        In one function, of its own variables, as it takes as long as all else around a small call.
        """
        out, err, root, handlers = self._out, self._err, self._root, self._handlers
        level, tasks, tasks_level = self._level, self._tasks, self._tasks_level
        # What the property `disable` shows, without the call.
        manager, disable = vars(root.manager), vars(root.manager).get("_disable")

        def is_changed() -> bool:
            return (
                sys.stdout is not out
                or sys.stderr is not err
                or root.handlers != handlers
                or root.level != level
                or tasks.level != tasks_level
                or tasks.disabled
                or manager.get("_disable") != disable
            )

        return is_changed

    def put_back(self) -> None:
        """Make it what it was."""
        sys.stdout, sys.stderr = self._out, self._err
        self._root.handlers[:] = self._handlers
        self._root.filters[:] = self._filters
        self._root.setLevel(self._level)
        self._tasks.setLevel(self._tasks_level)
        logging.disable(self._disable)
        for name, logger in _loggers():
            if logger.disabled and name not in self._disabled:
                logger.disabled = False


def _loggers() -> list[tuple[str, logging.Logger]]:
    loggers = logging.getLogger().manager.loggerDict
    return [(name, one) for name, one in list(loggers.items()) if isinstance(one, logging.Logger)]
