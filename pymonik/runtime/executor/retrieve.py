"""Objects by their ids, for tasks that ask for them while they run.

Enters: ids, and `fetch`, which differs between engines: it gives a `Content`, or the columns of a
unit, and raises LookupError. Leaves: values, raw bytes, and files of these: a folder of this
process, bounded in bytes, that goes with it.
"""

from __future__ import annotations

import os
import pickle
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from pymonik.files.materialize import is_bytes
from pymonik.runtime.executor.state import process_folder
from pymonik.system.waits import yielding_lock
from pymonik.values.content import Content
from pymonik.values.outcome import value_of

# Bytes of retrieved objects that stay on the disk.
LIMIT = 1 << 30

Found = Content | Sequence[Sequence[Any]]
Fetch = Callable[[str], Found]

# Held by who writes, and removes, files: threads of a call may retrieve at once.
_placing = yielding_lock()
# Which of the files hold bytes, and no pickle.
_plain: set[str] = set()


def path_of(result_id: str) -> Path:
    """Return the file in which an object is, or would be, once it was retrieved."""
    if not isinstance(result_id, str):
        raise TypeError(
            "the id of an object is a text, such as handle.result_id, not of type "
            f"{type(result_id).__name__!r}: a handle itself arrives as its value"
        )
    return Path(process_folder("objects"), result_id.replace(os.sep, "_"))


def retrieve(result_id: str, fetch: Fetch) -> None:
    """Bring an object here, into its file; raises LookupError, and the error of a failed call."""
    obj = fetch(result_id)
    if isinstance(obj, Content) and is_bytes(obj):
        _plain.add(result_id)
        raw = bytes(obj.load())
    else:
        _plain.discard(result_id)
        raw = _pickled(obj)
    path = path_of(result_id)
    # Of this thread: others may retrieve the same.
    part = path.with_name(f".{path.name}.{threading.get_ident()}")
    with _placing:
        _make_room(path.parent, len(raw))
        part.write_bytes(raw)
        part.replace(path)


def load(result_id: str) -> Any:
    """Return the object in a file: its value, or the bytes of what was uploaded as a file."""
    raw = path_of(result_id).read_bytes()
    return raw if result_id in _plain else pickle.loads(raw)


def _pickled(obj: Found) -> bytes:
    if isinstance(obj, Content):
        if not obj.buffers:
            return obj.data
        value: Any = obj.load()
    else:
        values = [value_of(record) for column in obj for record in column]
        value = values[0] if len(values) == 1 else values
    from pymonik.capture import freeze

    return freeze.whole(value)


def _make_room(folder: Path, size: int) -> None:
    """Remove what was retrieved longest ago, so that not more than `LIMIT` bytes lie here."""
    files = sorted(folder.iterdir(), key=lambda path: path.stat().st_mtime_ns)
    left = sum(path.stat().st_size for path in files) + size
    for path in files:
        if left <= LIMIT:
            break
        left -= path.stat().st_size
        path.unlink()
