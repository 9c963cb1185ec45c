"""What is told of a module that a worker lacks: what brings it there, where it is found here."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from pymonik.capture.freeze import freeze
from pymonik.values.exceptions import packed
from pymonik.values.missing_modules import hint_for_missing
from pymonik.values.outcome import Failure


@pytest.fixture
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.syspath_prepend(str(tmp_path))
    file = tmp_path / "lies_elsewhere.py"
    file.touch()
    return file


def test_a_module_that_lies_elsewhere(elsewhere: Path) -> None:
    said = hint_for_missing("lies_elsewhere")
    assert str(elsewhere) in said
    assert said.endswith("PYMONIK_LOCAL_MODULES=lies_elsewhere to send it along")


def test_a_package_that_is_installed() -> None:
    assert "'pytest' is installed here" in hint_for_missing("pytest")


def test_a_package_that_a_user_has_installed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "lib" / "site-packages"
    folder.mkdir(parents=True)
    (folder / "of_this_user.py").touch()
    monkeypatch.syspath_prepend(str(folder))
    assert "'of_this_user' is installed here" in hint_for_missing("of_this_user")


@pytest.mark.parametrize(
    "name", ["nowhere_at_all", "os", "sys", "__main__", "", None, ".", "pytest.nothing", 5]
)
def test_nothing_is_said_of_others(name: Any) -> None:
    assert hint_for_missing(name) == ""


def test_a_finder_of_others_may_fail(monkeypatch: pytest.MonkeyPatch) -> None:
    class Finder:
        @staticmethod
        def find_spec(*_: Any) -> None:
            raise RuntimeError("no")

    monkeypatch.setattr("sys.meta_path", [Finder()])
    assert hint_for_missing("nowhere_at_all") == ""


def test_the_story_of_the_error_tells_it(elsewhere: Path) -> None:
    error = ModuleNotFoundError("No module named 'lies_elsewhere'", name="lies_elsewhere")
    failure = Failure("error", str(error), "load", exception=packed(error, freeze)[0])
    raised = failure.error()
    assert type(raised) is ModuleNotFoundError
    assert f"({elsewhere}), but not there" in str(raised.__cause__)
