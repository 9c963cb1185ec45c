"""For the tests of pipelines: an emulated cluster as a pytest fixture, and counts of requests.

    # conftest.py
    pytest_plugins = ["pymonik.testing"]

    # test_pipeline.py
    def test_pipeline_is_one_submission(emulator):
        with assert_requests(emulator, SubmitTasks=1):
            with Pymonik(endpoint=emulator.endpoint):
                ...

Workers start once for all tests. To choose partitions, the number of workers, or anything else an
`Emulator` takes, override the fixture `emulator_settings`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import pytest

from pymonik.emulator import Count, Emulator
from pymonik.humanize import counted

__all__ = ["assert_requests", "emulator", "emulator_settings", "running_emulator"]


@pytest.fixture(scope="session")
def emulator_settings() -> Mapping[str, Any]:
    """Return what `Emulator` is made with: override this fixture to change it."""
    return {"partitions": {"pymonik": 2}}


@pytest.fixture(scope="session")
def running_emulator(emulator_settings: Mapping[str, Any]) -> Iterator[Emulator]:
    """Return the emulator that all tests share."""
    with Emulator(**emulator_settings) as started:
        yield started


@pytest.fixture
def emulator(running_emulator: Emulator) -> Emulator:
    """Return the shared emulator, with its counters at zero and no fault planned."""
    running_emulator.counters.reset()
    running_emulator.faults.clear()
    return running_emulator


@contextmanager
def assert_requests(
    emulator: Emulator,
    *,
    total: int | range | None = None,
    max_bytes: int | None = None,
    **methods: int | range,
) -> Iterator[None]:
    """Assert how many requests clients send within the block, by method and altogether.

    A number is exact; a range holds every number that is fine. `max_bytes` limits the bytes of
    requests and answers together. Requests of workers to their agents do not count.

    >>> @task
    ... def square(x):
    ...     return x * x
    >>> with Emulator() as emulator, Pymonik(emulator.endpoint):
    ...     with assert_requests(emulator, SubmitTasks=1, total=range(1, 20)):
    ...         sum(square.map_invoke(range(10)).get())
    285
    """
    unknown = sorted(set(methods) - emulator.methods)
    if unknown:
        raise ValueError(
            f"no such method: {', '.join(unknown)}; there are {', '.join(sorted(emulator.methods))}"
        )
    before = dict(emulator.counters)
    yield
    seen = {name: emulator.counters[name] - before.get(name, Count()) for name in emulator.methods}
    whole = sum(seen.values(), Count())
    wrong = [
        _complaint(name, seen[name].requests, expected)
        for name, expected in methods.items()
        if not _fits(seen[name].requests, expected)
    ]
    if total is not None and not _fits(whole.requests, total):
        wrong.append(_complaint("in all", whole.requests, total))
    size = whole.request_bytes + whole.response_bytes
    if max_bytes is not None and size > max_bytes:
        wrong.append(f"{counted(size, 'byte')}, at most {max_bytes} expected")
    if wrong:
        sent = ", ".join(f"{name} {c.requests}" for name, c in sorted(seen.items()) if c.requests)
        raise AssertionError(f"{'; '.join(wrong)}. Sent: {sent or 'nothing'}")


def _fits(number: int, expected: int | range) -> bool:
    return number in expected if isinstance(expected, range) else number == expected


def _complaint(what: str, number: int, expected: int | range) -> str:
    wanted = f"one of {list(expected)}" if isinstance(expected, range) else str(expected)
    if isinstance(expected, range) and expected.step == 1 and len(expected) > 1:
        wanted = f"{expected[0]} to {expected[-1]}"
    return f"{counted(number, 'request')} {what}, {wanted} expected"
