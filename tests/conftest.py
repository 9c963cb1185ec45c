"""What every test shares: a clean environment, an effects ledger, gates, and real scripts."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from pymonik.emulator import Emulator

REPOSITORY = Path(__file__).resolve().parent.parent
STEERING = ("PYMONIK_BACKEND", "PYMONIK_ENDPOINT", "AKCONFIG", "AK_ENDPOINT")
# Every graph of the tests is checked against the laws of the IR after every pass.
os.environ["PYMONIK_VERIFY"] = "1"
# Long enough for a loaded machine: it bounds a hang, it is never a measurement.
PATIENCE = 60
# Runs of tests are nobody's history.
os.environ["PYMONIK_RUNS"] = "off"


@pytest.fixture(autouse=True)
def unsteered(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep the developer's own cluster and backend settings out of the tests."""
    for name in STEERING:
        monkeypatch.delenv(name, raising=False)


@pytest.fixture(autouse=True)
def at_home() -> Iterator[None]:
    """Fail the test that leaves the process elsewhere, not the ones after it."""
    before = os.getcwd()
    yield
    after = os.getcwd()
    os.chdir(before)
    assert after == before


class Ledger:
    """A file that tasks append lines to, so that a test sees which bodies really ran."""

    def __init__(self, path: Path) -> None:
        self.path = str(path)
        path.touch()

    def lines(self) -> list[str]:
        return Path(self.path).read_text().split()


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    return Ledger(tmp_path / "ledger")


class Gate:
    """A named pipe: a task that passes it blocks until the test opens it, with no clock."""

    def __init__(self, path: Path) -> None:
        self.path = str(path)
        os.mkfifo(self.path)

    def open(self) -> None:
        """Let one waiting (or coming) task through."""
        with open(self.path, "w"):
            pass


@pytest.fixture
def gate(tmp_path: Path) -> Gate:
    return Gate(tmp_path / "gate")


Run = Callable[..., "subprocess.CompletedProcess[str]"]


def script_environment(**extra: str) -> dict[str, str]:
    """Return the variables of a fresh process that can import this checkout's pymonik."""
    kept = {name: value for name, value in os.environ.items() if name not in STEERING}
    path = os.pathsep.join(filter(None, (str(REPOSITORY), kept.get("PYTHONPATH"))))
    return {**kept, "PYTHONPATH": path, **extra}


@pytest.fixture(scope="session")
def emulated_cluster() -> Iterator[Emulator]:
    """One emulated cluster for all tests of this process; it starts with the first of them."""
    worker = [sys.executable, "-m", "pymonik.worker"]
    partitions = {"pymonik": 2, "my_pymonik_partition": 1, "a": 1, "b": 1}
    environment = {"PYTHONPATH": str(REPOSITORY)}
    with Emulator(partitions=partitions, worker=worker, environment=environment) as running:
        yield running


@pytest.fixture
def run_script(tmp_path: Path, request: pytest.FixtureRequest) -> Run:
    """Write a script to a directory of its own and run it there, as a user would."""
    home = tmp_path / "script"
    home.mkdir()

    def run(
        source: str, backend: str | None = None, args: tuple[str, ...] = (), **files: str
    ) -> subprocess.CompletedProcess[str]:
        for name, text in files.items():
            (home / name.replace("__", ".")).write_text(text)
        (home / "script.py").write_text(source)
        steering = {} if backend is None else {"PYMONIK_BACKEND": backend}
        if backend == "emulator":
            endpoint = request.getfixturevalue("emulated_cluster").endpoint
            steering = {"PYMONIK_BACKEND": "armonik", "PYMONIK_ENDPOINT": endpoint}
        return subprocess.run(
            [sys.executable, *(args or ("script.py",))],
            cwd=home,
            env=script_environment(**steering),
            input=source if args == ("-",) else None,
            stdin=None if args == ("-",) else subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
        )

    return run
