"""What the settings say of themselves: each variable is one of theirs, and each has a reason."""

from __future__ import annotations

import os
import re
from dataclasses import fields
from pathlib import Path

import pytest

import pymonik.settings
from pymonik import Pymonik, Task
from pymonik.cache.store import default_folder
from pymonik.runs.store import folder
from pymonik.settings import LIFELINE, STEERING, Settings, steered, variable
from tests.conftest import REPOSITORY

FILES = sorted((REPOSITORY / "pymonik").rglob("*.py"))
VARIABLES = {variable(name) for name in (*STEERING, *(field.name for field in fields(Settings)))}


def test_every_variable_is_one_of_the_settings() -> None:
    named = re.compile(r"\bPYMONIK_[A-Z_]*[A-Z]\b")
    texts = [path.read_text(encoding="utf-8") for path in FILES]
    assert {name for text in texts for name in named.findall(text)} <= VARIABLES | {LIFELINE}


def test_a_setting_has_its_reason_above_it() -> None:
    lines = (REPOSITORY / "pymonik" / "settings.py").read_text(encoding="utf-8").splitlines()
    places = {line.split(":")[0].strip(): place for place, line in enumerate(lines)}
    without = [f.name for f in fields(Settings) if "#" not in lines[places[f.name] - 1]]
    assert without == []


def test_a_variable_is_steered_for_a_while() -> None:
    name = variable("backend")
    before = os.environ.get(name)
    with steered("backend", "inline"), steered("backend", "dry-run"):
        assert os.environ[name] == "dry-run"
    assert os.environ.get(name) == before


def test_folders_may_be_those_of_the_user(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYMONIK_VALUES_FOLDER", "~/values")
    monkeypatch.setenv("PYMONIK_RUNS", "~/runs")
    assert (default_folder(), folder()) == (Path.home() / "values", Path.home() / "runs")


def test_a_variable_by_its_old_name_is_warned_of_once_at_the_users_line(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(pymonik.settings, "_told", set())
    monkeypatch.setenv("PYMONIK_CACHE", str(tmp_path / "values"))
    absolute = Task(abs, func_name="absolute", pure=True, cache=True)
    with Pymonik(backend="inline"):
        call = absolute.invoke(-1)
        with pytest.warns(
            DeprecationWarning, match="PYMONIK_CACHE is called PYMONIK_VALUES_FOLDER"
        ) as told:
            assert call.get() == 1
    ours = [warning for warning in told if warning.category is DeprecationWarning]
    assert [warning.filename for warning in ours] == [__file__]
    assert default_folder() == tmp_path / "values"
    assert list(default_folder().iterdir())  # and nothing was said of it again
