"""What every test shares: a clean environment, an effects ledger, gates, and real scripts."""

from __future__ import annotations

import gc
import os
import subprocess
import sys
import threading
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from weakref import WeakSet

import pytest
from _pytest import runner
from _pytest.assertion import rewrite
from hypothesis import HealthCheck
from hypothesis import settings as hypothesis_settings
from hypothesis.database import InMemoryExampleDatabase

from pymonik.backend.armonik.connection import Connection
from pymonik.emulator import Emulator, Quirks
from pymonik.record.current import open_recorders
from pymonik.runtime.host.leadership import Leadership
from pymonik.settings import settings, variable
from pymonik.system.conditions import SafeCondition
from pymonik.system.held_locks import held_here

REPOSITORY = Path(__file__).resolve().parent.parent
# Fixtures that run a script in a process of its own.
SCRIPTS = frozenset({"run_script", "script"})
STEERING = ("PYMONIK_BACKEND", "PYMONIK_ENDPOINT", "PYMONIK_PARTITION", "AKCONFIG", "AK_ENDPOINT")
# Every graph of the tests is checked against the laws of the IR after every pass.
os.environ["PYMONIK_VERIFY"] = "1"
# Long enough for a loaded machine: it bounds a hang, it is never a measurement.
PATIENCE = 120
# A worker, or a client, that a loaded machine lets wait is no dead one: unless a test says so.
Emulator.__init__.__kwdefaults__.update(probe_timeout=float(PATIENCE), idle_grace=float(PATIENCE))
# No example fails because the machine is loaded. In a checkout that cannot be written to, those
# that failed are not kept for the next run.
_profile: dict[str, Any] = {"deadline": None, "suppress_health_check": [HealthCheck.too_slow]}
if not os.access(REPOSITORY, os.W_OK):
    _profile["database"] = InMemoryExampleDatabase()
hypothesis_settings.register_profile("unhurried", hypothesis_settings(), **_profile)
hypothesis_settings.load_profile("unhurried")
# Runs of tests are nobody's history.
os.environ["PYMONIK_RUNS"] = "off"
# Executors are kept for the next client with the same variables. pytest would set one that names
# the test and its phase, and so every test would start executors of its own.
runner._update_current_test_var = lambda item, when: None


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("conformance", "programs on a cluster that is already there")
    group.addoption("--endpoint", metavar="HOST:PORT", help="control plane to run programs on")
    group.addoption("--partition", metavar="NAME", default="pymonik", help="its partition")
    group.addoption(
        "--shared-files", action="store_true", help="its workers see the files of this machine"
    )


def pytest_configure(config: pytest.Config) -> None:
    for marker in (
        "shares_files: its tasks and the test see the same files",
        "names_partitions: it needs partitions of certain names",
        "recorded: what recording does, and no backend: on a cluster it is thorough",
        "deep: thousands of dependency levels, minutes on a real cluster",
        "each_backend: each of its cases shows something of its own on each backend",
    ):
        config.addinivalue_line("markers", marker)
    endpoint = config.getoption("--endpoint")
    if endpoint:
        os.environ.update(certificates(endpoint))
    if getattr(config.option, "numprocesses", None):
        rewrite_once(config)


def pytest_collection_finish() -> None:
    """Leave the tests themselves out of collections: there are many, and they stay."""
    gc.collect()
    gc.freeze()


def pytest_sessionstart() -> None:
    """Let no test fail because garbage was collected where it had used up the stack."""
    tell = sys.unraisablehook

    def tell_others(unraisable: Any) -> None:
        if not had_no_room(unraisable):
            tell(unraisable)

    sys.unraisablehook = tell_others


def had_no_room(unraisable: Any) -> bool:
    """Return whether a finalizer failed for want of room that others had taken.

    Garbage, of earlier tests too, is collected wherever Python likes: also at the bottom of what is
    too deep. What takes the room itself, as endless recursion does, has that many frames to show.
    """
    if unraisable.exc_type is not RecursionError:
        return False
    # Without a call, for which there may be no room.
    frames, traceback = 0, unraisable.exc_traceback
    while traceback is not None:
        frames, traceback = frames + 1, traceback.tb_next
    return frames < sys.getrecursionlimit() // 2


def rewrite_once(config: pytest.Config) -> None:
    """Rewrite the assertions of all tests before processes start, each of which would.

    It is kept beside what Python compiles; where that may not be written, each of them does.
    """
    state = config.stash.get(rewrite.assertstate_key, None)
    if sys.dont_write_bytecode or state is None:
        return
    for path in (REPOSITORY / "tests").rglob("test_*.py"):
        kept = rewrite.get_cache_dir(path) / (path.stem + rewrite.PYC_TAIL)
        try:
            if rewrite._read_pyc(path, kept) is None and rewrite.try_makedirs(kept.parent):
                found, code = rewrite._rewrite_test(path, config)
                if not rewrite._write_pyc(state, code, found, kept):
                    return
        except (OSError, SyntaxError):
            return  # whoever collects it tells of it


def certificates(endpoint: str) -> dict[str, str]:
    """Return what AKCONFIG and variables give for TLS there, as variables that tests do not unset.

    Programs of the tests run in other folders: files are told by their full paths.
    """
    found = Connection.find(endpoint=endpoint)
    if not found.target[1]:
        return {}
    files = {
        "AK_CERTIFICATE_AUTHORITY": found.certificate_authority,
        "AK_CLIENT_CERTIFICATE": found.client_certificate,
        "AK_CLIENT_KEY": found.client_key,
    }
    told = {name: str(Path(path).expanduser().absolute()) for name, path in files.items() if path}
    return {**told, "AK_TARGET_NAME": found.target_name} if found.target_name else told


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Mark what takes long; leave out what a cluster that is already there cannot run."""
    shown: set[tuple[str, Any]] = set()
    for item in items:
        if not {"ledger", "gate"}.isdisjoint(getattr(item, "fixturenames", ())):
            item.add_marker("shares_files")
        # Each call is a task there, and tasks cost some ms.
        params = _params(item)
        backend, optimize = params.get("shared", (params.get("backend"), params.get("optimize")))
        is_recorded = item.get_closest_marker("recorded") is not None
        if backend == "emulator" and (optimize is False or is_recorded):
            item.add_marker("thorough")
        # In the script's own process, and where nothing is optimized, programs take the ways that
        # others in this process show.
        is_script = not SCRIPTS.isdisjoint(getattr(item, "fixturenames", ()))
        if backend == "inline" and (optimize is False or is_script):
            item.add_marker("thorough")
        # Of a row of cases each runs on executors here; elsewhere the first will do. Scripts are
        # processes, with more of them behind: there the first of a file will.
        if backend in ("inline", "emulator") and not item.get_closest_marker("each_backend"):
            row = item.nodeid.partition("::" if is_script else "[")[0], backend
            if row in shown and not item.get_closest_marker("thorough"):
                item.add_marker("thorough")
            shown.add(row)
    if not config.getoption("--endpoint"):
        return
    excluded = {"names_partitions", "deep"}
    if not config.getoption("--shared-files"):
        excluded.add("shares_files")
    chosen = [
        item
        for item in items
        if _runs_on_cluster(item) and not any(item.get_closest_marker(name) for name in excluded)
    ]
    config.hook.pytest_deselected(items=[item for item in items if item not in set(chosen)])
    items[:] = chosen


def _params(item: pytest.Item) -> dict[str, Any]:
    return item.callspec.params if hasattr(item, "callspec") else {}


def _runs_on_cluster(item: pytest.Item) -> bool:
    params = _params(item)
    shared = params.get("shared", ("",))
    return "emulator" in (params.get("backend"), shared[0])


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


@pytest.fixture(autouse=True)
def none_kept_out(request: pytest.FixtureRequest) -> Iterator[None]:
    """Fail the test amid which code of ours waits with a lock that it would have to yield.

    Only what a finalizer does amid a section may: tests of that are marked.
    """
    if request.node.get_closest_marker("yielding"):
        yield
        return
    found: list[str] = []
    wait_for, lead = SafeCondition.wait_for, Leadership.lead

    def watched_wait(condition: Any, predicate: Any, timeout: float | None = None) -> Any:
        if held_here(besides=condition._lock._lock) and not predicate():
            found.append("".join(traceback.format_stack()))
        return wait_for(condition, predicate, timeout)

    def watched_lead(leadership: Any, is_over: Any, end: float | None) -> Any:
        if held_here() and not is_over():
            found.append("".join(traceback.format_stack()))
        return lead(leadership, is_over, end)

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(SafeCondition, "wait_for", watched_wait)
        patched.setattr(Leadership, "lead", watched_lead)
        yield
    assert not found, found[0]


@pytest.fixture
def fresh_executors(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a test have executors of its own, which no other has used or will use."""
    monkeypatch.setenv("PMK_TEST", request.node.nodeid)


Set = Callable[..., None]


@pytest.fixture
def set_settings(monkeypatch: pytest.MonkeyPatch) -> Iterator[Set]:
    """Set `PYMONIK_…` variables by the names of their settings, for this test."""

    def put(**values: object) -> None:
        for name, value in values.items():
            monkeypatch.setenv(variable(name), str(value))
        settings.cache_clear()

    yield put
    monkeypatch.undo()
    settings.cache_clear()


@pytest.fixture(autouse=True)
def none_left_open() -> Iterator[None]:
    """Fail the test that leaves a client open, not the ones after it, which would use it."""
    before = WeakSet(open_recorders())
    yield
    if any(recorder not in before for recorder in open_recorders()):
        gc.collect()  # it may be let go of, and not collected yet
        assert [recorder for recorder in open_recorders() if recorder not in before] == []


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
        self._is_over = threading.Event()
        os.mkfifo(self.path)

    def open(self) -> None:
        """Let one waiting (or coming) task through."""
        with open(self.path, "w"):
            pass

    def open_for_all(self) -> None:
        """Let all through until the test ends, whichever comes first, and also who should not come.

        A task that was cancelled may still be on its way: it takes the place of no other.
        """
        threading.Thread(target=self._open_again_and_again, daemon=True).start()

    def close(self) -> None:
        self._is_over.set()

    def _open_again_and_again(self) -> None:
        while not self._is_over.wait(0.01):
            # For both ways: that waits for nobody.
            os.close(os.open(self.path, os.O_RDWR))


@pytest.fixture
def gate(tmp_path: Path) -> Iterator[Gate]:
    made = Gate(tmp_path / "gate")
    yield made
    made.close()


Run = Callable[..., "subprocess.CompletedProcess[str]"]


def script_environment(**extra: str) -> dict[str, str]:
    """Return the variables of a fresh process that can import this checkout's pymonik."""
    kept = {name: value for name, value in os.environ.items() if name not in STEERING}
    path = os.pathsep.join(filter(None, (str(REPOSITORY), kept.get("PYTHONPATH"))))
    return {**kept, "PYTHONPATH": path, **extra}


def emulated(quirks: Quirks, **named: int) -> Emulator:
    """Return an emulator of a partition for those who name none, and of others with workers."""
    return Emulator(
        partitions={"pymonik": 2, **named},
        worker=[sys.executable, "-m", "pymonik.runtime.worker.server"],
        environment={"PYTHONPATH": str(REPOSITORY)},
        quirks=quirks,
    )


@pytest.fixture(scope="session")
def emulated_cluster() -> Iterator[Emulator]:
    """One emulated cluster for all tests of this process; it starts with the first of them."""
    with emulated(Quirks()) as running:
        yield running


@dataclass(frozen=True)
class Target:
    """The control plane that programs run on, and the partition of those that name none."""

    endpoint: str
    partition: str = "pymonik"


@pytest.fixture(scope="session")
def target_cluster(pytestconfig: pytest.Config) -> Iterator[Target]:
    """Give the cluster of `--endpoint`, or an emulated one with the quirks of a real one."""
    endpoint = pytestconfig.getoption("--endpoint")
    if endpoint:
        yield Target(endpoint, pytestconfig.getoption("--partition"))
        return
    # Rows were seen to be up to 90 ms late; a third of it takes the same ways, and less time.
    quirks = Quirks(late_rows=(0.0, 0.03), repeated_created=True)
    with emulated(quirks, my_pymonik_partition=1, a=1, b=1) as running:
        yield Target(running.endpoint)


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
            target = request.getfixturevalue("target_cluster")
            steering = {
                "PYMONIK_BACKEND": "armonik",
                "PYMONIK_ENDPOINT": target.endpoint,
                "PYMONIK_PARTITION": target.partition,
            }
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
