"""The requests of a plan: counted, not estimated."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import pymonik.plan.make_requests as sending_module
from pymonik import Pymonik, Task, TaskOptions
from pymonik.backend.dry_run import DryRunBackend
from pymonik.plan.make_requests import SubmissionContext
from pymonik.plan.plan import Plan
from pymonik.plan.requests import Submit
from pymonik.plan.stored_objects import StoredObjects
from pymonik.settings import settings as settings_of
from tests.graph.programs import TASKS, recording
from tests.graph.random_programs import STEPS, Lazy, Step, carry_out

inc, total, note = (TASKS[name] for name in ("inc", "total", "note"))


@pytest.fixture
def limits(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Set limits of requests that small plans reach."""

    def set_limits(**given: int) -> None:
        changed = replace(settings_of(), **given)
        monkeypatch.setattr(sending_module, "settings", lambda: changed)

    return set_limits


def counts(plan: Plan) -> dict[str, list[int]]:
    """Give the counts of a plan's requests by kind."""
    found: dict[str, list[int]] = {}
    for request in plan.requests:
        found.setdefault(request.kind, []).append(request.count)
    return found


@pytest.mark.parametrize(("calls", "submits"), [(1, 1), (999, 1), (1000, 1), (1001, 2), (2500, 3)])
def test_a_graph_takes_two_requests_and_one_a_thousand_units(calls: int, submits: int) -> None:
    with recording(optimize=False) as client:
        xs = inc.map_invoke(range(calls))
        found = counts(client.plan())
        assert (found["declare"], found["create"]) == ([calls], [calls])
        assert len(found["submit"]) == submits
        assert found["submit"] == [min(1000, n) for n in range(calls, 0, -1000)]
        del xs


def test_large_blobs_are_streams_of_their_own(limits: Any) -> None:
    limits(request_bytes=400_000)
    with recording() as client:
        ends = [total.invoke(np.arange(n)) for n in (5000, 6000, 50_000, 60_000)]
        plan = client.plan()
        large = sorted(blob.size for blob in plan.blobs)[2:]
        streams = sorted(r.size for r in plan.requests if r.kind == "stream")
        assert len(streams) == 2
        assert all(size < sent < 1.01 * size for size, sent in zip(large, streams))
        # Their ids come with the declaration, the others' with the creation.
        assert counts(plan)["declare"] == [len(plan.units) + 2]
        del ends


def test_creations_are_split_by_bytes(limits: Any) -> None:
    limits(request_bytes=50_000)
    with recording(optimize=False) as client:
        ends = [total.invoke([float(i)] * 1000) for i in range(20)]
        created = [request.size for request in client.plan().requests if request.kind == "create"]
        assert len(created) > 3
        # None could have joined the one before it: each order here takes about 9 500 bytes.
        assert all(size > 50_000 - 10_000 for size in created[:-1])
        assert all(size < 51_000 for size in created)
        del ends


def test_options_of_tasks_count_in_the_bytes_of_a_submission(limits: Any) -> None:
    limits(request_bytes=50_000)
    with recording(optimize=False) as client:
        options = [{"custom": f"{n} " + 5_000 * "x"} for n in range(20)]
        kept = [inc.invoke(1, task_options=TaskOptions(options=given)) for given in options]
        submits = [request for request in client.plan().requests if request.kind == "submit"]
        assert sum(request.count for request in submits) == 20
        assert all(request.size < 51_000 for request in submits)
        del kept


@settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
@given(steps=STEPS, optimize=st.booleans(), request_bytes=st.sampled_from([800, 4000, 20 << 20]))
def test_the_counts_of_a_plan_are_exact(
    limits: Any, steps: list[Step], optimize: bool, request_bytes: int
) -> None:
    limits(request_bytes=request_bytes, submit_units=3)
    with recording(optimize=optimize) as client:
        kept = carry_out(steps, Lazy(client))
        plan = client.plan()
        found = counts(plan)
        units, payloads = len(plan.units), sum(len(unit.payload) for unit in plan.units)
        # What an earlier flush has stored does not travel again.
        assert plan.size == payloads + sum(blob.size for blob in plan.uploads)
        streams = sum(found.get("stream", []))
        stored = sum(found.get("create", [])) + streams
        named = bool(plan.places())
        assert stored == units + len(plan.uploads) + named
        declared = found.get("declare", [])
        assert declared == ([units + streams] if units + streams else [])
        assert sum(found.get("submit", [])) == units
        assert len(found.get("submit", [])) >= math.ceil(units / 3)
        assert all(1 <= count <= 3 for count in found.get("submit", []))
        assert sum(request.size for request in plan.requests) >= plan.size
        del kept


@given(steps=STEPS, optimize=st.booleans())
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_tasks_come_after_their_consumers_and_the_ready_ones_in_the_order_of_the_program(
    steps: list[Step], optimize: bool
) -> None:
    with recording(optimize=optimize) as client:
        kept = carry_out(steps, Lazy(client))
        plan = client.plan()
        sent = sending_module.sending(plan.units, plan.blobs, StoredObjects(), SubmissionContext())
        numbers = {id(output): number for number, (_, output) in enumerate(sent.outputs)}
        entries = [
            entry
            for sending in sent.requests
            if isinstance(sending, Submit)
            for entry in sending.entries
        ]
        seen: set[int] = set()
        for entry in entries:
            assert not any(id(source) in seen for source in entry.inputs)
            seen.add(id(entry.output))
        ready = [
            numbers[id(entry.output)]
            for entry in entries
            if not any(id(source) in seen for source in entry.inputs)
        ]
        assert len(seen) == len(plan.units)
        assert ready == sorted(ready)
        del kept


def test_values_of_an_earlier_submission_are_not_stored_again() -> None:
    with recording(optimize=False) as client:
        xs = inc.map_invoke(range(5))
        client.flush()
        s = total.invoke(xs)
        assert counts(client.plan()) == {"declare": [1], "create": [1], "submit": [1]}
        del s


def test_the_steps_of_a_plan_come_in_the_order_of_sending() -> None:
    with recording() as client:
        ends = total.invoke(np.arange(1_000_000))
        kinds = [request.kind for request in client.plan().requests]
        assert kinds == ["declare", "create", "stream", "submit"]
        del ends


@pytest.mark.parametrize("optimize", [True, False])
def test_what_a_client_says_it_did_is_what_its_plans_said(optimize: bool) -> None:
    with recording(optimize=optimize) as client:
        planned: list[Plan] = []
        for n in (10, 200):
            xs = inc.map_invoke(range(n))
            ends = total.invoke(xs), note.invoke("x", np.arange(10_000))
            planned.append(client.plan())
            client.flush()
            del xs, ends
        stats = client.stats
        assert stats.submissions == 2
        assert stats.calls == sum(plan.calls for plan in planned)
        assert stats.units == sum(len(plan.units) for plan in planned)


def test_the_name_of_a_map_names_all_of_it() -> None:
    double = Task(lambda x: 2 * x, func_name="double")
    with Pymonik(backend="inline") as client:
        handles = double.map_invoke([1, 2, 3], pmk_name="pv")
        plan = client.plan()
        assert plan.places()["pv"].length == 3
        assert plan.requests
        assert handles.get() == [2, 4, 6]


def test_a_dry_run_tells_its_figures(caplog: pytest.LogCaptureFixture) -> None:
    with pytest.raises(SystemExit), Pymonik(backend="dry-run") as client:
        inc.invoke(1, pymonik=client).get()
    assert [r.message for r in caplog.records if "dry run" in r.message] == [
        f"the dry run ends here, nothing was sent: {DryRunBackend.sent[-1]!r}"
    ]
