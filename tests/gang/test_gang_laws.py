"""Laws of units that several executors run client: values and errors are what plain Python gives.

The limits of the pass are lowered: graphs of a few calls are run by gangs, too.
"""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pymonik import Pymonik
from tests.conformance.test_random_programs import STEPS, Failed, expected_of, handles_of

examples = settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@settings(examples, max_examples=40)
@given(steps=STEPS, pure=st.booleans(), drop=st.booleans())
def test_random_programs_in_lanes_give_what_plain_python_gives(
    client: Pymonik, steps: Any, pure: bool, drop: bool
) -> None:
    assert_same(client, steps, pure, drop)


@pytest.mark.thorough
@settings(examples, max_examples=500)
@given(steps=STEPS, pure=st.booleans(), drop=st.booleans())
def test_many_random_programs_in_lanes_give_what_plain_python_gives(
    client: Pymonik, steps: Any, pure: bool, drop: bool
) -> None:
    assert_same(client, steps, pure, drop)


def assert_same(client: Pymonik, steps: Any, pure: bool, drop: bool) -> None:
    expected = expected_of(steps)
    handles = handles_of(client, steps, pure)
    looked_at = list(zip(handles, expected, strict=True))[1:]
    if drop:
        looked_at, handles = looked_at[::3], []
    for handle, value in reversed(looked_at):
        if isinstance(value, Failed):
            assert isinstance(handle.exception(), Exception)
        else:
            assert handle.get() == value
