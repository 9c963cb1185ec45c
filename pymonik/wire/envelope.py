"""Envelopes: what is stored on a cluster, behind headers that are read without unpickling.

    header = "PYMK" · wire version · Python minor · kind · name · digest · signature length ·
    number of buffers; then the signature, 8 bytes of length for the body and each buffer,
    the body, the buffers

Enters: contents, records, payloads. Leaves: lists of bytes-like parts, joined only by who sends
them; and back. The digest is that of body and buffers, worked out by who writes and by who reads:
bytes that have changed on their way are found where they are read. A content is named by its
digest, a pack by one that its submitter chose: a task has the names of its inputs, so that a
mix-up is found where it happens. Only a content is a pickle; all else are records. Signatures have
their place, and are empty so far.
"""

from __future__ import annotations

import hashlib
import struct
import sys
from collections.abc import Sequence
from typing import Any

from pymonik.errors import WireError
from pymonik.system.structs import NamedTuple
from pymonik.values.content import IMMEDIATE, Content, digest_of, freeze_buffer
from pymonik.values.outcome import Failure, OutOfLine
from pymonik.wire import records
from pymonik.wire.payloads import AssemblePayload, TaskPayload

# Raised when stored bytes of before are not read any more.
WIRE_VERSION = 2
# Bytes: with 160 bits no two objects of a cluster ever have one digest by accident.
DIGEST_SIZE = 20
# Kinds of objects. They stand in stored bytes: a number is never given to another kind.
PAYLOAD, CONTENT, PACK, ASSEMBLY, NAMES = range(1, 6)

# Little-endian, no padding but the one byte that is spare: the same bytes on all machines. The last
# two: how long the signature is, and how many buffers there are.
_HEADER = struct.Struct(f"<4sBBBx{DIGEST_SIZE}s{DIGEST_SIZE}sHI")
# 8 bytes, of the body and of each buffer: values of more than 4 GiB have room.
_LENGTH = struct.Struct("<Q")
_MAGIC = b"PYMK"
MAGIC_SIZE = len(_MAGIC)

# What a record in a pack may be; no value of a unit that has ended is pending.
RECORDS = IMMEDIATE | {tuple, Content, Failure, OutOfLine}

Parts = list[memoryview]
Pack = tuple[list[list[Any]], list[Failure], list[Any]]


class Envelope(NamedTuple):
    """An envelope that was opened, and nothing of it read; `digest` is what it is named by.

    claim: the digest that its header claims for body and buffers; it is compared when they are
    read, unless that was done (`is_checked`).
    """

    kind: int
    minor: int
    digest: bytes
    claim: bytes
    body: memoryview
    buffers: list[memoryview]
    is_checked: bool = False


def digest_of_names(*names: object) -> bytes:
    """Return a digest of names: the same names give the same one."""
    text = "\0".join(map(str, names)).encode()
    return hashlib.blake2b(text, digest_size=DIGEST_SIZE).digest()


def size_of(parts: Parts) -> int:
    """Return the number of bytes of an object."""
    return sum(part.nbytes for part in parts)


def seal(
    kind: int,
    name: bytes,
    body: bytes,
    buffers: Sequence[memoryview] = (),
    digest: bytes | None = None,
) -> Parts:
    """Put a body and its buffers into an envelope; `digest`: of both, where it is known."""
    if digest is None:
        digest = digest_of([memoryview(body), *buffers])
    fields = _MAGIC, WIRE_VERSION, sys.version_info.minor, kind, name, digest, 0, len(buffers)
    lengths = b"".join(_LENGTH.pack(size) for size in (len(body), *(b.nbytes for b in buffers)))
    return [memoryview(_HEADER.pack(*fields) + lengths), memoryview(body), *buffers]


def seal_content(content: Content) -> Parts:
    """Put a content into an envelope."""
    first, *buffers = content.views()
    return seal(CONTENT, content.digest, bytes(first), buffers, content.digest)


def content_size(content: Content) -> int:
    """Return the number of bytes of a content in its envelope."""
    return _HEADER.size + _LENGTH.size * (1 + len(content.buffers)) + content.size


def seal_pack(
    digest: bytes,
    columns: Sequence[Sequence[Any]],
    errors: Sequence[Failure],
    logs: Sequence[Any] = (),
) -> Parts:
    """Put the records of a unit into an envelope, and what its tasks have logged."""
    return seal(PACK, digest, *records.dumps((list(columns), list(errors), list(logs))))


def seal_payload(payload: TaskPayload | AssemblePayload) -> Parts:
    """Put what a task is to do into an envelope."""
    kind = PAYLOAD if isinstance(payload, TaskPayload) else ASSEMBLY
    return seal(kind, payload.output_digest, *records.dumps(tuple(payload)))


def seal_names(places: dict[str, Any]) -> Parts:
    """Put the places of named values into an envelope: see `plan.plan`."""
    return seal(NAMES, bytes(DIGEST_SIZE), *records.dumps(places))


def is_ours(data: Any) -> bool:
    """Return whether an object begins as an envelope does: others hold whatever bytes they do."""
    return bytes(memoryview(data)[:MAGIC_SIZE]) == _MAGIC


def unseal(data: Any) -> Envelope:
    """Open an envelope and check its bytes; raises WireError when they are not what was written."""
    return checked(opened(data))


def opened(data: Any) -> Envelope:
    """Open an envelope without looking at its bytes; raises WireError when it is none of ours."""
    view = memoryview(data).cast("B")
    if view.nbytes < _HEADER.size or not is_ours(view):
        raise WireError(f"these {view.nbytes} bytes were not written by PymoniK, and are not read")
    fields = _HEADER.unpack_from(view)
    _, version, minor, kind, digest, claim, signature, count = fields
    if version != WIRE_VERSION:
        raise WireError(
            f"this object has wire version {version}, this PymoniK reads {WIRE_VERSION}: use the "
            "same PymoniK on the client and in the worker image"
        )
    at = _HEADER.size + signature
    start = at + _LENGTH.size * (count + 1)
    if view.nbytes < start:
        raise WireError("an object of PymoniK is cut off within its header")
    parts = []
    for (size,) in _LENGTH.iter_unpack(view[at:start]):
        parts.append(view[start : start + size])
        start += size
    if view.nbytes != start:
        raise WireError(f"an object of PymoniK has {view.nbytes} bytes where {start} were written")
    return Envelope(kind, minor, digest, claim, parts[0], parts[1:])


def named(envelope: Envelope, digest: bytes, what: str = "an object") -> Envelope:
    """Return an envelope that is named as was expected; raises WireError when it is another."""
    if envelope.digest != digest:
        raise WireError(
            f"{what} is not the expected one: its digest is {envelope.digest.hex()}, not "
            f"{digest.hex()}"
        )
    return envelope


def checked(envelope: Envelope) -> Envelope:
    """Work the digest out; raises WireError when the bytes are not those that were written."""
    if envelope.is_checked:
        return envelope
    digest = digest_of([envelope.body, *envelope.buffers])
    if digest != envelope.claim:
        raise WireError(
            "the bytes of a stored object have changed, and are not read: their digest is "
            f"{digest.hex()}, but was {envelope.claim.hex()} when they were written"
        )
    return envelope._replace(is_checked=True)


def content_of(envelope: Envelope) -> Content:
    """Return the content in an envelope."""
    _expect(envelope, CONTENT)
    checked(envelope)
    buffers = [freeze_buffer(view) for view in envelope.buffers]
    return Content(bytes(envelope.body), buffers, envelope.claim)


def content_named(envelope: Envelope, digest: bytes) -> Content:
    """Return the content of a digest; raises WireError when it is another."""
    content = content_of(envelope)
    if content.digest != digest:
        raise WireError(
            f"an object is not the expected one: its digest is {content.digest.hex()}, not "
            f"{digest.hex()}"
        )
    return content


def records_of(envelope: Envelope) -> tuple[list[list[Any]], list[Failure]]:
    """Return the columns of a pack, and the errors of values that are not stored."""
    columns, errors, _ = pack_of(envelope)
    return columns, errors


def pack_of(envelope: Envelope) -> Pack:
    """Return all of a pack: its columns, errors, and logs."""
    _expect(envelope, PACK)
    pack = _load(envelope)
    if not (_has_types(pack, list, list, list) and _is_pack(*pack)):
        raise WireError("not a pack written by PymoniK: it holds something other than records")
    return tuple(pack)


def _is_pack(columns: list[Any], errors: list[Any], logs: list[Any]) -> bool:
    return (
        all(type(column) is list and RECORDS.issuperset(map(type, column)) for column in columns)
        and all(type(error) is Failure for error in errors)
        and all(_has_types(log, str, int, str, dict, str) for log in logs)
    )


def payload_of(envelope: Envelope) -> TaskPayload | AssemblePayload:
    """Return what a task is to do."""
    _expect(envelope, PAYLOAD, ASSEMBLY)
    kind = TaskPayload if envelope.kind == PAYLOAD else AssemblePayload
    try:
        return kind(*_load(envelope))
    except TypeError as error:
        raise WireError(f"not a payload written by PymoniK: {error}") from None


def names_of(envelope: Envelope) -> dict[str, Any]:
    """Return the places of named values."""
    _expect(envelope, NAMES)
    places = _load(envelope)
    if type(places) is not dict or not all(map(_is_place, places.items())):
        raise WireError(
            "not a table of values written by PymoniK: it holds something other than places of "
            "values"
        )
    return places


def _is_place(item: tuple[Any, Any]) -> bool:
    name, place = item
    if type(name) is not str or type(place) is not tuple or len(place) != 5:
        return False
    stored, chunk, output, start, length = place
    numbers = (chunk, output, start, 0 if length is None else length)
    return (
        type(stored) is list
        and bool(stored)
        and all(type(number) is int and number >= 0 for number in numbers)
        and all(_has_types(at, str, bytes, int, int) for at in stored)
    )


def _has_types(value: Any, *types: type) -> bool:
    return (
        type(value) in (tuple, list)
        and len(value) == len(types)
        and all(type(item) is kind for item, kind in zip(value, types))
    )


def _load(envelope: Envelope) -> Any:
    checked(envelope)
    return records.loads(envelope.body, envelope.buffers)


def _expect(envelope: Envelope, *kinds: int) -> None:
    # Records alone could be read, but their contents are pickles, and code in them is of one minor.
    if envelope.minor != sys.version_info.minor:
        raise WireError(
            f"an object was stored by Python 3.{envelope.minor}, and this is Python "
            f"3.{sys.version_info.minor}: pickles do not travel between minor versions, so it is "
            f"not read; use Python 3.{envelope.minor} here, or 3.{sys.version_info.minor} there"
        )
    if envelope.kind not in kinds:
        raise WireError(f"an object of kind {envelope.kind} arrived in place of kind {kinds}")
