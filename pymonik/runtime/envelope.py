"""Envelopes: what is stored on a cluster, each object behind a header that can be read without
unpickling.

    header = "PYMK" · wire version · Python minor · kind · digest · signature length · buffers
    then the signature, 8 bytes of length for the pickle and each buffer, the pickle, the buffers

Enters: contents, records, orders. Leaves: lists of bytes-like parts, joined only by who sends them;
and back. A content's digest is that of its bytes. A pack's is the stamp that its submitter chose: a
task is told the digests of its inputs, so that a mix-up is found where it happens. Signatures have
their place, and are empty so far.
"""

from __future__ import annotations

import hashlib
import io
import pickle
import struct
import sys
from collections.abc import Sequence
from typing import Any, NamedTuple

from pymonik.content import Content, freeze_buffer
from pymonik.errors import WireError
from pymonik.runtime.outcome import Failure

WIRE_VERSION = 1
DIGEST_SIZE = 20
ORDER, CONTENT, PACK, ASSEMBLY, NAMES = range(1, 6)

_HEADER = struct.Struct(f"<4sBBBx{DIGEST_SIZE}sHI")
_LENGTH = struct.Struct("<Q")
_MAGIC = b"PYMK"

Parts = list[memoryview]


class Order(NamedTuple):
    """What a task is to run: the program of a unit, pickled, and what a host must know of it.

    digests: of its inputs, in the order of the task's dependencies. outputs: stored steps.
    limited: whether calls have deadlines. gives_up: it answers with an error when all of its values
    are failures, which ends its dependents unseen; else it stores the failures. environment: its
    wire form. has_folder: the last input is the archive of its working directory; has_modules: the
    last one before holds sources of modules. slots, optimize: for the compiler of sub-tasks.
    versions: of the packages that pickled data names, on the client.
    """

    program: bytes
    name: str
    n: int
    outputs: int
    digests: tuple[bytes, ...]
    stamp: bytes
    limited: bool = False
    gives_up: bool = True
    environment: Any = None
    has_folder: bool = False
    slots: int = 1
    optimize: Any = True
    has_modules: bool = False
    versions: tuple[tuple[str, str], ...] = ()
    logs: str = ""

    @property
    def own_inputs(self) -> int:
        """The number of inputs that the program knows."""
        return len(self.digests) - self.has_folder - self.has_modules


class Assembly(NamedTuple):
    """What puts a pack together out of values at hand and values that sub-tasks made.

    holes: (output or None, element, input, its output, its place).
    """

    name: str
    columns: list[list[Any]]
    errors: list[Failure]
    holes: list[tuple[int | None, int, int, int, int]]
    digests: tuple[bytes, ...]
    stamp: bytes
    gives_up: bool = False


class Envelope(NamedTuple):
    """An envelope that was opened, but not unpickled."""

    kind: int
    minor: int
    digest: bytes
    body: memoryview
    buffers: list[memoryview]


def stamp_of(*names: object) -> bytes:
    """Make a stamp out of names: the same names give the same stamp."""
    text = "\0".join(map(str, names)).encode()
    return hashlib.blake2b(text, digest_size=DIGEST_SIZE).digest()


def size_of(parts: Parts) -> int:
    """Give the number of bytes of an object."""
    return sum(part.nbytes for part in parts)


# ----- closing


def seal(kind: int, digest: bytes, body: bytes, buffers: Sequence[memoryview] = ()) -> Parts:
    """Put a pickle and its buffers into an envelope."""
    head = _HEADER.pack(_MAGIC, WIRE_VERSION, sys.version_info.minor, kind, digest, 0, len(buffers))
    lengths = b"".join(_LENGTH.pack(size) for size in (len(body), *(b.nbytes for b in buffers)))
    return [memoryview(head + lengths), memoryview(body), *buffers]


def seal_content(content: Content) -> Parts:
    """Put a content into an envelope."""
    first, *buffers = content.views()
    return seal(CONTENT, content.digest, bytes(first), buffers)


def content_size(content: Content) -> int:
    """Give the number of bytes of a content in its envelope."""
    return _HEADER.size + _LENGTH.size * (1 + len(content.buffers)) + content.size


def seal_pack(
    stamp: bytes,
    columns: Sequence[Sequence[Any]],
    errors: Sequence[Failure],
    logs: Sequence[Any] = (),
) -> Parts:
    """Put the records of a unit into an envelope, and what its tasks have logged."""
    return seal(PACK, stamp, *_dumps((list(columns), list(errors), list(logs))))


def seal_order(order: Order | Assembly) -> Parts:
    """Put what a task is to do into an envelope."""
    kind = ORDER if isinstance(order, Order) else ASSEMBLY
    return seal(kind, order.stamp, *_dumps(tuple(order)))


def seal_names(places: dict[str, Any]) -> Parts:
    """Put the places of named values into an envelope: see `plan.steps`."""
    return seal(NAMES, bytes(DIGEST_SIZE), pickle.dumps(places, protocol=5))


# ----- opening


def unseal(data: Any) -> Envelope:
    """Open an envelope; raises WireError when the bytes are not one of ours."""
    view = memoryview(data).cast("B")
    if view.nbytes < _HEADER.size or bytes(view[:4]) != _MAGIC:
        raise WireError(f"{view.nbytes} bytes that PymoniK did not write: nothing of them is read")
    _, version, minor, kind, digest, signature, count = _HEADER.unpack_from(view)
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
    return Envelope(kind, minor, bytes(digest), parts[0], parts[1:])


def content_of(envelope: Envelope) -> Content:
    """Give the content in an envelope."""
    _expect(envelope, CONTENT)
    return Content(bytes(envelope.body), [freeze_buffer(view) for view in envelope.buffers])


def records_of(envelope: Envelope) -> tuple[list[list[Any]], list[Failure]]:
    """Give the columns of a pack, and the errors of values that nobody asked for."""
    columns, errors, _ = pack_of(envelope)
    return columns, errors


def pack_of(envelope: Envelope) -> tuple[list[list[Any]], list[Failure], list[Any]]:
    """Give all of a pack: its columns, errors, and logs."""
    _expect(envelope, PACK)
    return pickle.loads(envelope.body, buffers=envelope.buffers)  # type: ignore[no-any-return]


def order_of(envelope: Envelope) -> Order | Assembly:
    """Give what a task is to do."""
    _expect(envelope, ORDER, ASSEMBLY)
    fields = pickle.loads(envelope.body, buffers=envelope.buffers)
    return Order(*fields) if envelope.kind == ORDER else Assembly(*fields)


def names_of(envelope: Envelope) -> dict[str, Any]:
    """Give the places of named values."""
    _expect(envelope, NAMES)
    return pickle.loads(envelope.body)  # type: ignore[no-any-return]


def _expect(envelope: Envelope, *kinds: int) -> None:
    if envelope.minor != sys.version_info.minor:
        raise WireError(
            f"an object was stored by Python 3.{envelope.minor}, and this is Python "
            f"3.{sys.version_info.minor}: pickles do not travel between them, so nothing is read; "
            f"use Python 3.{envelope.minor} here, or 3.{sys.version_info.minor} there"
        )
    if envelope.kind not in kinds:
        raise WireError(f"an object of kind {envelope.kind} arrived in place of kind {kinds}")


def _dumps(value: object) -> tuple[bytes, list[memoryview]]:
    buffers: list[memoryview] = []
    body = io.BytesIO()
    pickler = pickle.Pickler(
        body, protocol=5, buffer_callback=lambda buffer: buffers.append(buffer.raw())
    )
    pickler.dispatch_table = {Content: _reduce_content}
    pickler.dump(value)
    return body.getvalue(), buffers


def _reduce_content(content: Content) -> Any:
    first, *rest = content.views()
    return _content, (bytes(first), *map(pickle.PickleBuffer, rest))


def _content(data: bytes, *views: Any) -> Content:
    return Content(data, [freeze_buffer(memoryview(view)) for view in views])
