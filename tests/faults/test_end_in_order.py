"""What tasks leave for the end of their process is done when an executor ends in order."""

from __future__ import annotations

import logging
import os
import threading
from pathlib import Path
from typing import Any

import pytest

from pymonik import Pymonik, task
from pymonik.runtime.host import pool
from tests.conftest import PATIENCE

pytestmark = pytest.mark.usefixtures("nothing_kept", "unhurried")


@pytest.fixture
def unhurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let executors take as long to end as a loaded machine makes them."""
    monkeypatch.setattr(pool, "_LEAVING", float(PATIENCE))


class Kept:
    pass


@task
def leave(folder: str) -> int:
    """Leave something behind in each of the ways there are."""
    import atexit
    import builtins
    import weakref

    kept = Kept()
    file = open(f"{folder}/buffered", "w")  # noqa: SIM115
    file.write("lines of a log")
    builtins.kept = kept, file  # type: ignore[attr-defined]
    atexit.register(Path(folder, "atexit").touch)
    weakref.finalize(kept, Path(folder, "finalizer").touch)
    return os.getpid()


def test_functions_files_and_finalizers_have_their_turn(tmp_path: Path) -> None:
    with Pymonik(backend="local", workers=1):
        leave.invoke(str(tmp_path)).get()
        assert sorted(os.listdir(tmp_path)) == ["buffered"]
    assert sorted(os.listdir(tmp_path)) == ["atexit", "buffered", "finalizer"]
    assert (tmp_path / "buffered").read_text() == "lines of a log"


def test_an_executor_that_has_to_make_room_ends_in_order(tmp_path: Path) -> None:
    with Pymonik(backend="local", workers=1) as client:
        first = leave.invoke(str(tmp_path)).get()
        for number in range(3):
            other = task(os.getpid, environment={"env_variables": {"N": str(number)}})
            assert other.invoke().get() != first
        staffed = client.parts.engine.backend.pids  # type: ignore[union-attr]
        assert first not in staffed
        assert sorted(os.listdir(tmp_path)) == ["atexit", "buffered", "finalizer"]


def test_what_is_printed_in_the_end_is_heard(caplog: pytest.LogCaptureFixture) -> None:
    @task
    def last_words() -> None:
        import atexit

        atexit.register(print, "the end", end="")

    caplog.set_level(logging.INFO)
    with Pymonik(backend="local", workers=1):
        last_words.invoke().get()
    assert [r.getMessage() for r in caplog.records if r.name == "pymonik.print.stdout"] == [
        "the end"
    ]


def test_who_does_not_end_is_killed(monkeypatch: pytest.MonkeyPatch) -> None:
    @task
    def hang() -> None:
        threading.Thread(target=threading.Event().wait).start()

    monkeypatch.setattr(pool, "_LEAVING", 0.2)
    with Pymonik(backend="local", workers=1) as client:
        hang.invoke().get()
        [pid] = client.parts.engine.backend.pids  # type: ignore[union-attr]
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def test_calls_that_were_cancelled_end_at_once(gate: Any, tmp_path: Path) -> None:
    @task
    def block(path: str, folder: str) -> None:
        import atexit

        atexit.register(Path(folder, "atexit").touch)
        with open(path):
            pass

    client = Pymonik(backend="local", workers=1).create()
    block.invoke(gate.path, str(tmp_path / "none"), pymonik=client)
    client.flush()
    gate.open()
    client.cancel()
    assert client.parts.engine.backend.pids == []  # type: ignore[union-attr]
