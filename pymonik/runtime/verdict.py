"""Verdicts: the error text of a task that has nothing to store, because all its values failed.

Enters: the records of such a task. Leaves: a text of at most 4 KiB, which a cluster copies to every
dependent: first for people, then, encoded, for the client, who raises the task's own exception. And
back. What does not fit is stored as an ordinary pack instead: nothing of it is to be lost.
"""

from __future__ import annotations

import base64
import binascii
import pickle
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

from pymonik.runtime.outcome import Failure

LIMIT = 4096
_MARK = "\npymonik:1:"
_PEOPLE = 1000


def verdict(columns: Sequence[Sequence[Any]], errors: Sequence[Failure]) -> str | None:
    """Give the text for records that are all failures; None when it would be too long."""
    failures = list(_failures(columns, errors))
    if not failures:
        return None
    first = failures[0]
    where = f"task {first.task!r}, called at {first.site or '?'}"
    people = f"{first.message}\n{where}"[:_PEOPLE]
    text = people + _MARK + _encoded((list(columns), list(errors)))
    if len(text) > LIMIT and len(failures) == 1:
        # A single failure may lose the head of its traceback, not its type.
        for kept in (1500, 600, 0):
            short = replace(first, traceback=first.traceback[-kept:] if kept else "")
            text = people + _MARK + _encoded(_replaced(columns, errors, short))
            if len(text) <= LIMIT:
                break
    return text if len(text.encode()) <= LIMIT else None


def read(text: str) -> tuple[list[list[Any]], list[Failure]] | None:
    """Give the records in an error text, which others may have put words around."""
    _, mark, rest = text.partition(_MARK)
    if not mark:
        return None
    try:
        data = base64.b64decode(rest.split(None, 1)[0], validate=True)
        columns, errors = pickle.loads(zlib.decompress(data))
    except (binascii.Error, zlib.error, pickle.UnpicklingError, EOFError, IndexError, ValueError):
        return None  # cut off on its way: the words before the mark still tell
    return columns, errors


def short(text: str) -> str:
    """Cut a text to the bytes that an answer may have."""
    return text.encode()[:LIMIT].decode(errors="ignore")


def words(text: str) -> str:
    """Give what an error text says to people; nothing of it is unpickled."""
    return text.partition(_MARK)[0]


def first_failure(columns: Sequence[Sequence[Any]], errors: Sequence[Failure]) -> Failure | None:
    """Give the first failure among records."""
    return next(_failures(columns, errors), None)


def _failures(columns: Sequence[Sequence[Any]], errors: Sequence[Failure]) -> Iterator[Failure]:
    for column in columns:
        yield from (record for record in column if type(record) is Failure)
    yield from errors


def _replaced(columns: Sequence[Sequence[Any]], errors: Sequence[Failure], failure: Failure) -> Any:
    return (
        [[failure if type(r) is Failure else r for r in column] for column in columns],
        [failure for _ in errors],
    )


def _encoded(records: Any) -> str:
    return base64.b64encode(zlib.compress(pickle.dumps(records, protocol=5), 9)).decode()
