"""The inputs of a task: files of the folder it shares with its agent, made contents and outputs.

Enters: digests that the payload expects, ids of the task's dependencies. Leaves: sources by
position. Contents are kept across tasks, by digest, within a budget of bytes: an executor that has
seen one is sent its number only.
"""

from __future__ import annotations

import mmap
import os
from collections.abc import Sequence

from pymonik.errors import WireError
from pymonik.humanize import counted
from pymonik.values.content import Content
from pymonik.values.outputs import Outputs
from pymonik.wire import envelope
from pymonik.wire.byte_cache import ByteCache
from pymonik.wire.envelope import Envelope

# Of contents that are kept from one task to the next.
CACHE_BYTES = 1 << 30


class ContentCache:
    """The contents that a worker has seen last."""

    def __init__(self, limit: int = CACHE_BYTES) -> None:
        self._contents: ByteCache[Content] = ByteCache("contents", limit)

    def find(self, digest: bytes) -> Content | None:
        """Return the content of a digest, if it is known."""
        return self._contents.find(digest)

    def content(self, opened: Envelope) -> Content:
        """Return the content of an envelope: the one known already, if there is one.

        Bytes that are read are checked before they are kept: the key is their digest, no claim.
        """
        size = opened.body.nbytes + sum(buffer.nbytes for buffer in opened.buffers)
        # What is kept under a digest has it, so that a claim is as good as the bytes.
        return self._contents.get(opened.claim, size, lambda: envelope.content_of(opened))


def read_inputs(
    folder: str, ids: Sequence[str], digests: Sequence[bytes], cache: ContentCache
) -> list[Content | Outputs]:
    """Read the inputs of a task, in the order of its program."""
    unique = list(dict.fromkeys(digests))
    if len(unique) != len(ids):
        raise WireError(
            f"the agent sent {counted(len(ids), 'input')} for a task that takes {len(unique)}"
        )
    made = {digest: _read(open_file(folder, id, digest), cache) for id, digest in zip(ids, unique)}
    return [made[digest] for digest in digests]


def open_file(folder: str, id: str, digest: bytes = b"") -> Envelope:
    """Open the envelope in a file; its bytes are checked by who reads them."""
    path = os.path.join(folder, id)
    size = os.path.getsize(path)
    if not size:
        raise WireError(f"input {id} is empty: its data were never stored, or have been deleted")
    with open(path, "rb") as file:
        opened = envelope.opened(mmap.mmap(file.fileno(), size, access=mmap.ACCESS_READ))
    # An input of which its user knew nothing but the id goes by that.
    is_named = digest and digest != envelope.digest_of_names(id)
    return envelope.named(opened, digest, f"input {id}") if is_named else opened


def _read(opened: Envelope, cache: ContentCache) -> Content | Outputs:
    if opened.kind == envelope.CONTENT:
        return cache.content(opened)
    columns, errors = envelope.records_of(opened)
    outputs = Outputs(len(columns[0]) if columns else 1, len(columns))
    outputs.fill(0, columns)
    outputs.settle(outputs.n)
    outputs.errors += errors
    return outputs
