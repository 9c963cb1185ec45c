"""These tests look at what plans hold: the modules of the tests themselves stay out of them."""

from __future__ import annotations

import pytest

from pymonik import local


@pytest.fixture(autouse=True)
def no_modules_of_tests(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(local, "_in_settings", lambda name: False if "tests" in name else None)
