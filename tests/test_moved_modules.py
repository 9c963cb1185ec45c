"""Modules by the names of before: the same objects, with a warning, and nothing else changes."""

from __future__ import annotations

import importlib
import importlib.util
import subprocess
import sys

import pytest

import pymonik
from pymonik.environment import Environment
from pymonik.system.moved_modules import MOVED, RENAMED


@pytest.mark.parametrize("name", MOVED)
def test_a_module_of_before_is_that_of_today(name: str) -> None:
    sys.modules.pop(name, None)
    with pytest.warns(DeprecationWarning, match=rf"{name} is called {MOVED[name]} since") as told:
        found = importlib.import_module(name)
    assert found is importlib.import_module(MOVED[name])
    assert found.__name__ == found.__spec__.name == MOVED[name]
    assert len(told) == 1
    for before, now in RENAMED.get(MOVED[name], {}).items():
        assert getattr(found, before) is getattr(found, now)


def test_no_name_of_before_hides_one_of_today() -> None:
    for name in MOVED:
        assert name.removeprefix("pymonik.") not in pymonik.__all__
        parent = importlib.util.find_spec(name.rpartition(".")[0])
        assert parent is not None, f"{name} has no package to be in"


def test_programs_of_0_2_import_what_they_did() -> None:
    program = (
        "from pymonik.core import Pymonik, Task, task\n"
        "from pymonik.context import PymonikContext\n"
        "from pymonik.results import MultiResultHandle, ResultHandle\n"
        "from pymonik.worker import run_pymonik_worker\n"
        "import pymonik\n"
        "print(Pymonik is pymonik.Pymonik, ResultHandle is pymonik.ResultHandle)\n"
        "print(task is pymonik.task)"
    )
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert ran.stdout.split() == ["True"] * 3, ran.stderr
    assert "<string>:1: DeprecationWarning" in ran.stderr  # at the line that has to change


def test_what_never_was_is_not_found() -> None:
    with pytest.raises(ModuleNotFoundError, match=r"No module named 'pymonik\.nowhere'"):
        importlib.import_module("pymonik.nowhere")


def test_an_environment_parses_what_describes_it() -> None:
    parsed = Environment.parse({"pip": ["six"]})  # type: ignore[attr-defined]
    assert type(parsed) is Environment
    assert parsed.packages == ("six",)
