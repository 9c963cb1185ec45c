"""What tasks of a worker log: lines of its own log, and copies for clients that want them.

Enters: records that a host has relayed. Leaves: one line of JSON each (CLEF, https://clef-json.org),
and what `Collector` has kept for the client.
"""

from __future__ import annotations

import logging
import time
from typing import Any

from pymonik.wire.logs import Log


class Clef(logging.Formatter):
    """One JSON object a line, as ArmoniK's log collectors read it."""

    def format(self, record: logging.LogRecord) -> str:
        """Write a record, its fields beside it."""
        moment = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created))
        line: dict[str, Any] = {
            "@t": f"{moment}.{int(record.msecs):03d}Z",
            "@l": record.levelname.capitalize(),
            "@m": getattr(record, "pymonik_text", None) or record.getMessage(),
        }
        if record.exc_info and not record.exc_text:
            record.exc_text = self.formatException(record.exc_info)
        if record.exc_text:
            line["@x"] = record.exc_text
        line["logger"] = record.name
        for key, value in getattr(record, "pymonik", {}).items():
            # Beside our own fields; JSON knows no NaN and no infinity.
            plain = repr(value) if isinstance(value, float) and value - value != 0 else value
            line["@" + key if key.startswith("@") or key in line else key] = plain
        import json  # workers write JSON, executors do not

        return json.dumps(line, default=repr)


class Collector(logging.Handler):
    """Keeps what a task logs and prints, for its client: not more than `limit` characters of it.

    line: of one message, one keyword or one traceback it keeps as many. By default 64 KiB, which is
    what a pack may hold of a value, too, and 4 KiB, which is a long traceback.
    """

    def __init__(self, limit: int = 64 << 10, line: int = 4 << 10) -> None:
        super().__init__()
        self._limit = limit
        self._line = line
        self._logs: list[Log] = []
        self._room = limit
        self._dropped = 0

    def emit(self, record: logging.LogRecord) -> None:
        """Keep a record that was relayed."""
        text = getattr(record, "pymonik_text", None)
        if text is None:  # of the worker itself
            return
        text = self._cut(text)
        given = getattr(record, "pymonik", {}).items()
        fields = {key: self._cut(v) if isinstance(v, str) else v for key, v in given}
        trace = self._cut(record.exc_text or "")
        size = len(text) + len(trace) + sum(len(str(value)) for value in fields.values())
        if size > self._room:
            self._dropped += 1
            return
        self._room -= size
        self._logs.append((record.name, record.levelno, text, fields, trace))

    def _cut(self, text: str) -> str:
        """Take the middle out of a long text: the end of a traceback tells most."""
        excess = len(text) - self._line
        if excess <= 0:
            return text
        half = self._line // 2
        note = f"… {excess} more characters are in the worker's own log …"
        return f"{text[:half]}{note}{text[-half:]}"

    def take(self) -> list[Log]:
        """Return what was kept since the last time."""
        logs, self._logs = self._logs, []
        if self._dropped:
            text = f"{self._dropped} more lines are in the worker's own log: too many to send back"
            logs.append(("pymonik.task", logging.WARNING, text, {}, ""))
        self._room, self._dropped = self._limit, 0
        return logs


# Of a worker, which runs one task at a time.
COLLECTOR = Collector()
