"""Pairs of arrays: told apart at once exactly where a closer look finds nothing in common."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pymonik.capture.pickling import views

SIZE = 12
steps = st.sampled_from([-3, -2, -1, 1, 2, 3])
places = st.integers(0, SIZE)
parts = st.tuples(places, places, steps).map(lambda three: slice(*three))


@given(parts, parts, st.booleans())
def test_what_is_told_apart_at_once_shares_nothing(
    one: slice, other: slice, is_of_another: bool
) -> None:
    memory = np.arange(SIZE)
    pair: list[Any] = [memory[one], (memory.copy() if is_of_another else memory)[other]]
    if any(array.nbytes == 0 for array in pair):  # these are never asked about
        return
    overlap = list(views._overlapping(pair))
    if views._lie_apart(pair):
        assert not overlap
        assert not np.shares_memory(pair[0], pair[1])
    # What shares memory is never told apart.
    assert bool(views.shared_memory(pair)) == bool(overlap)


def test_data_and_mask_are_not_looked_at_closely(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(views, "_bounds", lambda _: pytest.fail("looked at closely"))
    array = np.ma.masked_array(np.arange(10), np.arange(10) < 5)
    assert views.shared_memory([array._data, array.mask]) == {}


def test_a_subclass_is_not_asked_whether_it_shares() -> None:
    class Evasive(np.ndarray):
        def __array_function__(self, *_: Any) -> Any:
            pytest.fail("asked")

    memory = np.arange(SIZE)
    pair: list[Any] = [memory[2:].view(Evasive), memory[:5]]
    assert not views._lie_apart(pair)
