"""The cache of built folders: bounded, shared by processes, whole or absent."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from pymonik.environment.builder import Environments
from pymonik.environment.parse import parse
from pymonik.errors import EnvironmentBuildError
from pymonik.files.folder_cache import Cache, cache_folder, remove_tree
from pymonik.files.locks import BusyError, Lock
from pymonik.settings import settings
from tests.environment.tmpfs import tmpfs


def writes(size: int) -> Callable[[Path], object]:
    return lambda folder: (folder / "data").write_bytes(b"x" * size)


def never(folder: Path) -> None:
    raise AssertionError("it was there already")


def keys(cache: Cache) -> set[str]:
    return {entry.name for entry in (cache.root / "entries").iterdir()}


def aged(cache: Cache, key: str, seconds: int) -> None:
    os.utime(cache.root / "entries" / key / "size", (seconds, seconds))


def test_what_was_used_least_recently_goes_first(tmp_path: Path) -> None:
    cache = Cache(tmp_path, max_bytes=250)
    for age, key in enumerate(("old", "new", "used")):
        cache.hold(key, writes(100)).release()
        aged(cache, key, 1000 + age)
    aged(cache, "used", 1)
    cache.hold("used", never).release()  # using it makes it the youngest
    cache.prune()
    assert keys(cache) == {"new", "used"}
    assert {lock.name for lock in (tmp_path / "locks").iterdir()} == {"new", "used"}


def test_what_is_in_use_stays(tmp_path: Path) -> None:
    cache = Cache(tmp_path, max_bytes=0)
    held = cache.hold("a", writes(100))
    cache.hold("b", writes(100)).release()
    cache.prune()
    assert keys(cache) == {"a"}
    held.release()
    cache.prune()
    assert keys(cache) == set()


def test_a_host_prunes_what_nobody_uses_any_more(tmp_path: Path) -> None:
    first = Environments(tmp_path / "cache", max_bytes=1)
    gone = first.build(parse({"pip": ["pmk-demo==1.0"]}))
    first.close()
    second = Environments(tmp_path / "cache", max_bytes=1)
    kept = second.build(parse({"pip": ["pmk-demo==2.0"]}))
    assert not Path(gone.python).exists()
    assert Path(kept.python).exists()
    second.close()


def test_a_fill_that_fails_leaves_nothing(tmp_path: Path) -> None:
    cache = Cache(tmp_path, 1 << 30)

    def fails(folder: Path) -> None:
        writes(10)(folder)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        cache.hold("a", fails)
    assert not list((tmp_path / "building").iterdir())
    assert cache.hold("a", writes(1)).fresh


def test_what_a_dead_builder_left_is_swept_away_but_not_a_live_ones(tmp_path: Path) -> None:
    cache = Cache(tmp_path, 1 << 30)
    (tmp_path / "building" / "dead.123" / "content").mkdir(parents=True)
    (tmp_path / "building" / "live.123" / "content").mkdir(parents=True)
    with Lock(tmp_path / "locks" / "live"):
        cache.prune()
        assert [part.name for part in (tmp_path / "building").iterdir()] == ["live.123"]
    cache.prune()
    assert not list((tmp_path / "building").iterdir())


def test_an_entry_somebody_tampered_with_is_made_again(tmp_path: Path) -> None:
    cache = Cache(tmp_path, 1 << 30)
    cache.hold("a", writes(1)).release()
    (tmp_path / "entries" / "a" / "size").unlink()
    held = cache.hold("a", writes(2))
    assert (held.path / "data").read_bytes() == b"xx"


def test_threads_that_want_the_same_wait_for_one(tmp_path: Path) -> None:
    cache, started, go = Cache(tmp_path, 1 << 30), threading.Event(), threading.Event()
    fresh: list[bool] = []

    def slow(folder: Path) -> None:
        started.set()
        go.wait(30)

    def want() -> None:
        held = cache.hold("a", slow)
        fresh.append(held.fresh)
        held.release()

    threads = [threading.Thread(target=want) for _ in range(4)]
    for thread in threads:
        thread.start()
    assert started.wait(30)
    go.set()
    for thread in threads:
        thread.join()
    assert sorted(fresh) == [False, False, False, True]


def test_a_lock_is_shared_or_exclusive(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    with (
        Lock(path, shared=True),
        Lock(path, shared=True, wait=False),
        pytest.raises(BusyError),
    ):
        Lock(path, wait=False)
    with Lock(path, wait=False), pytest.raises(BusyError):
        Lock(path, shared=True, wait=False)


def test_a_lock_whose_file_was_removed_is_no_lock(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    first = Lock(path)
    taken: list[Lock] = []
    waiter = threading.Thread(target=lambda: taken.append(Lock(path)))
    waiter.start()
    first.remove()
    waiter.join()
    # Whether it waited on the old file or came after: what it has excludes everybody else.
    with pytest.raises(BusyError):
        Lock(path, wait=False)
    taken[0].release()


def test_a_lock_ends_with_its_process(tmp_path: Path) -> None:
    program = (
        "import sys, time\nfrom pathlib import Path\nfrom pymonik.files.locks import Lock\n"
        "lock = Lock(Path(sys.argv[1]))\nprint('mine', flush=True)\nsys.stdin.read()"
    )
    child = subprocess.Popen(
        [sys.executable, "-c", program, str(tmp_path / "lock")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert child.stdout is not None
    assert child.stdout.readline() == b"mine\n"
    with pytest.raises(BusyError):
        Lock(tmp_path / "lock", wait=False)
    child.kill()
    child.communicate()
    Lock(tmp_path / "lock", wait=False).release()


def test_a_full_disk_is_an_error_and_leaves_room(tmp_path: Path) -> None:
    with tmpfs(tmp_path / "disk", "1m") as grow:
        host = Environments(tmp_path / "disk")
        with pytest.raises(EnvironmentBuildError, match=r"(?i)no space left"):
            host.build(parse({"pip": ["pmk-big"]}))
        assert not list((tmp_path / "disk" / "environments" / "building").iterdir())
        grow("20m")
        host = Environments(tmp_path / "disk")
        assert host.build(parse({"pip": ["pmk-big"]})).added == ("pmk-big==1.0",)
        host.close()


def test_read_only_folders_can_be_removed(tmp_path: Path) -> None:
    inner = tmp_path / "a" / "b"
    inner.mkdir(parents=True)
    (inner / "file").touch()
    inner.chmod(0o500)
    (tmp_path / "a").chmod(0o500)
    remove_tree(tmp_path / "a")
    assert not (tmp_path / "a").exists()


def test_the_cache_lies_where_the_user_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "caches"))
    assert cache_folder() == tmp_path / "caches" / "pymonik"


def test_a_setting_says_where_the_cache_lies(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYMONIK_CACHE_FOLDER", str(tmp_path / "some" / "where"))
    monkeypatch.setenv("PYMONIK_ENVIRONMENT_BYTES", "12345")
    settings.cache_clear()
    try:
        assert cache_folder() == tmp_path / "some" / "where"
        assert Environments()._cache.max_bytes == 12345
    finally:
        monkeypatch.undo()
        settings.cache_clear()


def test_without_a_home_to_write_to_the_cache_is_temporary_and_private(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    monkeypatch.setattr("tempfile.gettempdir", lambda: str(tmp_path))
    folder = cache_folder()
    assert folder == tmp_path / f"pymonik-{os.getuid()}"
    assert folder.stat().st_mode & 0o777 == 0o700
    folder.rmdir()
    folder.symlink_to(tmp_path)
    with pytest.raises(PermissionError, match="PYMONIK_CACHE_FOLDER"):
        cache_folder()
