"""The logger of a task, whose methods take further keywords.

Enters: a message, and keywords that logging does not know. Leaves: a record that has them apart.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

from pymonik.system.safe_logging import LoggerAdapter
from pymonik.wire.logs import place_prefix


class TaskLogger(LoggerAdapter):
    """A logger whose methods take further keywords: `ctx.logger.info("read", rows=12)`.

    The keywords are kept apart in the record (`record.pymonik`) and shown behind the message.

    >>> logger = TaskLogger(logging.Logger("prices"), {})
    >>> logger.logger.addHandler(logging.StreamHandler(sys.stdout))
    >>> logger.info("read %s", "prices.csv", rows=12)
    read prices.csv rows=12
    """

    _KNOWN = frozenset({"exc_info", "stack_info", "stacklevel", "extra"})

    def __init__(self, logger: logging.Logger, fields: Mapping[str, Any]) -> None:
        super().__init__(logger, dict(fields))

    # The level is taken by position alone: it may be the name of a keyword, too.
    def log(  # type: ignore[override]
        self, level: int, msg: object, /, *args: object, **kwargs: Any
    ) -> None:
        """Log a message; keywords that logging does not know are kept apart and shown behind."""
        if not self.isEnabledFor(level):
            return
        given = {key: kwargs.pop(key) for key in list(kwargs) if key not in self._KNOWN}
        fields = {**(self.extra or {}), **given}
        shown = "".join(f" {key}={value!r}" for key, value in given.items())
        # The message is formatted only when there are arguments: then ours must survive it.
        text = f"{msg}{shown.replace('%', '%%') if args else shown}"
        before = place_prefix(fields)
        whole = f"{before.replace('%', '%%') if args else before}{text}"
        # Who hands the record on puts the place before the text itself.
        unplaced = {"pymonik": fields, "pymonik_place": before}
        kwargs["extra"] = {**(kwargs.get("extra") or {}), **unplaced}
        kwargs.setdefault("stacklevel", 2)
        self.logger.log(level, whole, *args, **kwargs)
