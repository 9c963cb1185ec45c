"""`ctx.environment`: packages for one call, and the versions of both sides."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from pymonik.environment import versions as env_versions
from pymonik.environment.parse import parse
from pymonik.environment.task_environment import TaskEnvironment
from pymonik.environment.versions import differences, python_mismatch, versions_of
from pymonik.errors import EnvironmentBuildError, EnvironmentSpecError
from pymonik.runtime.executor import state as running

from .wheels import install_by_hand


@pytest.fixture
def task() -> Iterator[TaskEnvironment]:
    environment = TaskEnvironment(parse({"pip": ["six"], "env_variables": {"A": "1"}}), running)
    yield environment
    environment.close()
    assert not [entry for entry in sys.path if "pymonik-packages-" in entry]


@pytest.fixture
def loaded(tmp_path: Path, wheels: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[object]:
    """pmk-demo 1.0, installed and imported."""
    install_by_hand(wheels / "pmk_demo-1.0-py3-none-any.whl", tmp_path / "site")
    monkeypatch.syspath_prepend(tmp_path / "site")
    yield importlib.import_module("pmk_demo")
    sys.modules.pop("pmk_demo", None)


def version() -> str:
    return str(importlib.import_module("pmk_demo").VERSION)


def test_a_task_sees_its_environment(task: TaskEnvironment) -> None:
    assert (task.packages, task.variables) == (("six",), {"A": "1"})
    assert repr(task) == "Environment(six, variables: A)"
    assert repr(TaskEnvironment()) == "Environment()"


def test_what_a_task_installs_is_gone_after_it(task: TaskEnvironment) -> None:
    assert task.install("pmk-app") == ("pmk-app==1.0", "pmk-demo==3.0")
    assert version() == "3.0"
    assert task.packages == ("six", "pmk-app==1.0", "pmk-demo==3.0")
    assert repr(task) == "Environment(six, pmk-app==1.0, pmk-demo==3.0, variables: A)"
    task.close()
    assert task.packages == ("six",)
    with pytest.raises(ModuleNotFoundError):
        version()


def test_what_is_there_costs_nothing(
    task: TaskEnvironment, loaded: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pymonik.environment.uv", None)
    assert task.install("pmk-demo>=1") == ()


def test_another_version_is_for_this_call_only(task: TaskEnvironment, loaded: object) -> None:
    assert task.install(("pmk-demo", "==2.0")) == ("pmk-demo==2.0",)
    assert version() == "2.0"
    assert task.install("pmk-demo==3.0") == ("pmk-demo==3.0",)
    assert version() == "3.0"
    task.close()
    assert sys.modules["pmk_demo"] is loaded
    assert version() == "1.0"


def test_a_compiled_module_that_is_loaded_cannot_be_replaced(
    task: TaskEnvironment, loaded: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    suffix = importlib.machinery.EXTENSION_SUFFIXES[0]
    monkeypatch.setattr(loaded, "__file__", f"/somewhere/pmk_demo{suffix}")
    with pytest.raises(EnvironmentBuildError, match="environment="):
        task.install("pmk-demo==2.0")
    assert sys.modules["pmk_demo"] is loaded


def test_an_install_that_fails_says_why(task: TaskEnvironment) -> None:
    with pytest.raises(EnvironmentBuildError, match="pmk-demo==9"):
        task.install("pmk-demo==9")
    with pytest.raises(EnvironmentSpecError, match="'a b'"):
        task.install("a b")


def test_minor_versions_of_python_are_compared() -> None:
    assert python_mismatch(sys.version_info[:2]) is None
    sentence = python_mismatch((3, 12), (3, 10))
    assert sentence is not None
    assert sentence.count("3.12") == sentence.count("3.10") == 2


def test_versions_are_found_by_module(loaded: object) -> None:
    found = versions_of(["pmk_demo.sub", "os", "json.decoder", "yaml", "no_such_module"])
    assert found["pmk_demo"] == "1.0"
    assert "yaml" in found  # of the distribution PyYAML
    assert set(found) == {"pmk_demo", "yaml"}


def test_a_package_that_differs_is_told_once(
    loaded: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(env_versions, "_reported", set())
    client = {"pmk_demo": "2.0", "no_such_module": "0"}
    assert differences(client, ["pmk-demo"]) == [], "what was asked for is right"
    (sentence,) = differences(client)
    assert "pmk_demo is 2.0 on the client and 1.0 on the worker" in sentence
    assert differences(client) == []
    assert differences({"pmk_demo": "1.0"}) == differences({}) == []


def test_an_environment_tells_its_interpreter_as_in_0_2_5() -> None:
    environment = TaskEnvironment()
    assert environment.get_python_executable() == environment.python == sys.executable
    assert environment.get_venv_path() == str(Path(sys.executable).parent)
