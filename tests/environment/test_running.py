"""Tasks in environments of their own, on the embedded engine and on an emulated cluster."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from pymonik import Pymonik, PymonikContext, TaskOptions, task
from pymonik.emulator import Emulator
from pymonik.environment.builder import Environments
from pymonik.errors import EnvironmentBuildError, EnvironmentMismatch, TaskFailed
from pymonik.runtime.host import environments
from pymonik.settings import settings
from tests.conftest import REPOSITORY, Gate

from .wheels import make_wheel

Connect = Callable[..., Pymonik]


@task
def version(*_: Any) -> str:
    import pmk_demo

    return str(pmk_demo.VERSION)


@task(environment={"pip": ["pmk-demo==2.0"]})
def version_two() -> str:
    import pmk_demo

    return str(pmk_demo.VERSION)


@task
def place() -> tuple[str, str]:
    return sys.prefix, os.environ.get("PMK_SPOT", "unset")


@pytest.fixture(scope="module")
def cluster(wheels: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Emulator]:
    """An emulated cluster whose workers find packages in `wheels` only."""
    base = tmp_path_factory.mktemp("cluster")
    environment = {
        **{name: "" for name in os.environ if name.startswith(("PIP_", "UV_"))},
        "PYTHONPATH": str(REPOSITORY),
        "PIP_CONFIG_FILE": os.devnull,
        "UV_NO_CONFIG": "1",
        "UV_CACHE_DIR": str(base / "uv"),
        "UV_OFFLINE": "1",
        "UV_FIND_LINKS": str(wheels),
        "XDG_CACHE_HOME": str(base / "xdg"),
    }
    worker = [sys.executable, "-m", "pymonik.runtime.worker.server"]
    with Emulator(partitions={"pymonik": 1}, worker=worker, environment=environment) as running:
        yield running


@pytest.fixture(params=["local", "emulator"])
def connect(request: pytest.FixtureRequest) -> Connect:
    """Build clients of an engine."""
    if request.param == "local":
        return lambda **more: Pymonik(**{"workers": 2, "backend": "local", **more})
    endpoint = request.getfixturevalue("cluster").endpoint
    return lambda **more: Pymonik(**{"endpoint": endpoint, **more})


def test_packages_of_the_client_are_there_for_its_tasks(connect: Connect) -> None:
    with connect(environment={"pip": ["pmk-demo==1.0"]}):
        assert version.map_invoke(range(5)).get() == ["1.0"] * 5


def test_the_task_wins_over_the_client_and_both_run_side_by_side(connect: Connect) -> None:
    with connect(environment={"pip": [("pmk-demo", "==1.0"), "pmk-strict"]}):
        ones, twos = version.map_invoke(range(3)), [version_two.invoke() for _ in range(3)]
        assert (ones.get(), [two.get() for two in twos]) == (["1.0"] * 3, ["2.0"] * 3)
        assert version.invoke(version_two.invoke()).get() == "1.0", "a value crosses over"


def test_a_task_without_an_environment_is_in_none(connect: Connect) -> None:
    with connect() as client:
        assert version_two.invoke().get() == "2.0"
        missing = version.invoke()
        assert isinstance(missing.exception(), ModuleNotFoundError)
        assert client.environment is None


def test_no_variable_leaks_from_one_task_to_the_next(connect: Connect) -> None:
    with connect():
        found = []
        for spot in (None, "here", None, "there", None):
            wanted = {"env_variables": {"PMK_SPOT": spot}} if spot else None
            found.append(task(place.func, environment=wanted).invoke().get()[1])
    assert found == ["unset", "here", "unset", "there", "unset"]


def test_variables_are_there_before_anything_is_imported(connect: Connect) -> None:
    def seed() -> int:
        return hash("the hash of a string hangs on a variable")

    fixed = task(seed, environment={"env_variables": {"PYTHONHASHSEED": "7"}})
    with connect():
        first = fixed.invoke().get()
        assert task(place.func).invoke().get()[1] == "unset"
    with connect():
        assert fixed.invoke().get() == first


def test_a_working_directory_goes_along(connect: Connect, tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "table.txt").write_text("1 2 3")
    (tmp_path / "beside.py").write_text("VALUE = 4\n")

    @task(environment={"working_dir": str(tmp_path)})
    def read() -> tuple[str, int]:
        import beside  # type: ignore[import-not-found]

        Path("made").touch()
        return Path("data/table.txt").read_text(), beside.VALUE

    with connect():
        assert read.invoke().get() == ("1 2 3", 4)
    assert not (tmp_path / "made").exists(), "it is a copy"


def test_sub_tasks_are_in_the_environment_of_their_parent(connect: Connect) -> None:
    @task(environment={"pip": ["pmk-demo==3.0"]})
    def parent() -> Any:
        import pmk_demo

        return [pmk_demo.VERSION, version.invoke(), version_two.invoke()]

    with connect():
        assert parent.invoke().get() == ["3.0", "3.0", "2.0"]


def test_a_build_that_fails_is_the_error_of_its_tasks(connect: Connect) -> None:
    wrong = task(place.func, environment={"pip": ["pmk-demo==9.9"]})
    with connect():
        failed, fine = wrong.invoke(), place.invoke()
        below = version.invoke(failed)
        error = failed.exception()
        assert isinstance(error, EnvironmentBuildError)
        for part in ("pmk-demo==9.9", "uv pip compile failed", "no version of pmk-demo==9.9"):
            assert part in str(error), error
        assert isinstance(error.__cause__, TaskFailed)
        assert isinstance(below.exception(), EnvironmentBuildError)
        assert fine.get()[1] == "unset"


def test_arguments_are_unpickled_in_the_environment_only(connect: Connect) -> None:
    class Needy:
        def __reduce__(self) -> Any:
            return _demo_version, ()

    with connect(environment={"pip": ["pmk-demo==2.0"]}):

        @task
        def show(value: Any) -> Any:
            return value

        assert show.invoke([Needy()] * 2).get() == ["2.0", "2.0"]


def _demo_version() -> str:
    import pmk_demo

    return str(pmk_demo.VERSION)


# ----- what a task sees of it


@task(require_context=True, environment={"pip": ["pmk-demo"], "env_variables": {"PMK_SPOT": "x"}})
def look(ctx: PymonikContext) -> tuple[Any, ...]:
    seen = ctx.environment
    return seen.packages, seen.variables, repr(seen), seen.python == sys.executable


@task(require_context=True)
def install(ctx: PymonikContext, *packages: Any) -> tuple[Any, ...]:
    added = ctx.environment.install(*packages)
    return added, _demo_version()


@task(require_context=True, retries=1, retry_on=(ValueError,))
def install_and_fail(ctx: PymonikContext) -> str:
    if ctx.attempt == 1:
        ctx.environment.install("pmk-demo==1.0")
        raise ValueError(_demo_version())
    return _demo_version()


def test_a_task_sees_its_environment(connect: Connect) -> None:
    with connect():
        assert look.invoke().get() == (
            ("pmk-demo",), {"PMK_SPOT": "x"}, "Environment(pmk-demo, variables: PMK_SPOT)", True,
        )  # fmt: skip


def test_what_a_task_installs_is_for_it_alone(connect: Connect) -> None:
    with connect(task_options=TaskOptions(chunk_size=10), workers=1):
        first = install.map_invoke([("pmk-demo==1.0",), (("pmk-demo", "==2.0"),)])
        assert first.get() == [(("pmk-demo==1.0",), "1.0"), (("pmk-demo==2.0",), "2.0")]
        assert isinstance(version.invoke().exception(), ModuleNotFoundError)
        assert isinstance(install_and_fail.invoke().exception(), ModuleNotFoundError)


def test_the_old_way_to_install_tells_whether_it_worked(connect: Connect) -> None:
    @task(require_context=True)
    def old(ctx: PymonikContext) -> tuple[bool, str, bool]:
        done = ctx.environment.install_package("pmk-demo", "==3.0")
        return done, _demo_version(), ctx.environment.install_package("pmk-demo", "==9.9")

    with connect():
        assert old.invoke().get() == (True, "3.0", False)


def test_nothing_is_installed_into_the_users_own_process() -> None:
    with pytest.raises(EnvironmentMismatch, match=r"pmk-demo==1\.0.*invoke the task"):
        install("pmk-demo==1.0")
    assert "pmk_demo" not in sys.modules


# ----- the embedded engine


@pytest.fixture
def building(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """The environments that were really asked for, by the embedded engine."""
    asked: list[Any] = []
    build = Environments.build

    def note(self: Environments, environment: Any, folder: Any = None) -> Any:
        asked.append(environment)
        return build(self, environment, folder)

    monkeypatch.setattr(Environments, "build", note)
    return asked


def test_what_runs_waits_for_no_build(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, gate: Gate
) -> None:
    build = Environments.build

    def held(self: Environments, environment: Any, folder: Any = None) -> Any:
        with open(gate.path):  # until the test says so
            return build(self, environment, folder)

    monkeypatch.setattr(Environments, "build", held)
    with Pymonik(backend="local", workers=1):
        slow = version_two.invoke()
        assert [place.invoke().get()[1] for _ in range(3)] == ["unset"] * 3
        assert not slow.done()
        gate.open()
        assert slow.get() == "2.0"


def test_an_environment_is_asked_for_once(building: list[Any]) -> None:
    with Pymonik(backend="local", workers=2):
        assert [version_two.invoke().get() for _ in range(4)] == ["2.0"] * 4
        assert version_two.invoke().get() == "2.0"
    assert len(building) == 1


def test_what_is_there_already_starts_no_process_of_its_own(
    building: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    def never(*_: Any) -> None:
        raise AssertionError("uv has no part in it")

    monkeypatch.setattr("pymonik.environment.uv.Uv", never)
    satisfied = task(place.func, environment={"pip": ["cloudpickle"], "python": ">=3.10"})
    with Pymonik(backend="local", workers=1) as client:
        before = place.invoke().get()
        assert satisfied.invoke().get() == before
        assert len(client.parts.engine.backend.pids) == 1  # type: ignore[union-attr]


def test_executors_of_idle_environments_are_given_up() -> None:
    with Pymonik(backend="local", workers=1) as client:
        for number in range(5):
            wanted = {"env_variables": {"PMK_SPOT": str(number)}}
            assert task(place.func, environment=wanted).invoke().get()[1] == str(number)
            assert len(client.parts.engine.backend.pids) <= 3  # type: ignore[union-attr]


def test_many_environments_share_the_slots(tmp_path: Path) -> None:
    running = tmp_path / "running"

    def alone() -> None:
        running.mkdir()  # fails where two run at once
        running.rmdir()

    with Pymonik(backend="local", workers=1):
        variables = [{"env_variables": {"PMK_SPOT": str(n)}} for n in range(3)]
        handles = [task(alone, environment=v).invoke() for v in variables * 3]
        assert [handle.get() for handle in handles] == [None] * 9


def test_inline_says_what_it_lacks_and_where_to_run_it() -> None:
    with pytest.raises(EnvironmentMismatch, match=r'pmk-demo==1.0.*backend="local"'):
        Pymonik(backend="inline", environment={"pip": ["pmk-demo==1.0"]})


def test_another_python_is_refused_when_the_client_is_made() -> None:
    with pytest.raises(EnvironmentMismatch, match=r"demands python==3\.7"):
        Pymonik(backend="local", environment={"python": "3.7"})


def test_a_working_directory_that_changed_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("before")
    changed = task(place.func, environment={"working_dir": str(tmp_path)})
    (tmp_path / "file").write_text("after")
    with Pymonik(backend="local", workers=1):
        assert "changed" in str(changed.invoke().exception())


def test_a_package_that_comes_later_is_found_when_it_is_asked_for_again(
    wheels: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pymonik.environment.builder.FORGET_FAILURE", 0.0)
    late = task(place.func, environment={"pip": ["pmk-late"]})
    with Pymonik(backend="local", workers=1):
        assert isinstance(late.invoke().exception(), EnvironmentBuildError)
        make_wheel(wheels, "pmk-late", "1.0")
        assert late.invoke().get()[0] != sys.prefix


def test_environments_say_when_they_are_ready() -> None:
    assert environments.HostEnvironments(lambda *_: None).is_ready(None)


@pytest.mark.thorough
def test_an_environment_that_was_given_up_may_be_pruned_and_comes_back(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PYMONIK_CACHE_FOLDER", str(tmp_path))
    monkeypatch.setenv("PYMONIK_ENVIRONMENT_BYTES", "0")
    settings.cache_clear()
    entries = tmp_path / "environments" / "entries"

    def inside(*packages: str) -> Any:
        return task(version.func, environment={"pip": list(packages)}).invoke().get()

    try:
        with Pymonik(backend="local", workers=1):
            assert [inside(f"pmk-demo=={number}.0") for number in (1, 2, 3)] == [
                "1.0", "2.0", "3.0",
            ]  # fmt: skip
            first = {entry.name for entry in entries.iterdir()}
            assert inside("pmk-strict") == "2.0"
            assert len(first - {entry.name for entry in entries.iterdir()}) == 1
            assert inside("pmk-demo==1.0") == "1.0"
    finally:
        settings.cache_clear()
