"""What tasks log and print, handed on by the executor that runs them.

Enters: log records, and text written to the standard streams. Leaves: logs for `send`, with the
place of the call that they come from.
"""

from __future__ import annotations

import io
import logging
import sys
from collections.abc import Callable
from typing import Any

from pymonik.runtime.executor import state as running
from pymonik.wire.logs import PRINTED


def place() -> dict[str, Any]:
    """Return what tells where in the program a call stands: nothing where none runs."""
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
            text, trace = (
                _text(record.getMessage()).removeprefix(getattr(record, "pymonik_place", "")),
                _text(record.exc_text or ""),
            )
            plain = {_text(key): _plain(value) for key, value in fields.items()}
            name, level = _text(record.name), int.__int__(record.levelno)
        except Exception:  # a record that cannot be handed on must not fail the call that logged it
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
        # What has no end of line yet.
        self.text = ""
        self._place: dict[str, Any] = {}

    def write(self, text: str) -> int:
        """Take text; whole lines go on at once."""
        text = _text(text)
        current = place()
        # Half a line of another call: it is of that one, and ends here.
        if self.text and current != self._place:
            self.finish()
        self._place = current
        lines, newline, rest = (self.text + text).rpartition("\n")
        # Of a line that is written over and over, such as a bar of progress, the last state counts.
        self.text = rest[rest.rfind("\r", 0, -1) + 1 :] if "\r" in rest else rest
        if newline:
            self._send(lines)
        return len(text)

    def finish(self) -> None:
        """Hand on what has no end of line yet: no more of it will come."""
        if self.text:
            text, self.text = self.text, ""
            self._send(text)

    def _send(self, text: str) -> None:
        self._forward("log", self._name, logging.INFO, text, self._place, "")

    def close(self) -> None:
        """Hand on what there is: the next call prints, too."""
        self.finish()

    def fileno(self) -> int:
        """Return the descriptor of the stream itself."""
        return int(self._original.fileno())

    @property
    def buffer(self) -> Any:
        """The stream of bytes itself."""
        return self._original.buffer

    def reconfigure(self, **_: Any) -> None:
        """Change nothing: lines go on at once, and as text, in any case."""

    def writable(self) -> bool:
        """Return that it can be written to."""
        return True


def use_level(level: int) -> None:
    """Log from a level on; what is logged by `ctx.logger` goes whatever its level."""
    logging.getLogger().setLevel(level)
    _LEVELS.pop("", None)
    logging.getLogger("pymonik.task").setLevel(logging.DEBUG)


# Loggers that have a level because those of the program have: by their names.
_LEVELS: dict[str, int] = {}


def use_levels(levels: tuple[tuple[str, int], ...]) -> bool:
    """Log as the program does, "" being the root; return whether that changes anything."""
    wanted = dict(levels)
    if wanted == _LEVELS:
        return False
    for name in _LEVELS.keys() - wanted.keys():
        logging.getLogger(name).setLevel(logging.NOTSET)
    for name, level in wanted.items():
        logging.getLogger(name or None).setLevel(level)
    _LEVELS.clear()
    _LEVELS.update(wanted)
    return True


def forward(send: Callable[..., None]) -> tuple[Callable[[], None], Callable[[], None]]:
    """Let all that this process logs or prints go to `send`.

    Return what is to be called when a
    unit has ended, since half a line is a whole one then, and what undoes all of it in a fork.
    """
    root, handler = logging.getLogger(), Forward(send)
    root.addHandler(handler)
    out = sys.stdout = Printed("stdout", sys.stdout, send)
    err = sys.stderr = Printed("stderr", sys.stderr, send)

    def finish() -> None:
        for stream in (out, err):
            if stream.text:
                stream.finish()

    def fall_back() -> None:
        sys.stdout, sys.stderr = sys.__stdout__, sys.__stderr__
        root.removeHandler(handler)

    return finish, fall_back
