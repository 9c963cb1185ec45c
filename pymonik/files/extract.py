"""Unpacks an archive of `tree.archive_of` without trusting it.

In: the archive and an empty folder. Out: the folder filled, and the tree hash of what was unpacked.
Refused: paths and links that leave the folder, members that are not files, folders or links,
duplicates, compressed members, more members than the limit, members that add up to more than the
archive. Links are made last, so nothing is ever written through one.
"""

from __future__ import annotations

import hashlib
import io
import mmap
import os
import stat
import struct
import zipfile
from pathlib import Path

from pymonik.errors import ArchiveError
from pymonik.files.tree import CHUNK, FILE, FOLDER, LINK, MODE_BITS, TreeDigest, is_inside

# What somebody sent: in memory, mapped, or in a file.
Content = bytes | bytearray | mmap.mmap | memoryview | os.PathLike[str]

# An archive may name more members than a disk has inodes.
MAX_MEMBERS = 1_000_000
# The longest link that Linux takes.
MAX_LINK = 4096

_KINDS = {stat.S_IFREG: FILE, stat.S_IFDIR: FOLDER, stat.S_IFLNK: LINK}
# What zipfile raises for archives that are damaged, encrypted, or packed in a way it cannot read.
_DAMAGED = (zipfile.BadZipFile, EOFError, RuntimeError, ValueError, struct.error)


def extract(archive: Content, folder: Path, max_members: int = MAX_MEMBERS) -> str:
    """Fill the empty `folder` from `archive` and return the tree hash.

    Raises `ArchiveError`; what was unpacked until then is the caller's to remove.
    """
    source: io.BytesIO | os.PathLike[str]
    if isinstance(archive, os.PathLike):
        source, size = archive, os.stat(archive).st_size
    else:
        source, size = io.BytesIO(archive), len(archive)
    try:
        with zipfile.ZipFile(source) as opened:
            return _Extraction(opened, folder).run(size, max_members)
    except ArchiveError:
        raise
    except _DAMAGED as error:
        raise ArchiveError(f"the archive is damaged: {error}") from error


class _Extraction:
    def __init__(self, archive: zipfile.ZipFile, folder: Path) -> None:
        self._archive = archive
        self._root = os.path.realpath(folder)
        self._folders: dict[str, int] = {"": stat.S_IMODE(os.stat(folder).st_mode)}
        self._links: dict[str, str] = {}
        self._digest = TreeDigest()

    def run(self, size: int, max_members: int) -> str:
        members = self._archive.infolist()
        if len(members) > max_members:
            raise ArchiveError(
                f"the archive has {len(members)} members, the limit is {max_members}"
            )
        if sum(member.file_size for member in members) > size:
            raise ArchiveError(
                "the archive unpacks to more than its own size, so PymoniK did not write it"
            )
        last = b""
        for member in members:
            name = _checked_name(member)
            # Strictly ascending names: no duplicates, and parents come before what is in them.
            if name.encode() <= last:
                raise ArchiveError(f"{name!r} is out of order or there twice")
            last = name.encode()
            self._unpack(member, name)
        self._make_links()
        # From the inside out: a folder that is read-only would take nothing any more.
        for name, mode in reversed(self._folders.items()):
            os.chmod(os.path.join(self._root, name), mode)
        return self._digest.hexdigest()

    def _unpack(self, member: zipfile.ZipInfo, name: str) -> None:
        if os.path.dirname(name) not in self._folders:
            raise ArchiveError(f"{name!r} lies in something that is not a folder of the archive")
        attributes = member.external_attr >> 16
        kind = _KINDS.get(stat.S_IFMT(attributes))
        mode = attributes & MODE_BITS
        path = os.path.join(self._root, name)
        if kind == FOLDER and member.is_dir():
            os.mkdir(path, 0o700)  # writable until it is filled
            self._folders[name] = mode
            content = b""
        elif kind == FILE and not member.is_dir():
            content = self._write(member, path, mode)
        elif kind == LINK and not member.is_dir() and member.file_size <= MAX_LINK:
            content = self._archive.read(member)
            self._links[name] = content.decode("utf-8", "strict") if _is_text(content) else ""
        else:
            raise ArchiveError(f"{name!r} is neither a file, a folder nor a link")
        self._digest.add(name, kind, mode, content)

    def _write(self, member: zipfile.ZipInfo, path: str, mode: int) -> bytes:
        digest = hashlib.sha256()
        # Neither an existing file nor a link is written through, whatever the archive says.
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
        with open(descriptor, "wb") as target, self._archive.open(member) as content:
            while chunk := content.read(CHUNK):
                digest.update(chunk)
                target.write(chunk)
            os.fchmod(descriptor, mode)
        return digest.digest()

    def _make_links(self) -> None:
        for name, target in self._links.items():
            if not target or os.path.isabs(target):
                raise ArchiveError(
                    f"the link {name!r} leads to {target!r}, which is no path inside"
                )
            os.symlink(target, os.path.join(self._root, name))
        # Links through links resolve only now; nothing was read or written through any of them.
        for name, target in self._links.items():
            if not is_inside(os.path.realpath(os.path.join(self._root, name)), self._root):
                raise ArchiveError(f"the link {name!r} leads to {target!r}, out of the folder")


def _checked_name(member: zipfile.ZipInfo) -> str:
    name = member.filename.removesuffix("/")
    if not name or any(part in {"", ".", ".."} for part in name.split("/")):
        raise ArchiveError(f"{member.filename!r} is not a path inside the folder")
    if member.compress_type != zipfile.ZIP_STORED:
        raise ArchiveError(f"{name!r} is compressed, so PymoniK did not write the archive")
    try:
        name.encode()
    except UnicodeEncodeError:
        raise ArchiveError(f"{name!r} is not UTF-8") from None
    return name


def _is_text(content: bytes) -> bool:
    try:
        return "\0" not in content.decode()
    except UnicodeDecodeError:
        return False
