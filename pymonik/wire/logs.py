"""What tasks log and print, as it crosses borders, and as it arrives.

A log travels as (logger, level, text, fields, traceback). Enters, in a host or a client: such a
log. Leaves: the same on a logger of the same name, with the task, element and attempt it is of.
Text that no logger there shows is written to the standard streams of that process instead: it is
shown once.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Mapping
from typing import Any

from pymonik.system.safe_logging import safely
from pymonik.system.source_lines import with_source_lines

# What tasks print comes as records of these loggers.
PRINTED = {"stdout": "pymonik.print.stdout", "stderr": "pymonik.print.stderr"}

Log = tuple[str, int, str, dict[str, Any], str]


def relay(name: str, level: int, text: str, fields: dict[str, Any], trace: str) -> None:
    """Log here what was logged there; write here what was printed there.

    A handler that raises, or a stream that is closed, is no trouble of the tasks: it is logged
    once.
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
    where = (name, level, "", 0, "%s%s", (place_prefix(fields), text), None, None, extra)
    record = target.makeRecord(*where)
    record.exc_text = with_source_lines(trace) or None
    target.handle(record)


def place_prefix(fields: Mapping[str, Any]) -> str:
    """Return what stands before a text to say which call it is of: "task[element]: "."""
    if not fields.get("task"):
        return ""
    element, attempt = fields.get("element"), fields.get("attempt", 1)
    place = f"[{element}]" if element is not None else ""
    tries = f" (attempt {attempt})" if attempt != 1 else ""
    return f"{fields['task']}{place}{tries}: "
