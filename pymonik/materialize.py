"""Files and folders that a task finds on its worker.

In: a path here and the path wanted there. Out: a `Materialize`, named by its content when it is
made, and the bytes to upload. Uploading belongs to the client, putting the files in place to
`pymonik.runtime.files`.
"""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path

from pymonik.runtime.env_tree import (
    MODE_BITS,
    SourceChangedError,
    TreeError,
    archive_of,
    file_hash,
    tree_hash,
)

__all__ = ["Materialize", "SourceChangedError", "TreeError", "materialize", "read_source"]


@dataclass
class Materialize:
    """A file or folder to be in place before a task starts.

    `content_hash` is the SHA-256 of a file, or of a folder's names, modes and contents.
    `worker_path`, when relative, lies in a folder of the task's own. `result_id` is known once the
    content is on the cluster. `mode` are a file's permission bits; the modes inside a folder are
    part of its content.
    """

    source_path: str
    worker_path: str
    content_hash: str
    is_directory: bool
    result_id: str | None = None
    mode: int | None = None

    def __post_init__(self) -> None:
        self.source_path = str(Path(self.source_path).resolve())
        self.worker_path = str(Path(self.worker_path))


def materialize(source: str | os.PathLike[str], worker_path: str | os.PathLike[str]) -> Materialize:
    """Name the file or folder at `source` by its content, to be put at `worker_path` on the worker.

    Raises `FileNotFoundError` when there is nothing at `source`, and `TreeError`, a `ValueError`,
    for what cannot be shipped: devices, sockets, links that lead out of the folder.
    """
    path = Path(source)
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


def read_source(mat: Materialize) -> bytes:
    """Return what to upload: a file's bytes, or a folder's archive.

    Raises `SourceChangedError` when the source is not what it was when `materialize` named it: what
    a task gets is what the call said.
    """
    if mat.is_directory:
        return archive_of(mat.source_path, mat.content_hash)
    content = Path(mat.source_path).read_bytes()
    if hashlib.sha256(content).hexdigest() != mat.content_hash:
        raise SourceChangedError(
            f"{mat.source_path!r} changed after materialize(): call it again once the file is final"
        )
    return content
