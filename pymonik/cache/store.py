"""Values kept on this machine, by key: files in the user's cache, bounded in bytes.

Enters: keys, contents, and their headers. Leaves: contents. A file is written under another
name and renamed when whole, so that any number of processes may read and write; the ones used least
recently go first. Whatever is wrong with a disk, a value is then just not known.

    <folder>/<key>      a line of JSON, then the envelope of the content
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import secrets
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pymonik.errors import WireError
from pymonik.files import private
from pymonik.settings import settings, steering, steering_of_before
from pymonik.values.content import Content
from pymonik.wire import envelope

logger = logging.getLogger("pymonik.cache")

# Of files: those of another are not read, and go when room is made.
FORMAT = 4
# Bytes of the header of a value, and the end of the times that a calendar has, in s since 1970.
_LINE, _LAST_DAY = 1 << 20, 2e11


@dataclass(frozen=True)
class CacheEntry:
    """The header of a value: its task, what its key was made of, when it was made and used."""

    key: str
    task: str
    size: int
    made: float
    used: float
    code: Mapping[str, str] = field(default_factory=dict)
    arguments: tuple[str, ...] = ()


class ValueStore:
    """The values in one folder; `PYMONIK_VALUES_FOLDER` names another than the user's."""

    def __init__(self, folder: Path | None = None) -> None:
        self._folder = folder or default_folder()
        # What was logged of values that cannot be kept: once is enough.
        self._warned: set[str] = set()

    def get(self, key: str) -> Content | None:
        """Return the value of a key; None when it is not known."""
        path = self._folder / key
        try:
            private.demand_ours(self._folder, os.stat(self._folder))
            with open(private.open_ours(path), "rb") as file:
                data = file.read()
            start = data.index(b"\n") + 1
            header = _header_in(data[:start])
            if header is None:
                return None
            opened = envelope.unseal(memoryview(data)[start:])
            content = envelope.content_of(opened)
            if content.digest != opened.digest:
                raise WireError("its bytes have changed")
            if (header["key"], header["digest"]) != (key, content.digest.hex()):
                raise WireError("it is another value")
            # The time of the last use: `prune` goes by it.
            os.utime(path)
        except FileNotFoundError:
            return None
        except PermissionError as error:  # somebody else's: neither read nor removed
            self._warn(f"cached values are not used: {error}")
            return None
        except (OSError, ValueError, RecursionError, WireError) as error:
            logger.warning(
                "the cached value in %s cannot be read, and is computed again: %s", path, error
            )
            with contextlib.suppress(OSError):
                path.unlink()
            return None
        return content

    def put(self, key: str, content: Content, about: Mapping[str, Any]) -> None:
        """Keep a value."""
        part = self._folder / f".{key}.{secrets.token_hex(4)}"
        try:
            private.make_folder(self._folder, to_read=False)
            with open(private.open_ours(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL), "wb") as file:
                made = {"format": FORMAT, "made": time.time(), "key": key}
                # In both places, so that a file with the header of one value and the bytes of
                # another is found.
                made["digest"] = content.digest.hex()
                file.write(json.dumps({**about, **made}).encode() + b"\n")
                file.writelines(envelope.seal_content(content))
            part.replace(self._folder / key)
        except OSError as error:
            # Without the name of the part, which is another each time: it is said once.
            why = error.strerror or str(error)
            self._warn(f"values of {about.get('task')} are not cached in {self._folder}: {why}")
            with contextlib.suppress(OSError):
                part.unlink()

    def _warn(self, text: str) -> None:
        if text not in self._warned:
            self._warned.add(text)
            logger.warning("%s", text)

    def prune(self) -> None:
        """Remove values until the rest is within the limit, the least recently used first."""
        limit = settings().cache_bytes
        files = sorted(self._files(), key=lambda item: item[1].st_mtime)
        total = sum(status.st_size for _, status in files)
        for path, status in files:
            if total <= limit:
                return
            with contextlib.suppress(OSError):
                path.unlink()
            total -= status.st_size

    def clear(self, task: str | None = None) -> int:
        """Remove all values, or those of one task; return their number."""
        expired = [e.key for e in self.entries() if task in (None, e.task)]
        for key in expired:
            with contextlib.suppress(OSError):
                (self._folder / key).unlink()
        return len(expired)

    def entries(self) -> list[CacheEntry]:
        """Return what is kept, the newest first."""
        entries = []
        for path, status in self._files():
            try:
                with open(private.open_ours(path), "rb") as file:
                    header = _header_in(file.readline(_LINE))
            except (OSError, ValueError, RecursionError):
                continue
            if header is not None and header["key"] == path.name:
                parts = header.get("code", {}), tuple(header.get("arguments", ()))
                times = header["made"], status.st_mtime
                entries.append(
                    CacheEntry(path.name, header["task"], status.st_size, *times, *parts)
                )
        return sorted(entries, key=lambda entry: -entry.made)

    def _files(self) -> Iterator[tuple[Path, os.stat_result]]:
        with contextlib.suppress(OSError):
            private.demand_ours(self._folder, os.stat(self._folder), to_read=False)
            for path in self._folder.iterdir():
                if path.name.startswith("."):
                    continue
                with contextlib.suppress(OSError):
                    yield path, path.stat()


def _header_in(line: bytes) -> dict[str, Any] | None:
    """Return the header of a value, None when another PymoniK wrote it; raises ValueError."""
    header = json.loads(line)
    if not isinstance(header, dict):
        raise ValueError("its header is no object")
    if header.get("format") != FORMAT:
        return None
    code, arguments = header.get("code", {}), header.get("arguments", [])
    if type(code) is not dict or type(arguments) is not list:
        raise ValueError("its header has other fields")
    names = map(header.get, ("task", "key", "digest"))
    texts = (*names, *arguments, *code, *code.values())
    if type(header.get("made")) not in (int, float) or not 0 <= header["made"] < _LAST_DAY:
        raise ValueError("its header has no time")
    if not all(type(text) is str for text in texts):
        raise ValueError("its header has other fields")
    return header


def default_folder() -> Path:
    """Return the folder of values."""
    named = steering("values_folder") or steering_of_before("cache", "values_folder")
    if named:
        return Path(named).expanduser()
    from pymonik.files.folder_cache import cache_folder

    return cache_folder() / "values"
