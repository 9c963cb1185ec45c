"""Folders and files of this user alone, whatever the umask; what is somebody else's is refused."""

from __future__ import annotations

import os
import socket
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from pymonik.cache.store import ValueStore
from pymonik.files import private
from pymonik.files.folder_cache import Cache as FolderCache
from pymonik.files.folder_cache import cache_folder
from pymonik.files.locks import Lock
from pymonik.runs.store import RunStore as Runs
from pymonik.runtime.worker.server import _remove_dead_socket
from pymonik.settings import settings
from pymonik.values.content import Content

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")


@pytest.fixture(params=[0o000, 0o022, 0o277], autouse=True)
def umask(request: pytest.FixtureRequest) -> Iterator[None]:
    if request.param == 0o277 and os.geteuid() != 0:
        pytest.skip("only root gets along without the right to write")
    outer = os.umask(request.param)
    yield
    os.umask(outer)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_what_is_kept_is_of_this_user_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = ValueStore(tmp_path / "new" / "values")
    store.put("k", Content(b"N."), {"task": "f"})
    monkeypatch.setenv("PYMONIK_RUNS", str(tmp_path / "data" / "runs"))
    with Runs.open():
        pass
    with Lock(tmp_path / "cache" / "locks" / "a"):
        pass
    built = FolderCache(tmp_path / "cache", 0).hold("k", lambda folder: None)
    built.release()
    folders = ["new", "new/values", "data", "data/runs", "cache", "cache/locks"]
    folders += ["cache/building", "cache/entries"]
    assert {mode(tmp_path / name) for name in folders} == {0o700}
    assert mode(tmp_path / "new/values/k") == mode(tmp_path / "data/runs/runs.sqlite") == 0o600


def test_a_folder_that_others_may_write_to_is_not_read(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    store = ValueStore(tmp_path / "values")
    store.put("k", Content(b"N."), {"task": "f"})
    assert store.get("k") is not None
    (tmp_path / "values").chmod(0o777)
    assert store.get("k") is None
    assert store.get("k") is None
    assert caplog.text.count("other users may write to") == 1
    (tmp_path / "values").chmod(0o700)
    (tmp_path / "values" / "k").chmod(0o666)
    assert store.get("k") is None
    assert (tmp_path / "values" / "k").exists()


@as_root
def test_what_belongs_to_somebody_else_is_neither_read_nor_removed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    store = ValueStore(tmp_path / "values")
    store.put("k", Content(b"N."), {"task": "f"})
    os.chown(tmp_path / "values" / "k", 65534, 65534)
    assert store.get("k") is None
    assert "belongs to user 65534" in caplog.text
    assert (tmp_path / "values" / "k").exists()
    os.chown(tmp_path / "values", 65534, 65534)
    store.put("other", Content(b"N."), {"task": "f"})
    assert not (tmp_path / "values" / "other").exists()
    monkeypatch.setenv("PYMONIK_RUNS", str(tmp_path / "runs"))
    with Runs.open():
        pass
    os.chown(tmp_path / "runs" / "runs.sqlite", 65534, 65534)
    with pytest.raises(PermissionError, match="belongs to user 65534"):
        Runs.open()


def test_links_pipes_and_devices_are_no_files(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(__file__)
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "link", tmp_path / "pipe", Path("/dev/zero"), tmp_path):
        with pytest.raises(OSError, match=r"regular|symbolic|directory"):
            private.open_ours(path)


def test_a_cache_of_environments_that_is_not_ours_is_left_for_one_that_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("PYMONIK_CACHE_FOLDER", str(tmp_path / "cache"))
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", None)
    settings.cache_clear()
    assert cache_folder() == tmp_path / "cache"
    assert mode(tmp_path / "cache") == 0o700
    (tmp_path / "cache").chmod(0o777)
    used = cache_folder()
    assert used == tmp_path / f"pymonik-{os.getuid()}"
    assert mode(used) == 0o700
    assert f"{used} is used instead" in caplog.text
    monkeypatch.undo()
    settings.cache_clear()


def test_a_cache_folder_that_cannot_be_made_is_replaced_and_that_is_said_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("PYMONIK_CACHE_FOLDER", str(tmp_path / "file" / "cache"))
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    settings.cache_clear()
    used = cache_folder()
    assert used == cache_folder() == tmp_path / f"pymonik-{os.getuid()}"
    assert caplog.text.count("PYMONIK_CACHE_FOLDER: ") == 1
    assert f"{tmp_path / 'file'}'; {used} is used instead" in caplog.text
    monkeypatch.undo()
    settings.cache_clear()


def test_what_lies_at_the_address_of_a_worker_stays_unless_it_is_a_dead_socket(
    tmp_path: Path,
) -> None:
    path = tmp_path / "worker.sock"
    _remove_dead_socket(f"unix:{path}")
    path.write_text("precious")
    with pytest.raises(SystemExit, match="is not a socket, and is not removed"):
        _remove_dead_socket(f"unix:{path}")
    assert path.read_text() == "precious"
    path.unlink()
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(path))
        server.listen()
        with pytest.raises(SystemExit, match="another worker listens there"):
            _remove_dead_socket(f"unix:{path}")
        (tmp_path / "link").symlink_to(path)
        with pytest.raises(SystemExit, match="is not a socket"):
            _remove_dead_socket(f"unix:{tmp_path}/link")
    assert path.exists()
    _remove_dead_socket(f"unix:{path}")
    assert not path.exists()
