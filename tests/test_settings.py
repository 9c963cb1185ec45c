"""What the settings say of themselves: each variable is one of theirs, and each has a reason."""

from __future__ import annotations

import os
import re
from dataclasses import fields
from pathlib import Path

import pytest

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


# The second by its name of before.
@pytest.mark.parametrize("name", ["PYMONIK_VALUES_FOLDER", "PYMONIK_CACHE"])
def test_folders_may_be_those_of_the_user(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv(name, "~/values")
    monkeypatch.setenv("PYMONIK_RUNS", "~/runs")
    assert (default_folder(), folder()) == (Path.home() / "values", Path.home() / "runs")
