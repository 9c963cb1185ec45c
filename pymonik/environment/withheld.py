"""What of an environment opens doors, as it stands in pickles: so that a file can do without it.

Code that travels may hold tasks, and with them environments. Enters: packages and variables.
Leaves: bytes that are found in any pickle without loading it, however deep it lies in others; and
as many bytes without values of variables and credentials of URLs. Who runs the code has them.
"""

from __future__ import annotations

import json
import os
import re

from pymonik.errors import EnvironmentMismatch
from pymonik.values.foreign import without_credentials

Packages = tuple[str, ...]
Variables = tuple[tuple[str, str], ...]

_MARK = b"pymonik environment "
# The bytes of JSON that follow, as text.
_SIZE = 8
_HEAD = re.compile(re.escape(_MARK) + rb"([0-9]{%d})" % _SIZE)


def packed(packages: Packages, variables: Variables) -> bytes:
    """Return packages and variables as one piece."""
    text = json.dumps([packages, variables]).encode()
    return _MARK + b"%0*d" % (_SIZE, len(text)) + text


def unpacked(data: bytes) -> tuple[Packages, Variables]:
    """Return packages and variables; values that were withheld are those of this process.

    Raises EnvironmentMismatch for one that it does not have.
    """
    packages, variables = json.loads(data[len(_MARK) + _SIZE :])
    return tuple(packages), tuple([(name, _value(name, value)) for name, *value in variables])


def _value(name: str, given: list[str]) -> str:
    if given:
        return given[0]
    if name not in os.environ:
        raise EnvironmentMismatch(
            f"a task of this graph needs the variable {name!r}, whose value is not stored in the "
            "file: set it here, or submit the script itself"
        )
    return os.environ[name]


def without_secrets(data: bytes | memoryview) -> bytes | memoryview:
    """Return as many bytes, in which all such pieces have lost their values and credentials."""
    pieces = list(_HEAD.finditer(data))
    if not pieces:
        return data
    cleaned = bytearray(data)
    for head in pieces:
        start, size = head.end(), int(head[1])
        try:
            packages, variables = json.loads(cleaned[start : start + size])
            names = [[name] for name, *_ in variables]
            text = json.dumps([list(map(without_credentials, packages)), names]).encode()
        except (ValueError, TypeError):  # a text that only looks like one
            continue
        cleaned[start : start + size] = text.ljust(size)
    return bytes(cleaned)
