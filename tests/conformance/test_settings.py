"""Settings of the library, each from a variable, seen by real scripts."""

from __future__ import annotations

from typing import Any

import pytest

from pymonik.errors import OptionsError
from pymonik.settings import settings

FILLING = """
import logging, os
import numpy as np
from pymonik import Pymonik, Task
logging.basicConfig(level=logging.INFO, format="%(name)s %(message)s")
summed = Task(np.sum)
with Pymonik() as client:
    handles, sent = [], []
    for i in range(10):
        handles.append(summed.invoke(np.full(100_000, i)))
        sent.append(client.stats.submissions)
    values = [int(h.get()) for h in handles]
    print(sent[0], sent[-1] > 0, values == [i * 100_000 for i in range(10)])
"""


def test_captures_beyond_the_limit_cause_a_flush_that_is_logged(
    run_script: Any, backend: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYMONIK_CAPTURE_LIMIT", "3000000")
    done = run_script(FILLING, backend)
    assert done.stdout == "0 True True\n", done.stderr
    assert "capture" in done.stderr


@pytest.mark.parametrize(
    "name", ["BLOB_SIZE", "APART_SIZE", "SHARED_SIZE", "REQUEST_BYTES", "SUBMIT_UNITS"]
)
def test_values_are_the_same_whatever_the_sizes(
    run_script: Any, backend: str, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setenv(f"PYMONIK_{name}", "100")
    done = run_script(FILLING, backend)
    assert done.stdout == "0 False True\n", done.stderr


def test_a_senseless_setting_names_its_variable(
    run_script: Any, backend: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYMONIK_CAPTURE_LIMIT", "much")
    done = run_script(FILLING, backend)
    assert done.returncode == 1
    assert "PYMONIK_CAPTURE_LIMIT" in done.stderr


@pytest.mark.parametrize(
    ("name", "given", "wanted"),
    [
        ("FAN_IN", "1", "a whole number of at least 2"),
        ("SUBMIT_UNITS", "0", "a whole number of at least 1"),
        ("BLOB_SIZE", "-1", "a whole number of at least 0"),
        ("UNIT_SECONDS", "nan", "a number of at least 0"),
        ("VERIFY", "true", "0 or 1"),
    ],
)
def test_a_setting_with_which_nothing_could_run_is_refused(
    monkeypatch: pytest.MonkeyPatch, name: str, given: str, wanted: str
) -> None:
    monkeypatch.setenv(f"PYMONIK_{name}", given)
    with pytest.raises(OptionsError, match=f"PYMONIK_{name} takes {wanted}, not '{given}'"):
        settings.__wrapped__()
