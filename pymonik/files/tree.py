"""Names and packs a folder by what is in it.

In: a folder. Out: a SHA-256 over names, modes and contents, and an archive with the same bytes
wherever it is made. Links that stay inside are kept as links; links that leave, and devices, are
refused. Extraction is in `pymonik.files.extract`.

The archive is a zip whose members are stored, not deflated: equal folders give equal bytes whatever
zlib is at hand, and an archive cannot unpack to more than its own size.
"""

from __future__ import annotations

import hashlib
import io
import os
import stat
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from pymonik.errors import SourceChangedError, TreeError
from pymonik.humanize import size_text
from pymonik.values.foreign import redacted

FILE, FOLDER, LINK = "f", "d", "l"
# Permissions alone: set-user-id and the like do not travel.
MODE_BITS = 0o777
# Bytes read at once: whole files may not fit into memory.
CHUNK = 1 << 20
# Files, folders and links of a folder that is shipped: more take minutes to hash, pack and unpack.
MOST_MEMBERS = 100_000

Skip = Callable[[os.DirEntry[str]], bool]


@dataclass(frozen=True)
class TreeEntry:
    """One member of a folder: `name` is relative, with '/'; `target` is where a link points."""

    name: str
    kind: str
    mode: int
    path: str
    target: str = ""


class TreeDigest:
    """Accumulates the hash of a tree; members arrive in the order of `entries`."""

    def __init__(self) -> None:
        # A number of its own: another way to count members is never taken for this one.
        self._hash = hashlib.sha256(b"pymonik tree 1\n")

    def add(self, name: str, kind: str, mode: int, content: bytes) -> None:
        """Count one member in; `content` is a file's SHA-256, a link's target, or empty."""
        encoded = name.encode()
        # Lengths come first: no two trees run together into the same bytes.
        self._hash.update(b"%s %o %d %d\n" % (kind.encode(), mode, len(encoded), len(content)))
        self._hash.update(encoded + content)

    def hexdigest(self) -> str:
        """Return the hash of what was added so far."""
        return self._hash.hexdigest()


def file_hash(path: str | os.PathLike[str]) -> str:
    """Return the SHA-256 of a file's content."""
    return _file_digest(path).hex()


def tree_hash(folder: str | os.PathLike[str], skip: Skip | None = None) -> str:
    """Return the SHA-256 over names, modes and contents of a folder; times do not count."""
    digest = TreeDigest()
    for entry in entries(folder, skip):
        _count(digest, entry)
    return digest.hexdigest()


def demand_small(folder: str | os.PathLike[str], most_bytes: int, skip: Skip | None = None) -> None:
    """Raise TreeError where a folder is more than can be shipped; no file of it is read.

    It is packed in memory, and unpacked by each worker: a home, or a disk, is a slip.
    """
    root, size = os.path.realpath(folder), 0
    for count, item in enumerate(_walk(root, skip), 1):
        if item.is_file(follow_symlinks=False):
            size += item.stat(follow_symlinks=False).st_size
        if count > MOST_MEMBERS or size > most_bytes:
            is_many = count > MOST_MEMBERS
            excess = f"{MOST_MEMBERS:,} files and folders" if is_many else size_text(most_bytes)
            raise TreeError(
                f"{root!r} has more than {excess}, which is too much to ship to every worker: name "
                "the folder that tasks need, hand large data over with materialize(), or raise "
                "PYMONIK_CAPTURE_LIMIT for more bytes"
            )


def archive_of(folder: str | os.PathLike[str], expected: str, skip: Skip | None = None) -> bytes:
    """Return the folder as an archive; `SourceChangedError` when its hash is not `expected`."""
    import zipfile

    digest = TreeDigest()
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_STORED, strict_timestamps=True) as archive:
        for entry in entries(folder, skip):
            member = zipfile.ZipInfo(entry.name + "/" * (entry.kind == FOLDER))
            member.create_system = 3  # Unix: the upper half of external_attr is a mode
            member.external_attr = (_FORMAT[entry.kind] | entry.mode) << 16
            content = _content(entry)
            _count(digest, entry, content)
            archive.writestr(member, content)
    if digest.hexdigest() != expected:
        raise SourceChangedError(
            f"{redacted(str(folder))!r} changed after it was given: give it again once it is final"
        )
    return packed.getvalue()


def entries(folder: str | os.PathLike[str], skip: Skip | None = None) -> Iterator[TreeEntry]:
    """Yield the members of a folder sorted by their encoded names, so parents first."""
    root = os.path.realpath(folder)
    items = [_entry(item, root) for item in _walk(root, skip)]
    yield from sorted(items, key=lambda entry: entry.name.encode())


def skip_scratch(item: os.DirEntry[str]) -> bool:
    """Leave out of a working directory what no task needs: history, byte code, venvs."""
    if item.name in {".git", ".hg", ".svn", "__pycache__"}:
        return True
    return item.is_dir() and os.path.exists(os.path.join(item.path, "pyvenv.cfg"))


def _walk(root: str, skip: Skip | None) -> Iterator[os.DirEntry[str]]:
    open_folders = [root]
    while open_folders:
        with os.scandir(open_folders.pop()) as items:
            for item in items:
                if skip is None or not skip(item):
                    yield item
                    if item.is_dir(follow_symlinks=False):
                        open_folders.append(item.path)


def _entry(item: os.DirEntry[str], root: str) -> TreeEntry:
    name = os.path.relpath(item.path, root)
    try:
        name.encode()
    except UnicodeEncodeError:
        raise TreeError(f"{item.path!r} has a name that is not UTF-8: rename it") from None
    status = item.stat(follow_symlinks=False)
    if stat.S_ISLNK(status.st_mode):
        return TreeEntry(name, LINK, MODE_BITS, item.path, _checked_target(item.path, root))
    if stat.S_ISDIR(status.st_mode):
        return TreeEntry(name, FOLDER, status.st_mode & MODE_BITS, item.path)
    if stat.S_ISREG(status.st_mode):
        return TreeEntry(name, FILE, status.st_mode & MODE_BITS, item.path)
    raise TreeError(f"{item.path!r} is neither a file, a folder nor a link: it cannot be shipped")


def _checked_target(link: str, root: str) -> str:
    target = os.readlink(link)
    if os.path.isabs(target) or not is_inside(os.path.realpath(link), root):
        raise TreeError(
            f"the link {link!r} leads to {target!r}, out of {root!r}: "
            "make it a relative link inside, or ship a copy"
        )
    return target


def is_inside(path: str, root: str) -> bool:
    """Return whether a real path lies in a real folder, or is it."""
    return path == root or path.startswith(root.rstrip("/") + "/")


def _count(digest: TreeDigest, entry: TreeEntry, content: bytes | None = None) -> None:
    if entry.kind == FILE:
        content_digest = (
            _file_digest(entry.path) if content is None else hashlib.sha256(content).digest()
        )
    else:
        content_digest = entry.target.encode()
    digest.add(entry.name, entry.kind, entry.mode, content_digest)


def _content(entry: TreeEntry) -> bytes:
    return Path(entry.path).read_bytes() if entry.kind == FILE else entry.target.encode()


def _file_digest(path: str | os.PathLike[str]) -> bytes:
    digest = hashlib.sha256()
    with open(path, "rb", buffering=0) as file:
        while chunk := file.read(CHUNK):
            digest.update(chunk)
    return digest.digest()


_FORMAT = {FILE: stat.S_IFREG, FOLDER: stat.S_IFDIR, LINK: stat.S_IFLNK}
