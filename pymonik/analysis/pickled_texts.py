"""The texts in a pickle, found without loading it: strings, and paths, which are pickled in parts.

Enters: the bytes of a pickle. Leaves: texts, a path as one.
"""

from __future__ import annotations

import os
import pickletools
from collections.abc import Iterator
from typing import Any

from pymonik.capture.definitions.namespaces import holds_code

# What stands for the class of a path among the values on the stack of the unpickler.
_PATH = object()
# Classes of `pathlib`: pickled, they are their parts, each a text.
_PATHS = ("PosixPath", "WindowsPath", "PurePosixPath", "PureWindowsPath")


def texts_in(data: bytes) -> Iterator[str]:
    """Return the texts in a pickle; none from where it is broken."""
    # Code that travels names the file that it was written in.
    has_code = holds_code(data)
    try:
        for text in _texts(data):
            if not (has_code and text.endswith(".py")):
                yield text
    except ValueError:
        return


def _texts(data: bytes) -> Iterator[str]:
    memo: dict[Any, Any] = {}
    last: Any = None
    names: list[str] = []
    # The parts of the path that is being read.
    parts: list[str] | None = None
    for operation, argument, _ in pickletools.genops(data):
        code = operation.name
        if code == "MEMOIZE":
            memo[len(memo)] = last
            continue
        if code in ("BINPUT", "LONG_BINPUT"):
            memo[argument] = last
            continue
        last = memo.get(argument) if code in ("BINGET", "LONG_BINGET") else argument
        if code == "STACK_GLOBAL" and names[-1:] and names[-1] in _PATHS:
            last = _PATH
        if last is _PATH:
            parts, names = [], []
        elif code == "REDUCE" and parts is not None:
            yield os.path.join("", *parts)
            parts = None
        elif isinstance(last, str) and ("UNICODE" in code or "BINGET" in code):
            if parts is not None:
                parts.append(last)
            else:
                names = [*names[-1:], last]
                if "UNICODE" in code:
                    yield last
