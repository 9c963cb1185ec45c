"""Environments when things go wrong around the embedded engine: races, kills, full disks."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from pymonik import Pymonik, task
from pymonik.errors import EnvironmentBuildError
from pymonik.runtime.env_uv import Uv
from pymonik.settings import settings
from tests.conftest import PATIENCE, script_environment

from .tmpfs import tmpfs
from .wheels import Index

PROGRAM = """
import logging
logging.basicConfig(level="INFO", format="%(message)s")
from pymonik import Pymonik, task
@task(environment={"pip": ["pmk-demo==2.0"]})
def version():
    import pmk_demo
    return pmk_demo.VERSION
with Pymonik(backend="local", workers=1):
    print(version.invoke().get())
"""


@task(environment={"pip": ["pmk-demo==2.0"]})
def version() -> str:
    import pmk_demo

    return str(pmk_demo.VERSION)


@task(environment={"pip": ["pmk-big"]})
def big() -> str:
    import pmk_big

    return str(pmk_big.VERSION)


@pytest.fixture
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A cache of the test's own, for this process and those it starts."""
    monkeypatch.setenv("PYMONIK_CACHE_FOLDER", str(tmp_path / "cache"))
    settings.cache_clear()
    yield tmp_path / "cache"
    monkeypatch.undo()
    settings.cache_clear()


def start(**more: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", PROGRAM],
        env=script_environment(**more),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def test_programs_that_race_for_one_environment_build_it_once(own_cache: Path) -> None:
    told = [racer.communicate(timeout=PATIENCE) for racer in [start() for _ in range(2)]]
    assert [out for out, _ in told] == ["2.0\n"] * 2, told
    assert sum(error.count("built an environment") for _, error in told) == 1


def test_a_program_that_was_killed_while_it_built_leaves_nothing_half_made(
    own_cache: Path, index: Index, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("UV_INDEX_URL", index.url)
    monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path / "uv"))
    index.flowing.clear()
    program = start()
    try:
        assert index.asked.wait(PATIENCE)
    finally:
        os.killpg(program.pid, signal.SIGKILL)
        program.communicate()
    index.flowing.set()
    assert list((own_cache / "environments" / "building").iterdir())
    with Pymonik(backend="local", workers=1):
        assert version.invoke().get() == "2.0"
    assert not list((own_cache / "environments" / "building").iterdir())


def test_a_client_that_is_closed_stops_building(
    own_cache: Path, index: Index, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("UV_INDEX_URL", index.url)
    monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path / "uv"))
    index.flowing.clear()
    stopped: list[subprocess.Popen[str]] = []
    stop = Uv.stop

    def note(uv: Uv) -> None:
        assert uv._process is not None
        stopped.append(uv._process)
        stop(uv)

    monkeypatch.setattr(Uv, "stop", note)
    client = Pymonik(backend="local", workers=1).create()
    handle = version.invoke(pymonik=client)
    client.flush()
    assert index.asked.wait(PATIENCE)
    client.cancel()
    assert handle.done()
    assert [process.wait(PATIENCE) != 0 for process in stopped] == [True]


def test_a_full_disk_fails_the_task_and_the_next_one_finds_room(
    own_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("UV_LINK_MODE", "copy")
    monkeypatch.setattr("pymonik.runtime.environments.FORGET_FAILURE", 0.0)
    with tmpfs(own_cache, "1m") as resize, Pymonik(backend="local", workers=1):
        error = big.invoke().exception()
        assert isinstance(error, EnvironmentBuildError)
        assert "space" in str(error).lower(), error
        assert not list((own_cache / "environments" / "building").iterdir())
        resize("64m")
        assert big.invoke().get() == "1.0"
