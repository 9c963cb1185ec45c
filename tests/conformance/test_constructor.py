"""Making a client: what it takes, what it warns about, and how the place of work is chosen."""

from __future__ import annotations

import logging
import os
import warnings
from typing import Any

import pytest

from pymonik import Pymonik, Task
from pymonik.errors import OptionsError

from .conftest import Connect
from .programs import square


@pytest.mark.recorded
@pytest.mark.parametrize(
    "settings",
    [
        {"batch_size": 64},
        {"disable_events_client": True},
        {"polling_interval": 2},
        {"polling_batch_size": 20},
        {"local_session": True},
    ],
    ids=lambda s: next(iter(s)),
)
def test_an_argument_without_meaning_is_accepted_with_a_warning(
    connect: Connect, settings: dict[str, Any]
) -> None:
    with pytest.warns(Warning, match=next(iter(settings))) as caught:
        client = connect(**settings)
    assert os.path.basename(caught[0].filename) in ("conftest.py", "test_constructor.py")
    with client:
        assert square.invoke(3).get() == 9


@pytest.mark.names_partitions
def test_the_arguments_with_meaning_bring_no_warning(connect: Connect) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        client = connect(
            endpoint=None, partition="pymonik", environment={}, task_options=None,
            workers=1, optimize=False, detach=False, on_progress=None,
        )  # fmt: skip
    with client:
        assert square.invoke(3).get() == 9


def test_an_unknown_argument_is_refused(connect: Connect) -> None:
    with pytest.raises(TypeError, match="wokers"):
        connect(wokers=3)


@pytest.mark.recorded
@pytest.mark.parametrize("workers", [0, -1, 1.5, "two"])
def test_a_senseless_number_of_workers_is_refused(connect: Connect, workers: Any) -> None:
    with pytest.raises(OptionsError, match="workers"):
        connect(workers=workers).create()


def test_an_unknown_backend_is_an_error_that_lists_the_known() -> None:
    with pytest.raises(OptionsError, match=r"inline.*local|local.*inline"):
        Pymonik(backend="lokal").create()


def test_an_empty_endpoint_is_an_error() -> None:
    with pytest.raises(OptionsError, match="endpoint"):
        Pymonik(endpoint="").create()


@pytest.mark.parametrize("variable", ["AKCONFIG", "AK_ENDPOINT"])
def test_an_empty_configured_endpoint_is_an_error(
    monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    monkeypatch.setenv(variable, "")
    with pytest.raises(OptionsError, match=variable):
        Pymonik().create()


def test_without_endpoint_the_embedded_engine_runs_and_says_so(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO, logger="pymonik")
    with Pymonik(workers=1):
        assert Task(os.getpid).invoke().get() != os.getpid()
    lines = [r for r in caplog.records if r.levelno == logging.INFO]
    assert len(lines) == 1
    assert "this machine" in lines[0].getMessage()


@pytest.mark.parametrize("engine", ["inline", "local"])
def test_the_variable_overrules_the_script(monkeypatch: pytest.MonkeyPatch, engine: str) -> None:
    monkeypatch.setenv("PYMONIK_BACKEND", engine)
    with Pymonik("localhost:5001", workers=1):
        here = Task(os.getpid).invoke().get() == os.getpid()
    assert here == (engine == "inline")


def test_the_variable_overrules_the_argument(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYMONIK_BACKEND", "inline")
    with Pymonik(backend="local", workers=1):
        assert Task(os.getpid).invoke().get() == os.getpid()


def test_the_variable_overrules_an_empty_endpoint(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYMONIK_BACKEND", "inline")
    with Pymonik(""):
        assert square.invoke(3).get() == 9


def test_an_unknown_backend_in_the_variable_names_the_variable(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("PYMONIK_BACKEND", "lokal")
    with pytest.raises(OptionsError, match="PYMONIK_BACKEND"):
        Pymonik().create()


# In a process of its own: engines of earlier tests start and open things at any time.
BUILT = """
import contextlib, os, sys, threading
from pathlib import Path
from pymonik import Pymonik, task

def at_work():
    threads = {f"thread {thread.ident}" for thread in threading.enumerate()}
    tasks = Path("/proc/self/task").glob("*/children")
    children = {f"child {pid}" for task in tasks for pid in task.read_text().split()}
    opened = set()
    for file in Path("/proc/self/fd").iterdir():
        with contextlib.suppress(FileNotFoundError):  # that of the listing itself
            opened.add(os.readlink(file))
    return threads | children | {name for name in opened if name.startswith(("socket:", "pipe:"))}

@task
def square(x):
    return x * x

before = at_work()
client = Pymonik(*sys.argv[1:])
square.invoke(3, pymonik=client)
print(at_work() - before)
client.cancel()
client.close()
"""


@pytest.mark.skipif(not os.path.isdir("/proc/self/fd"), reason="descriptors are counted in /proc")
@pytest.mark.parametrize("endpoint", ["no-such-host.invalid:5001", None])
def test_building_a_client_starts_nothing_and_opens_nothing(
    run_script: Any, endpoint: str | None
) -> None:
    done = run_script(BUILT, args=("script.py", *([endpoint] if endpoint else ())))
    assert done.stdout == "set()\n", done.stderr


@pytest.mark.parametrize("packages", [["numpy"], [("numpy", ">=1")], ["numpy", ("pandas", ">1")]])
def test_an_environment_that_is_there_is_accepted(connect: Connect, packages: Any) -> None:
    with connect(environment={"pip": packages}):
        assert square.invoke(3).get() == 9


def test_variables_of_the_environment_are_set_for_tasks(connect: Connect) -> None:
    read = Task(lambda: os.environ.get("PYMONIK_TEST_VARIABLE"), func_name="read")
    with connect(environment={"env_variables": {"PYMONIK_TEST_VARIABLE": "set"}}):
        assert read.invoke().get() == "set"
    assert "PYMONIK_TEST_VARIABLE" not in os.environ


def test_a_malformed_environment_is_refused_at_construction(connect: Connect) -> None:
    with pytest.raises(Exception, match="pipp") as caught:
        connect(environment={"pipp": ["numpy"]})
    assert isinstance(caught.value, (ValueError, RuntimeError))


@pytest.mark.parametrize("engine", ["inline", "local"])
def test_as_many_workers_as_asked_for_work(engine: str) -> None:
    pid = Task(lambda _: os.getpid(), func_name="pid")
    with Pymonik(backend=engine, workers=1):
        assert len(set(pid.map_invoke(range(40)).get())) == 1


@pytest.mark.parametrize(
    "settings",
    [
        {"partition": 5},
        {"partition": []},
        {"on_progress": 5},
        {"optimize": 3},
        {"optimize": None},
        {"detach": "no"},
        {"forward_logs": 1},
    ],
    ids=str,
)
def test_an_argument_of_a_wrong_type_is_refused_by_its_name(settings: dict[str, Any]) -> None:
    (name,) = settings
    with pytest.raises(OptionsError, match=f"{name} takes"):
        Pymonik(backend="inline", **settings)
