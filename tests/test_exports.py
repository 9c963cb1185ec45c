"""The public names: what `from pymonik import …` gives, no more and no less."""

from __future__ import annotations

import inspect
import subprocess
import sys

import pytest

import pymonik
from pymonik import errors

from .conftest import script_environment

NAMES = {
    "MultiResultHandle",
    "Materialize",
    "Pymonik",
    "PymonikContext",
    "ResultHandle",
    "Task",
    "TaskOptions",
    "as_completed",
    "get_context",
    "materialize",
    "run_pymonik_worker",
    "task",
}
# Each error and the nearest built-in one it can be caught as.
ERRORS = {
    "PymonikError": Exception,
    "CaptureError": TypeError,
    "SignatureError": TypeError,
    "LazyValueError": TypeError,
    "OptionsError": ValueError,
    "NoClientError": RuntimeError,
    "WaitInTaskError": RuntimeError,
    "EnvironmentMismatch": Exception,
    "TaskFailed": Exception,
    "TaskTimeout": TimeoutError,
    "ExecutorDied": Exception,
    "ValueLost": Exception,
    "Cancelled": Exception,
}
HEAVY = ("grpc", "networkx", "pydantic", "rich", "numpy", "armonik", "cloudpickle")


def test_the_public_names_are_these() -> None:
    assert set(pymonik.__all__) - {"__version__"} == NAMES


@pytest.mark.parametrize("name", sorted(NAMES))
def test_a_public_name_is_there_and_documented(name: str) -> None:
    thing = getattr(pymonik, name)
    assert inspect.getdoc(thing)


def test_the_package_has_a_version() -> None:
    assert pymonik.__version__[0].isdigit()


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no_such_name"):
        pymonik.no_such_name  # noqa: B018


@pytest.mark.parametrize("name", ERRORS)
def test_an_error_derives_from_ours_and_the_nearest_built_in(name: str) -> None:
    error = getattr(errors, name)
    assert issubclass(error, errors.PymonikError)
    assert issubclass(error, ERRORS[name])
    assert inspect.getdoc(error)


@pytest.mark.parametrize("name", ["TaskTimeout", "ExecutorDied", "ValueLost", "Cancelled"])
def test_failures_of_a_task_are_one_family(name: str) -> None:
    assert issubclass(getattr(errors, name), errors.TaskFailed)


def test_importing_it_imports_nothing_heavy() -> None:
    code = f"import sys, pymonik; print([m for m in {HEAVY!r} if m in sys.modules])"
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=script_environment(),
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "[]\n"


def test_a_star_import_gives_the_public_names() -> None:
    space: dict[str, object] = {}
    exec("from pymonik import *", space)
    assert set(space) >= NAMES
