"""A path may name anything: what is no file is refused, and nothing is waited for."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest
import rich_click as click

from pymonik import materialize
from pymonik.analysis import archive
from pymonik.cli.suggestions import check_script
from pymonik.errors import SourceChangedError
from pymonik.files.materialize import content_of
from pymonik.files.regular import is_named_pipe, read_regular


@pytest.fixture
def pipe(tmp_path: Path) -> Path:
    path = tmp_path / "pipe"
    os.mkfifo(path)
    return path


def test_a_file_is_read_within_its_limit(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"abc")
    assert read_regular(tmp_path / "file", 3) == b"abc"
    with pytest.raises(OSError, match="more than 2 bytes"):
        read_regular(tmp_path / "file", 2)


@pytest.mark.parametrize("path", ["/dev/zero", "/dev/stdin", "~nobody-of-this-name/x"])
def test_what_is_no_file_is_not_read(path: str) -> None:
    with pytest.raises(OSError, match=r"regular file|home directory"):
        read_regular(path, 10)


READERS: list[Callable[[str], object]] = [
    lambda path: read_regular(path, 10),
    check_script,
    lambda path: archive.opened(path, "graph").__enter__(),
    lambda path: archive.created(path).__enter__(),
]


@pytest.mark.parametrize("read", READERS)
def test_a_pipe_is_not_waited_for(pipe: Path, read: Callable[[str], object]) -> None:
    with pytest.raises((OSError, click.BadParameter, archive.GraphFileError)):
        read(str(pipe))


def test_a_pipe_of_a_shell_is_a_script_and_one_with_a_name_is_none(pipe: Path) -> None:
    reading, writing = os.pipe()
    try:
        assert not is_named_pipe(f"/dev/fd/{reading}")
        check_script(f"/dev/fd/{reading}")
    finally:
        os.close(reading)
        os.close(writing)
    assert is_named_pipe(pipe)
    assert not is_named_pipe(tempfile.gettempdir())


def test_a_file_that_has_become_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("text")
    mat = materialize(path, "file")
    path.unlink()
    os.mkfifo(path)
    with pytest.raises(SourceChangedError, match="not a file any more"):
        content_of(mat)
