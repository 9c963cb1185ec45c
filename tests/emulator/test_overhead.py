"""What a task costs beside its own work."""

from __future__ import annotations

import pytest

from pymonik.emulator.engine import Engine
from pymonik.emulator.overhead import Overhead
from pymonik.emulator.queues import Queues
from pymonik.emulator.state import ClusterSettings, events
from tests.emulator.plain_cluster import Client, emulator
from tests.emulator.plain_machine import OPTIONS
from tests.emulator.test_faults import Sleeps


def test_the_figures_are_those_of_an_engine() -> None:
    overhead = Overhead(0.015)
    assert overhead.of_submission(1_000) == pytest.approx(0.3, rel=0.1)
    message = overhead.of_message(at_submission=True)
    assert 0.025 < overhead.of_submission(1) + message + overhead.per_task < 0.045
    level = overhead.of_message(at_submission=False) + overhead.per_task
    assert level == pytest.approx(0.077, rel=0.1)


def test_a_message_can_be_taken_once_it_has_arrived() -> None:
    now = 0.0
    queues = Queues(clock=lambda: now)
    queues.push("p", "later", 9, delay=2.0)
    queues.push("p", "late", 1, delay=1.0)
    queues.push("p", "now", 1)
    assert queues.pop("p") == "now"
    now = 1.0
    assert queues.pop("p") == "late"
    now = 2.0
    assert queues.pop("p") == "later"


def test_a_task_that_was_waited_for_is_on_its_way_for_longer() -> None:
    engine = Engine(ClusterSettings(("main",), "main"), overhead=Overhead(1.0))
    delays = []
    engine.queues.push = lambda *message: delays.append(message[-1])  # type: ignore[method-assign]
    for event in (
        events.CreateSession("s", OPTIONS, ("main",)),
        events.CreateResults("s", (events.NewResult("ready", "p", b"p", 1),)),
        events.CreateResults("s", (events.NewResult("upload", "u"),)),
        events.SubmitTasks("s", (events.NewTask("a", "ready"), events.NewTask("b", "upload"))),
        events.UploadResult("s", events.StoredObject("upload", b"u", 1)),
    ):
        engine.apply(event)
    assert delays == [1.0, 4.0]


def test_a_chain_runs_with_an_overhead_and_its_submissions_take_time() -> None:
    sleeps = Sleeps()
    with emulator(task_overhead=0.001, sleep=sleeps) as started, Client(started.endpoint) as client:
        first = client.run("concat", text="a")[1]
        second = client.run("concat", first, text="b")[1]
        assert client.value(second) == b"ab"
    assert sleeps.taken == [pytest.approx(0.001 * 0.62)] * 2
