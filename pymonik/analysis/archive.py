"""The archives that graphs and tasks are saved as: zip files, read within bounds.

Enters: a path, and names with bytes. Leaves: a file that its owner alone can read, since arguments
may be secrets; or bytes again. A file may come from anybody: reading one takes no more memory than
it has bytes, and what is wrong with it is one `GraphFileError`.
"""

from __future__ import annotations

import contextlib
import json
import os
import struct
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pymonik.errors import GraphFileError
from pymonik.values.foreign import harmless

# What `graph save` writes is not compressed. Others may have packed a file again: so much of it is
# inflated, whatever its own size is.
_INFLATED = 32 << 20
# What reading a file that somebody has changed may raise, in the zip format and in the JSON.
MALFORMED = (
    *(ValueError, TypeError, LookupError, AttributeError, OverflowError, RecursionError),
    *(zipfile.BadZipFile, zlib.error, struct.error, EOFError, NotImplementedError, RuntimeError),
)


class Archive:
    """An archive that was opened, and whose directory is sound."""

    def __init__(self, file: zipfile.ZipFile, size: int) -> None:
        self._file = file
        stored = inflated = 0
        for entry in file.infolist():
            if entry.compress_type == zipfile.ZIP_STORED:
                stored += entry.file_size
            elif entry.compress_type == zipfile.ZIP_DEFLATED:
                inflated += entry.file_size
            else:
                raise ValueError(f"{entry.filename!r} is compressed by an unknown method")
        if stored > size or inflated > _INFLATED:
            raise ValueError(f"{stored + inflated} bytes in a file of {size}")

    def read(self, name: str) -> bytes:
        """Return the bytes of an entry."""
        entry = self._file.getinfo(name)
        with self._file.open(entry) as file:
            # One byte more: without a limit, all would be inflated before it is cut.
            data = file.read(entry.file_size + 1)
        if len(data) != entry.file_size:
            raise ValueError(f"{name} has {len(data)} bytes, not {entry.file_size}")
        return data

    def json(self, name: str) -> Any:
        """Return what an entry holds as JSON."""
        return json.loads(self.read(name))


@contextlib.contextmanager
def opened(path: str | Path, what: str) -> Iterator[Archive]:
    """Open an archive to read; what is wrong with it, or in it, is a GraphFileError."""
    if os.path.exists(path) and not os.path.isfile(path):  # a device has no end
        raise GraphFileError(
            f"{path} is not a {what} written by `pymonik graph save`: it is not a file"
        )
    try:
        with zipfile.ZipFile(path) as file:
            yield Archive(file, os.path.getsize(path))
    except OSError as error:
        reason = error.strerror or str(error)
        raise GraphFileError(f"{path} cannot be read: {harmless(reason)}") from error
    except GraphFileError:
        raise
    except MALFORMED as error:
        raise GraphFileError(f"{path} is no {what} that `pymonik graph save` wrote") from error


@contextlib.contextmanager
def created(path: str | Path) -> Iterator[zipfile.ZipFile]:
    """Write an archive, to a file that its owner alone can read."""
    with open(path, "wb", opener=_private) as raw:
        if not os.path.islink(path) and os.path.isfile(path):
            os.fchmod(raw.fileno(), 0o600)  # it may have been there
        with zipfile.ZipFile(raw, "w", zipfile.ZIP_STORED, allowZip64=True) as file:
            yield file


def _private(path: str, flags: int) -> int:
    # A pipe that nobody reads would be waited for.
    descriptor = os.open(path, flags | os.O_NONBLOCK, 0o600)
    os.set_blocking(descriptor, True)
    return descriptor


def holds(path: str | Path, name: str) -> bool:
    """Return whether a path is an archive with an entry of that name."""
    try:
        if not os.path.isfile(path) or not zipfile.is_zipfile(path):  # a device has no end
            return False
        with zipfile.ZipFile(path) as file:
            return name in file.namelist()
    except (OSError, *MALFORMED):
        return False


def is_broken(path: str | Path) -> bool:
    """Return whether a path begins like an archive, and has no directory of entries."""
    try:
        if not os.path.isfile(path):
            return False
        with open(path, "rb") as file:
            if file.read(4) != b"PK\x03\x04":
                return False
        with zipfile.ZipFile(path):
            return False
    except OSError:
        return False
    except MALFORMED:
        return True
