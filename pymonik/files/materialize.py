"""Files and folders that a task finds on its worker.

In: a path here and the path wanted there. Out: a `Materialize`, named by its content when it is
made, and its bytes, frozen, for the calls that take it. Sending belongs to the client, putting the
files in place to the engine that runs the call.
"""

from __future__ import annotations

import hashlib
import mmap
import os
import pickle
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, NoReturn

from pymonik._pickled import pickled, public
from pymonik.errors import SourceChangedError, TreeError
from pymonik.files.tree import MODE_BITS, archive_of, file_hash, tree_hash
from pymonik.system.engine import ENGINE
from pymonik.system.memory_file import Buffer, MemoryFile
from pymonik.values.content import Content, freeze_buffer, slot_value

__all__ = ["Materialize", "SourceChangedError", "TreeError", "materialize", "read_source"]

# Where relative paths on a worker do not begin, once they are normal: its folder itself, or above.
_OUTSIDE = (os.curdir, os.pardir)
_PLACED = b"\x06placed"  # a name in a pickle stands behind its length
# A pickle of nothing but a buffer: loaded, it is the bytes, mapped where they are many.
_BYTES = pickle.dumps(
    pickle.PickleBuffer(bytearray(b"x")), protocol=5, buffer_callback=lambda buffer: None
)


@public
@dataclass
class Materialize:
    """A file or folder to be in place before a task starts: pass it as an argument, at any depth.

    `worker_path`, when relative, lies in a folder of the task's own, in which the task runs, and
    which is removed after it. `content_hash` is the SHA-256 of a file, or of a folder's names,
    modes and contents. `result_id` is known once the content is on the cluster. `mode` are a file's
    permission bits; the modes inside a folder are part of its content.

    It is a path, too: `open(mat)` opens the source here, and what was put in place in a task; so do
    `str(mat)` and `mat / "name"`. `Path(mat)` has what else paths have.

    >>> with tempfile.NamedTemporaryFile() as file:
    ...     materialize(file.name, "rates.csv").worker_path
    'rates.csv'
    """

    __pymonik_role__: ClassVar[str] = "file"

    source_path: str
    worker_path: str
    content_hash: str
    is_directory: bool
    result_id: str | None = None
    mode: int | None = None
    # Where it lies in a task: known only there.
    _placed: str | None = field(default=None, init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        self.source_path = str(Path(self.source_path).resolve())
        self.worker_path = str(Path(self.worker_path))

    @property
    def path(self) -> str:
        """Where it can be read: what was put in place in a task, else the source.

        >>> with tempfile.NamedTemporaryFile() as file:
        ...     materialize(file.name, "rates.csv").path.endswith(file.name)
        True
        """
        return self._placed or self.source_path

    def __fspath__(self) -> str:
        return self.path

    def __str__(self) -> str:
        return self.path

    def __truediv__(self, name: str | os.PathLike[str]) -> Path:
        return Path(self.path) / name

    if not TYPE_CHECKING:  # else every attribute would be known

        def __getattr__(self, name: str) -> NoReturn:
            hint = ""
            if hasattr(Path, name) and not name.startswith("_"):
                hint = f": use Path(mat).{name}"
            raise AttributeError(f"a Materialize has no attribute {name!r}{hint}")

    def __getstate__(self) -> dict[str, Any]:
        return {**vars(self), "_placed": None}


@public
def materialize(
    source_path: str | os.PathLike[str], worker_path: str | os.PathLike[str] | None = None
) -> Materialize:
    """Name a file or folder here by its content, to be put at `worker_path` on the worker.

    Without a `worker_path`, a relative source is put at the same path; an absolute one is refused
    with a `TypeError`. Raises `FileNotFoundError` when there is nothing at the source, and
    `TreeError`, a `ValueError`, for what cannot be shipped: devices, sockets, links that lead out
    of the folder; and for a relative `worker_path` that leads out of the folder of the task.

    >>> source = tempfile.NamedTemporaryFile("w")
    >>> source.write("1.08"), source.flush()
    (4, None)
    >>> @task
    ... def rate(file):
    ...     with open(file) as stream:
    ...         return float(stream.read())
    >>> with Pymonik():
    ...     rate.invoke(materialize(source.name, "rate.txt")).get()
    1.08
    """
    path = _path_of("source_path", source_path)
    if worker_path is None:
        if path.is_absolute():
            raise TypeError(
                f"materialize({str(path)!r}) needs a worker_path, since its source is an "
                f"absolute path: name the place for the task, such as {path.name!r}, in the "
                "folder of the task"
            )
        worker_path = path
    worker_path = _path_of("worker_path", worker_path)
    if not worker_path.is_absolute() and os.path.normpath(worker_path).split(os.sep)[0] in _OUTSIDE:
        raise TreeError(
            f"{str(worker_path)!r} is no place inside the task's own folder: "
            "give a relative path without '..', or an absolute one"
        )
    if path.is_dir():
        return Materialize(str(path), str(worker_path), tree_hash(path), is_directory=True)
    if path.is_file():
        mode = path.stat().st_mode & MODE_BITS
        return Materialize(
            str(path), str(worker_path), file_hash(path), is_directory=False, mode=mode
        )
    if path.exists():
        raise TreeError(f"{str(path)!r} is neither a file nor a folder: it cannot be shipped")
    raise FileNotFoundError(
        f"nothing to materialize at {str(path.absolute())!r}: there is no such file or folder"
    )


def _path_of(name: str, given: str | os.PathLike[str]) -> Path:
    try:
        text = os.fsdecode(given)
    except TypeError:
        raise TypeError(
            f"materialize takes a path as {name}, not {given!r} ({type(given).__name__})"
        ) from None
    if "\0" in text:
        raise ValueError(f"materialize takes a path as {name}: {text!r} has a NUL, which none has")
    return Path(text)


def read_source(mat: Materialize) -> bytes:
    """Return what to upload: a file's bytes, or a folder's archive.

    Raises `SourceChangedError` when the source is not what it was when `materialize` named it: what
    a task gets is what the call said. `FileNotFoundError` when it is gone.
    """
    return bytes(_view(_frozen(mat)))


def content_of(mat: Materialize) -> Content:
    """Freeze a file or folder: give what loads as its bytes. Raises as `read_source` does."""
    return Content(_BYTES, [_frozen(mat)])


def content_of_bytes(data: bytes) -> Content:
    """Return what loads as some bytes."""
    return Content(_BYTES, [freeze_buffer(memoryview(data))])


def is_bytes(content: Content) -> bool:
    """Return whether a content loads as bytes: it is a file, or the archive of a folder."""
    return content.data == _BYTES


class Placing:
    """A file or folder on its way: with its bytes in hole 0 it loads as what lies in place."""

    def __init__(self, mat: Materialize) -> None:
        self._mat = mat

    def __reduce__(self) -> Any:
        mat = self._mat
        about = (mat.source_path, mat.worker_path, mat.content_hash, mat.is_directory)
        return placed, (*about, mat.result_id, mat.mode, _BytesHole())


def is_placing(content: Content) -> bool:
    """Return whether a content is a file on its way: see `Placing`."""
    return _PLACED in content.data and placed.__module__.encode() in content.data


class _BytesHole:
    def __reduce__(self) -> Any:
        return slot_value, (0,)


@pickled
def placed(*given: Any) -> Materialize:
    """Put a file or folder in place; called by the pickles of `Placing`."""
    *about, content = given
    mat = Materialize(*about)
    mat._placed = ENGINE.install(mat, content)
    return mat


def _frozen(mat: Materialize) -> Buffer:
    if not os.path.lexists(mat.path):
        raise FileNotFoundError(
            f"nothing is left to materialize at {mat.path!r}: the file was there at materialize()"
        )
    if mat.is_directory:
        return freeze_buffer(memoryview(archive_of(mat.path, mat.content_hash)))
    if os.path.exists(mat.path) and not os.path.isfile(mat.path):  # a pipe would be waited for
        raise SourceChangedError(
            f"{mat.path!r} is not a file any more: it was one at materialize()"
        )
    with open(mat.path, "rb") as file:
        if not os.fstat(file.fileno()).st_size:
            frozen: Buffer = b""
        else:
            with (
                # Mapped, not read: what is frozen here may be larger than what is free of memory.
                mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as mapped,
                memoryview(mapped) as view,
            ):
                frozen = freeze_buffer(view)
    if hashlib.sha256(_view(frozen)).hexdigest() != mat.content_hash:
        raise SourceChangedError(
            f"{mat.path!r} changed after materialize(): call it again once the file is final"
        )
    return frozen


def _view(buffer: Buffer) -> Any:
    return buffer.map() if isinstance(buffer, MemoryFile) else buffer
