"""Laws of units that several executors run together: values and errors are what plain Python gives.

The limits of the pass are lowered: graphs of a few calls are run by gangs, too.
"""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pymonik import Pymonik
from tests.conformance.test_random_programs import STEPS, asserted

examples = settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@settings(examples, max_examples=40)
@given(steps=STEPS, pure=st.booleans(), drop=st.booleans())
def test_random_programs_in_lanes_give_what_plain_python_gives(
    client: Pymonik, steps: Any, pure: bool, drop: bool
) -> None:
    asserted(client, steps, pure, drop)


@pytest.mark.thorough
@settings(examples, max_examples=500)
@given(steps=STEPS, pure=st.booleans(), drop=st.booleans())
def test_many_random_programs_in_lanes_give_what_plain_python_gives(
    client: Pymonik, steps: Any, pure: bool, drop: bool
) -> None:
    asserted(client, steps, pure, drop)
