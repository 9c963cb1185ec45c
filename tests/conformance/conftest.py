"""The backends the conformance programs run on; a new backend joins by one entry of `BACKENDS`."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from pymonik import Pymonik, ResultHandle
from pymonik.errors import TaskFailed

BACKENDS = ("inline", "local", "emulator")
# A backend that runs tasks in the caller's own thread cannot be interrupted or waited for.
SYNCHRONOUS = {"inline"}
# Backends that run tasks on this machine, beside the client.
HERE = ("inline", "local")

Connect = Callable[..., Pymonik]


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line(
        "markers", "asynchronous: needs a backend whose tasks run beside the caller"
    )


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "backend" in metafunc.fixturenames:
        chosen = [
            name
            for name in BACKENDS
            if name not in SYNCHRONOUS or not metafunc.definition.get_closest_marker("asynchronous")
        ]
        metafunc.parametrize("backend", chosen)


def settings_of(backend: str, request: pytest.FixtureRequest) -> dict[str, Any]:
    """Give what a client needs to run on a backend."""
    if backend != "emulator":
        return {"backend": backend, "workers": 2}
    target = request.getfixturevalue("target_cluster")
    settings = {"backend": "armonik", "endpoint": target.endpoint, "workers": 2}
    # On an emulated cluster programs name no partition, as most users' programs.
    return (
        settings if target.partition == "pymonik" else {**settings, "partition": target.partition}
    )


@pytest.fixture
def connect(backend: str, request: pytest.FixtureRequest) -> Connect:
    """Build a client of the backend under test; the program opens and closes it."""
    given = settings_of(backend, request)

    def build(**settings: Any) -> Pymonik:
        settings = {name: value for name, value in settings.items() if value is not None}
        return Pymonik(**{**given, **settings})

    return build


@pytest.fixture
def client(connect: Connect) -> Iterator[Pymonik]:
    """An open, current client; its exit must raise nothing the program did not look at."""
    with connect() as opened:
        yield opened


@pytest.fixture(params=[True, False], ids=["optimized", "as-written"])
def optimize(request: pytest.FixtureRequest) -> bool:
    return bool(request.param)


@pytest.fixture(scope="module", params=[(b, o) for b in BACKENDS for o in (True, False)], ids=str)
def shared(request: pytest.FixtureRequest) -> Iterator[Pymonik]:
    """A current client kept for many small programs: starting one takes longer than they do."""
    backend, optimize = request.param
    # Some programs leave failures that nobody looked at: leaving raises the first of them.
    with (
        contextlib.suppress(ZeroDivisionError),
        Pymonik(**settings_of(backend, request), optimize=optimize) as client,
    ):
        yield client


def story(handle: ResultHandle[Any]) -> TaskFailed:
    """Return the `TaskFailed` that an error of a task is chained to."""
    error = handle.exception()
    assert error is not None
    cause = error if isinstance(error, TaskFailed) else error.__cause__
    assert isinstance(cause, TaskFailed)
    return cause
