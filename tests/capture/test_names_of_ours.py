"""Functions of ours in pickles: named at once, and nobody is asked how they travel."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from pymonik import _pickled
from pymonik.capture.freeze import content_of
from pymonik.capture.pickling import pickler
from pymonik.capture.pickling.arrays import new_masked_array


def test_nobody_is_asked_how_what_makes_an_array_travels(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Any] = []
    real = pickler.is_known_by_name

    def note(function: Any) -> bool:
        asked.append(function)
        return bool(real(function))

    monkeypatch.setattr(pickler, "is_known_by_name", note)
    array = np.ma.masked_array(np.arange(1000), [True, False] * 500)
    content = content_of([array, np.arange(2000)[::2].view(np.matrix)])
    assert b"masked_array_over" in content.data
    # NumPy's own functions are asked about: those of other packages may be anything.
    assert all(function.__module__ != _pickled.__name__ for function in asked)
    assert content.load()[0].tolist() == array.tolist()


@pytest.mark.parametrize("name", ["stranger", new_masked_array.__name__])
def test_a_function_that_only_says_that_it_is_ours_travels_itself(name: str) -> None:
    def stranger() -> int:
        return 5

    stranger.__module__, stranger.__qualname__ = _pickled.__name__, name
    assert content_of(stranger).load()() == 5
