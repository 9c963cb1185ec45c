"""What tasks log and print, on its way to their author.

Enters, in an executor: log records, and text written to the standard streams. Leaves, in its host:
the same on loggers of the same names, with the task, element and attempt they come from. Text that
no logger there shows is written to the standard streams of that process instead: it is shown once.

A log travels as (logger, level, text, fields, traceback). In a worker of a cluster the loggers
write one line of JSON each (CLEF, https://clef-json.org), and `Collector` keeps what the client
asked for.
"""

from __future__ import annotations

import io
import logging
import sys
import time
from collections.abc import Callable
from typing import Any

from pymonik.runtime.executor import state as running
from pymonik.system.safe_logging import safely

# What tasks print comes as records of these loggers.
PRINTED = {"stdout": "pymonik.print.stdout", "stderr": "pymonik.print.stderr"}

Log = tuple[str, int, str, dict[str, Any], str]


def place() -> dict[str, Any]:
    """Give what tells where in the program a call stands: nothing where none runs."""
    state = running.STATE
    if state.step is None:
        return {}
    return {"task": state.step.name, "element": state.element, "attempt": state.attempt}


class Forward(logging.Handler):
    """Hands log records of an executor on."""

    def __init__(self, send: Callable[..., None]) -> None:
        super().__init__()
        self._forward = send

    def emit(self, record: logging.LogRecord) -> None:
        """Hand one record on; fields go as text where they are not plain."""
        try:
            fields = {**place(), **getattr(record, "pymonik", {})}
            if record.exc_info and not record.exc_text:
                record.exc_text = _FORMATTER.formatException(record.exc_info)
            text, trace = _text(record.getMessage()), _text(record.exc_text or "")
            plain = {_text(key): _plain(value) for key, value in fields.items()}
            name, level = _text(record.name), int.__int__(record.levelno)
        except Exception:  # a record that cannot be told must not fail the call that logged it
            self.handleError(record)
            return
        self._forward("log", name, level, text, plain, trace)


_FORMATTER = logging.Formatter()


def _plain(value: Any) -> Any:
    """Return what loads anywhere: of an instance of a subclass, the number or text that it is."""
    for kind, plain in _PLAIN.items():
        if isinstance(value, kind):
            return value if type(value) in _PLAIN else plain(value)
    return None if value is None else _text(repr(value))


def _text(text: Any) -> str:
    return text if type(text) is str else str.__str__(text)


_PLAIN: dict[type, Callable[[Any], Any]] = {
    bool: bool,
    int: int.__int__,
    float: float.__float__,
    str: _text,
}


class Printed(io.TextIOBase):
    """Stands for a standard stream in an executor: hands text on, by whole lines.

    What is written to the descriptor, by programs that a task starts, goes where it always went.
    """

    encoding = "utf-8"
    errors = "replace"

    def __init__(self, stream: str, original: Any, send: Callable[..., None]) -> None:
        super().__init__()
        self._name = PRINTED[stream]
        self._original = original
        self._forward = send
        self._text = ""
        self._place: dict[str, Any] = {}

    def write(self, text: str) -> int:
        """Take text; whole lines go on at once."""
        text = _text(text)
        here = place()
        if self._text and here != self._place:
            self.finish()
        self._place = here
        lines, newline, rest = (self._text + text).rpartition("\n")
        # Of a line that is written over and over, such as a bar of progress, the last state counts.
        self._text = rest[rest.rfind("\r", 0, -1) + 1 :] if "\r" in rest else rest
        if newline:
            self._send(lines)
        return len(text)

    def finish(self) -> None:
        """Hand on what has no end of line yet: no more of it will come."""
        if self._text:
            text, self._text = self._text, ""
            self._send(text)

    def _send(self, text: str) -> None:
        self._forward("log", self._name, logging.INFO, text, self._place, "")

    def fileno(self) -> int:
        """Give the descriptor of the stream itself."""
        return self._original.fileno()  # type: ignore[no-any-return]

    @property
    def buffer(self) -> Any:
        """The stream of bytes itself."""
        return self._original.buffer

    def reconfigure(self, **_: Any) -> None:
        """Lines go on at once, and as text, in any case."""

    def writable(self) -> bool:
        """Tell that it can be written to."""
        return True


def forward(send: Callable[..., None], level: int) -> tuple[Callable[[], None], Callable[[], None]]:
    """Let all that this process logs from a level on, or prints, go to `send`.

    What is logged by `ctx.logger` goes whatever its level. Return what is to be called when a
    unit has ended, since half a line is a whole one then, and what undoes all of it in a fork.
    """
    root, handler = logging.getLogger(), Forward(send)
    root.addHandler(handler)
    logging.getLogger().setLevel(level)
    logging.getLogger("pymonik.task").setLevel(logging.DEBUG)
    out = sys.stdout = Printed("stdout", sys.stdout, send)
    err = sys.stderr = Printed("stderr", sys.stderr, send)

    def finish() -> None:
        out.finish()
        err.finish()

    def fall_back() -> None:
        sys.stdout, sys.stderr = sys.__stdout__, sys.__stderr__
        root.removeHandler(handler)

    return finish, fall_back


def relay(name: str, level: int, text: str, fields: dict[str, Any], trace: str) -> None:
    """Log here what was logged there; write here what was printed there.

    A handler that raises, or a stream that is closed, is no trouble of the tasks: it is told once.
    """
    safely(f"what tasks log as {name!r}", _relay, name, level, text, fields, trace)


def _relay(name: str, level: int, text: str, fields: dict[str, Any], trace: str) -> None:
    target = logging.getLogger(name)
    if not target.isEnabledFor(level) or not target.hasHandlers():
        if name in PRINTED.values():
            stream = sys.stderr if name == PRINTED["stderr"] else sys.stdout
            if stream is not None:
                stream.write(text + "\n")
            return
        if not target.isEnabledFor(level):
            return
    extra = {"pymonik": fields, "pymonik_text": text}
    where = (name, level, "", 0, "%s%s", (_prefix(fields), text), None, None, extra)
    record = target.makeRecord(*where)
    record.exc_text = trace or None
    target.handle(record)


def _prefix(fields: dict[str, Any]) -> str:
    if "task" not in fields:
        return ""
    element, attempt = fields.get("element"), fields.get("attempt", 1)
    place = f"[{element}]" if element is not None else ""
    again = f" (attempt {attempt})" if attempt != 1 else ""
    return f"{fields['task']}{place}{again}: "


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
            line["@" + key if key.startswith("@") else key] = value
        import json  # workers write JSON, executors do not

        return json.dumps(line, default=repr)


class Collector(logging.Handler):
    """Keeps what a task logs and prints, for its client: not more than `limit` characters of it.

    line: of one message, one keyword or one traceback it keeps as many.
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
        more = len(text) - self._line
        if more <= 0:
            return text
        half = self._line // 2
        note = f"… {more} more characters are in the worker's own log …"
        return f"{text[:half]}{note}{text[-half:]}"

    def take(self) -> list[Log]:
        """Give what was kept since the last time."""
        logs, self._logs = self._logs, []
        if self._dropped:
            text = f"{self._dropped} more lines are in the worker's own log: too many to send back"
            logs.append(("pymonik.task", logging.WARNING, text, {}, ""))
        self._room, self._dropped = self._limit, 0
        return logs


# Of a worker, which runs one task at a time.
COLLECTOR = Collector()
