"""What is compared by its pickle: for which nothing is imported."""

from __future__ import annotations

import functools
import sys
import types
from collections import deque
from typing import Any

import pytest

from pymonik.capture.changes.held_bytes import pickle_of

SOURCE = """
class Point:
    pass

def plain(x):
    return x
"""


@pytest.mark.parametrize(
    "hold", [functools.lru_cache, lambda f: deque([f])], ids=["cache", "deque"]
)
@pytest.mark.parametrize("name", ["Point", "plain"])
def test_classes_and_functions_are_not_looked_up_in_their_modules(
    monkeypatch: pytest.MonkeyPatch, hold: Any, name: str
) -> None:
    module = types.ModuleType("this")  # whose import prints
    exec(SOURCE, vars(module))
    held = hold(getattr(module, name))
    monkeypatch.delitem(sys.modules, "this", raising=False)
    assert pickle_of(held) == pickle_of(held) is not None
    assert "this" not in sys.modules
