"""Source lines for tracebacks of calls that ran where the user's files are not.

Enters: the files of functions as they are captured, and the text of a traceback from elsewhere.
Leaves: that text with a source line below each frame of those files. Lines stay here, and are not
sent along: they are shown only where the call was made, and what travels keeps its digest.
"""

from __future__ import annotations

import linecache
import os
import re
import sys
from typing import Any

from pymonik.system.waits import yielding_lock

# What has no file: these names are given to any program, and to code that others generate, too.
_NAMELESS = frozenset({"<string>", "<stdin>", "<unknown>", "?"})
# A frame as `traceback` writes it, in a group behind bars, or as `faulthandler` does.
_FRAME = r'(?P<lead>[ |]*) {2}File "(?P<file>[^"\n]+)", line (?P<line>\d{1,9}),? in .+'

# By file: when it was changed, and its lines. A script may be moved away while its calls run.
_LINES: dict[str, tuple[int | None, list[str]]] = {}
# Guards `linecache`, which is not made for several threads. Taken again by a loader of the user's,
# or a finalizer, that has a function captured amid that.
_lock = yielding_lock()


def note_source(file: str, scope: dict[str, Any] | None = None) -> None:
    """Keep the lines of a file that captured code is from; read again when it has changed.

    scope: globals of that code, whose loader may know what no file has.
    """
    if file in _NAMELESS:
        return
    try:
        stamp: int | None = os.stat(file).st_mtime_ns
    except (OSError, ValueError):  # not there, or no name of a file
        stamp = None
    cached = _LINES.get(file)
    if cached is not None and stamp in (cached[0], None):
        return
    with _lock:
        linecache.checkcache(file)
        lines = linecache.getlines(file, scope)
    if lines:
        _LINES[file] = stamp, lines


def note_text(file: str, text: str) -> None:
    """Keep the lines of a file whose text is known."""
    if file:
        _LINES[file] = None, text.split("\n")


def with_source_lines(trace: str) -> str:
    """Return a traceback with the source line of each frame of the user's, as far as known.

    Where captured code came from is known here for certain: a file of the same name elsewhere is
    another one. Of other modules of this program only what is missing is filled in. No other file
    is read, whatever the text names.
    """
    lines = trace.split("\n")
    result: list[str] = []
    at = 0
    while at < len(lines):
        result.append(lines[at])
        frame = re.fullmatch(_FRAME, lines[at])
        at += 1
        if frame is None:
            continue
        below = at
        while below < len(lines) and lines[below].startswith(frame["lead"] + "    "):
            below += 1
        shown = lines[at:below]
        source = _line_of(frame["file"], int(frame["line"]), is_shown=bool(shown))
        indent = frame["lead"] + "    "
        if source and not (shown and shown[0][len(indent) :].strip() == source):
            shown = [indent + source]
        result += shown
        at = below
    return "\n".join(result)


def _line_of(file: str, number: int, is_shown: bool) -> str:
    """Return a line of a file of the user's, "" when it is not known, or somebody else's."""
    cached = _LINES.get(file)
    if cached is None and not is_shown and file in _loaded_files():
        note_source(file)
        cached = _LINES.get(file)
    lines = cached[1] if cached is not None else []
    return lines[number - 1].strip() if 0 < number <= len(lines) else ""


def _loaded_files() -> set[str]:
    """Return the files of all modules that are loaded here."""
    files = (getattr(module, "__file__", None) for module in list(sys.modules.values()))
    return {file for file in files if isinstance(file, str)}
