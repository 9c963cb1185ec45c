"""Verdicts: the error text of a task that has nothing to store, because all its values failed.

Enters: the records of such a task. Leaves: a text of at most 4 KiB, which a cluster copies to every
dependent: first for people, then, encoded, for the client, who raises the task's own exception. And
back. What does not fit is stored as an ordinary pack instead: nothing of it is to be lost.

The text for people quotes what the task said, which may be anything: a mark in it is broken, and
what stands behind ours are records, which run nothing when they are read.
"""

from __future__ import annotations

import base64
import binascii
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

from pymonik.errors import WireError
from pymonik.values.foreign import storable
from pymonik.values.outcome import Failure
from pymonik.wire import records

# Bytes: a cluster keeps the text in the row of the task, and copies it to its dependents.
LIMIT = 4096
# It stands before what is for the client; the number is the version of what follows.
_ANY_MARK = "\npymonik:"
_MARK = _ANY_MARK + "2:"
# Characters that are for people; the rest is for the client.
_PEOPLE = 1000
# Deflate makes a thousand bytes of one: nothing that we wrote within LIMIT takes more.
_INFLATED = 4 << 20


def dumps(columns: Sequence[Sequence[Any]], errors: Sequence[Failure]) -> str | None:
    """Return the text for records that are all failures; None when it would be too long."""
    failures = list(_failures(columns, errors))
    if not failures:
        return None
    first = failures[0]
    where = f"task {first.task!r}, called at {first.site or '?'}"
    people = storable(broken_marks(f"{first.message}\n{where}"), _PEOPLE)
    text = _text(people, columns, errors)
    if (text is None or len(text) > LIMIT) and len(failures) == 1:
        # A single failure may lose the head of its traceback, not its type.
        for length in (1500, 600, 0):
            short = replace(first, traceback=first.traceback[-length:] if length else "")
            text = _text(people, *_replaced(columns, errors, short))
            if text is not None and len(text) <= LIMIT:
                break
    return text if text is not None and len(text.encode(errors="replace")) <= LIMIT else None


def loads(text: str) -> tuple[list[list[Any]], list[Failure]] | None:
    """Return the records in an error text, which others may have put words around."""
    _, mark, rest = text.rpartition(_MARK)
    if not mark:
        return None
    try:
        inflating = zlib.decompressobj()
        packed = base64.b64decode(rest.split(None, 1)[0], validate=True)
        loaded = records.loads(inflating.decompress(packed, _INFLATED))
        columns, errors = loaded
        failures = list(_all(columns, errors))
    except (binascii.Error, zlib.error, WireError, IndexError, TypeError, ValueError):
        return None  # cut off on its way: the words before the mark still say it
    if not failures or not all(type(failure) is Failure for failure in failures):
        return None
    return columns, errors


def broken_marks(text: str) -> str:
    """Return a text in which no mark of ours stands, whatever it held."""
    return text.replace(_ANY_MARK, _ANY_MARK.replace(":", " :"))


def short(text: str) -> str:
    """Return a text as an answer may have it: short, and of characters that are taken.

    A text with NUL would never end its task: the agent takes it again and again.
    """
    return storable(text, LIMIT)


def words(text: str) -> str:
    """Return what an error text says to people."""
    return text.partition(_ANY_MARK)[0]


def first_failure(columns: Sequence[Sequence[Any]], errors: Sequence[Failure]) -> Failure | None:
    """Return the first failure among records."""
    return next(_failures(columns, errors), None)


def _failures(columns: Sequence[Sequence[Any]], errors: Sequence[Failure]) -> Iterator[Failure]:
    return (record for record in _all(columns, errors) if type(record) is Failure)


def _all(columns: Sequence[Sequence[Any]], errors: Sequence[Failure]) -> Iterator[Any]:
    for column in columns:
        yield from column
    yield from errors


def _replaced(columns: Sequence[Sequence[Any]], errors: Sequence[Failure], failure: Failure) -> Any:
    return (
        [[failure if type(r) is Failure else r for r in column] for column in columns],
        [failure for _ in errors],
    )


def _text(people: str, columns: Sequence[Sequence[Any]], errors: Sequence[Failure]) -> str | None:
    """Return both texts; None when a content is so large that it does not stand in a text."""
    body, buffers = records.dumps((list(map(list, columns)), list(errors)))
    if buffers:
        return None
    return people + _MARK + base64.b64encode(zlib.compress(body, 9)).decode()
