"""Sizes: how many bytes a request is on the wire, without making its messages.

Protocol buffers write a field as a tag of one byte, its length in base 128, and its bytes. What is
counted here is compared with real messages by the tests.
"""

from __future__ import annotations

from collections.abc import Iterable

from pymonik.plan.requests import (
    ClusterObject,
    ClusterRequest,
    Create,
    Declare,
    Placement,
    Stream,
    TaskSubmission,
)
from pymonik.values.options import LIMIT_HOURS

# Bytes of a message of a stream: below the 2 MiB that servers prefer.
CHUNK = 1 << 20
# A TaskOptions message is always complete: its duration and retries are the session's.
HOURS = LIMIT_HOURS
# ArmoniK retries a task whose pod was lost. If that happens more often than this, the task is to
# blame.
RETRIES = 3
TAG = "pymonik.tag"
# That of a session; its tasks inherit it.
SESSION_TAG = "pymonik.session"
# A UUID, as hexadecimal digits.
TAG_LENGTH = 32
# Bytes of an id of ArmoniK, which is a UUID as text.
_ID = 36


def size_of(request: ClusterRequest) -> int:
    """Return the bytes of a request."""
    if isinstance(request, Declare):
        return _field(_ID) + sum(_field(_text(o.name)) for o in request.objects)
    if isinstance(request, Create):
        return _field(_ID) + sum(_field(_text(o.name) + _field(o.size)) for o in request.objects)
    if isinstance(request, Stream):
        return _stream(request.object)
    common = _field(_placement(request.placement, TAG_LENGTH))
    return _field(_ID) + common + sum(_field(_task(e, request.placement)) for e in request.entries)


def bytes_of_task(entry: TaskSubmission) -> int:
    """Return the bytes of a task of a submission, with its options.

    A submission says those that most of its tasks have once: by so much it may be smaller.
    """
    return _field(_task(entry, None))


def _field(size: int) -> int:
    return 1 + _varint(size) + size


def _varint(number: int) -> int:
    return max(1, -(-number.bit_length() // 7))


def _text(text: str) -> int:
    return _field(len(text.encode())) if text else 0


def _stream(stored: ClusterObject) -> int:
    whole, rest = divmod(stored.size, CHUNK)
    return _field(2 * _field(_ID)) + whole * _field(CHUNK) + (_field(rest) if rest else 0)


def _task(entry: TaskSubmission, common: Placement | None) -> int:
    size = (2 + len(entry.inputs)) * _field(_ID)
    if entry.placement != common:
        size += _field(_placement(entry.placement, 0))
    return size


def _placement(placement: Placement, tag: int) -> int:
    labels: Iterable[tuple[str, str]] = placement.labels
    size = sum(_field(_entry(key, value)) for key, value in labels)
    if tag:
        size += _field(_text(TAG) + _field(tag))
    duration = _field(1 + _varint(HOURS * 3600))
    texts = (placement.partition, *placement[2:7])
    return (
        size
        + duration
        + 1
        + _varint(RETRIES)
        + 1
        + _varint(placement.priority)
        + sum(map(_text, texts))
    )


def _entry(key: str, value: str) -> int:
    return _field(len(key.encode())) + _field(len(value.encode()))
