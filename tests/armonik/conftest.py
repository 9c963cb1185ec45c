"""Emulated clusters of both generations, with this project's own workers."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from pymonik import Pymonik
from pymonik.backend.armonik import polling, rpc
from pymonik.emulator import Emulator
from tests.conformance.seams import until
from tests.conftest import PATIENCE, REPOSITORY

WORKER = (sys.executable, "-m", "pymonik.runtime.worker.server")
GENERATIONS = ("HEAD", "0.37.2")

Connect = Callable[..., Pymonik]


# A worker is a process: one that no test uses is none.
BOTH = {"pymonik": 2, "other": 1}
# Of workers that hand out no rest of a unit, however long a loaded machine takes for it.
UNHURRIED = {"PYTHONPATH": str(REPOSITORY), "PYMONIK_UNIT_SECONDS": "3600"}
# Of workers that hand out what has not begun almost at once.
RESTLESS = {"PYTHONPATH": str(REPOSITORY), "PYMONIK_UNIT_SECONDS": "0.02"}
# Of workers that leave what they run at once when they are told to stop.
HURRIED = {"PYTHONPATH": str(REPOSITORY), "PYMONIK_STOP_SECONDS": "0"}


def started(**settings: Any) -> Emulator:
    """Make an emulator whose workers import this checkout."""
    given = {
        "partitions": {"pymonik": 2},
        "worker": WORKER,
        "environment": UNHURRIED,
        # Programs must run alike on both: PYMONIK_TEST_GENERATION=0.37.2 runs all of them there.
        "generation": os.environ.get("PYMONIK_TEST_GENERATION", GENERATIONS[0]),
    }
    return Emulator(**{**given, **settings})


@pytest.fixture
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let clients ask twice, and then give up: for a control plane that will never answer."""
    monkeypatch.setattr(rpc, "pauses", lambda patience: iter((0.05, None)))


@pytest.fixture
def trusting(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let clients wait for events that are merely late, where a test counts requests."""
    monkeypatch.setattr(polling, "WORD", float(PATIENCE))


def settle(emulator: Emulator) -> None:
    """Forget faults and counts, once no pod is still at a task of the test before.

    It would meet the faults that this test plans, and be counted among its requests.
    """
    until(lambda: not emulator.tasks_in_hand)
    emulator.faults.clear()
    emulator.counters.reset()


@pytest.fixture(scope="session", params=GENERATIONS)
def generations(request: pytest.FixtureRequest) -> Iterator[Emulator]:
    """A cluster of each generation, shared by all tests of this process."""
    with started(generation=request.param, partitions=BOTH) as emulator:
        yield emulator


@pytest.fixture
def generation(generations: Emulator) -> Emulator:
    """The cluster of one generation, which has nothing left of the test before."""
    settle(generations)
    return generations


@pytest.fixture(scope="session")
def shared() -> Iterator[Emulator]:
    """A cluster shared by all tests of this process."""
    with started(partitions=BOTH) as emulator:
        yield emulator


@pytest.fixture
def cluster(shared: Emulator) -> Iterator[Emulator]:
    """The shared cluster, with counters at zero; nothing left of the test before."""
    settle(shared)
    yield shared
    shared.faults.clear()


@pytest.fixture
def connect(cluster: Emulator) -> Connect:
    """Make clients of the cluster."""

    def build(**settings: Any) -> Pymonik:
        return Pymonik(**{"endpoint": cluster.endpoint, **settings})

    return build
