"""Puts materialized files and folders in place on a worker.

In: a `Materialize`, its content (bytes or a file holding them), the task's own folder. Out: the
path where the task finds it. What is right already stays; what is not is made beside it and
renamed, so nobody sees half a file. Fetching the content is the host's.

What PymoniK did not put at an absolute path is never replaced: it may be the user's. The inodes of
what it did are noted in the lock of the path, with a mark that they carry: a file that somebody
makes after ours was removed may get its inode, but no mark.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import secrets
from pathlib import Path
from typing import IO

from pymonik.errors import ArchiveError, MaterializeError, TreeError
from pymonik.files.extract import Content, extract
from pymonik.files.folder_cache import cache_folder, remove_tree
from pymonik.files.locks import Lock
from pymonik.files.materialize import Materialize
from pymonik.files.tree import CHUNK, MODE_BITS, file_hash, is_inside, tree_hash

# Of a file whose source had no permission bits that are known: as `open` would make it.
DEFAULT_MODE = 0o644
# The identity of a path where nothing is.
ABSENT = "absent"
# An extended attribute, where the file system has them.
_MARK = "user.pymonik"
_SUFFIX = ".pymonik-part"


def place(mat: Materialize, content: Content, root: Path, locks: Path | None = None) -> Path:
    """Put `mat` at its worker path, relative ones inside `root`, and return where it is.

    `locks` is a folder shared by all processes that may want the same paths. Raises
    `MaterializeError`; then whatever was at the path before is still there.
    """
    target = target_of(mat, root)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        # The parent is resolved, so that two spellings of one path are one lock.
        target = target.parent.resolve() / target.name
        # A name for the lock, of any path: 128 bits, so that no two paths share one by accident.
        name = hashlib.blake2b(os.fsencode(target), digest_size=16).hexdigest()
        with Lock((locks or cache_folder() / "locks") / name) as lock:
            if not is_in_place(mat, target):
                _replace(mat, content, target, lock)
            # A note says what is ours at an absolute path, and has to stay; other locks leave no
            # file.
            if not lock.read():
                lock.remove()
    except (OSError, ArchiveError) as error:
        raise MaterializeError(f"{_story(mat, target)}: {error}") from error
    return target


def target_of(mat: Materialize, root: Path) -> Path:
    """Return where `mat` belongs; a relative path that leaves `root` is a `MaterializeError`."""
    path = Path(mat.worker_path)
    if path.is_absolute():
        target = Path(os.path.normpath(path))
        if not target.name:
            raise MaterializeError(f"{mat.worker_path!r} is no place for a file: name one below it")
        return target
    home = os.path.realpath(root)
    inside = os.path.normpath(os.path.join(home, path))
    parent = os.path.realpath(os.path.dirname(inside))
    if inside == home or not is_inside(inside, home) or not is_inside(parent, home):
        raise MaterializeError(
            f"{mat.worker_path!r} is no place inside the task's own folder: "
            "give a relative path without '..', or an absolute one"
        )
    return Path(inside)


def is_in_place(mat: Materialize, target: Path) -> bool:
    """Return whether `target` holds exactly what `mat` says; set the mode of a file right."""
    try:
        if target.is_symlink():
            return False
        if mat.is_directory:
            return target.is_dir() and tree_hash(target) == mat.content_hash
        if not target.is_file() or file_hash(target) != mat.content_hash:
            return False
        if mat.mode is not None and target.stat().st_mode & MODE_BITS != mat.mode:
            target.chmod(mat.mode)
        return True
    except (TreeError, PermissionError):
        return False


def _replace(mat: Materialize, content: Content, target: Path, lock: Lock) -> None:
    # The lock is ours, so any part still lying here is of a process that was killed.
    for part in target.parent.glob(f".{_escaped(target.name)}.*{_SUFFIX}"):
        remove_tree(part)
    part = target.with_name(f".{target.name}.{secrets.token_hex(4)}{_SUFFIX}")
    try:
        _refuse_foreign(mat, target, lock)
        if mat.is_directory:
            part.mkdir(0o755)
            _mark(part)
            digest = extract(content, part)
        else:
            digest = _write(content, part, DEFAULT_MODE if mat.mode is None else mat.mode)
        if digest != mat.content_hash:
            raise MaterializeError(
                f"{_story(mat, target)}: the content has hash {digest[:12]}, "
                f"not {mat.content_hash[:12]}: it is damaged, or belongs elsewhere"
            )
        if os.path.isabs(mat.worker_path):
            # Noted before the exchange: a kill in between must disown neither the old nor the new.
            lock.note(f"{_identity(part)} {_identity(target)}")
        _exchange(part, target)
    finally:
        remove_tree(part)


def _exchange(part: Path, target: Path) -> None:
    """Put `part` where `target` is: files in one step; a folder has to be moved away first."""
    if not target.is_symlink() and target.is_dir():
        aside = part.with_name(part.name.replace(_SUFFIX, f".old{_SUFFIX}"))
        target.rename(aside)
        try:
            part.rename(target)
        except BaseException:
            aside.rename(target)
            raise
        remove_tree(aside)
    elif part.is_dir() and os.path.lexists(target):
        target.unlink()
        part.rename(target)
    else:
        os.replace(part, target)


def _refuse_foreign(mat: Materialize, target: Path, lock: Lock) -> None:
    if not os.path.isabs(mat.worker_path) or _identity(target) in [*lock.read().split(), ABSENT]:
        return
    if target.is_dir() and not target.is_symlink() and not any(target.iterdir()):
        return
    raise MaterializeError(
        f"{_story(mat, target)}: another file is there, which PymoniK did not put there and does "
        "not replace. Remove it, or choose another worker path"
    )


def _identity(path: Path) -> str:
    try:
        status = path.lstat()
    except FileNotFoundError:
        return ABSENT
    inode = f"{status.st_dev}:{status.st_ino}"
    try:
        return f"{inode}:{os.getxattr(path, _MARK, follow_symlinks=False).decode()}"
    except (OSError, AttributeError, UnicodeDecodeError):  # none there, or none anywhere
        return inode


def _mark(file: Path | int) -> None:
    """Mark a new file or folder as one of ours."""
    with contextlib.suppress(OSError, AttributeError):  # then its inode alone decides
        os.setxattr(file, _MARK, secrets.token_hex(8).encode())


def _write(content: Content, path: Path, mode: int) -> str:
    digest = hashlib.sha256()
    with open(path, "xb") as file:
        _mark(file.fileno())  # before its mode may forbid it
        if isinstance(content, os.PathLike):
            with open(content, "rb") as source:
                _copy(source, file, digest)
        else:
            digest.update(content)
            file.write(content)
        os.fchmod(file.fileno(), mode)
    return digest.hexdigest()


def _copy(source: IO[bytes], target: IO[bytes], digest: hashlib._Hash) -> None:
    while chunk := source.read(CHUNK):
        digest.update(chunk)
        target.write(chunk)


def _escaped(name: str) -> str:
    return "".join(f"[{letter}]" if letter in "*?[" else letter for letter in name)


def _story(mat: Materialize, target: Path) -> str:
    kind = "folder" if mat.is_directory else "file"
    return f"cannot put the {kind} {mat.source_path!r} at {str(target)!r}"
