"""The plan: what would be sent, counted; equal contents once; asking for it sends nothing."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import pymonik.plan.sending as sending_module
from pymonik import Pymonik, Task, task
from pymonik.backend.dry_run import DryRunBackend
from pymonik.plan.plan import Plan
from pymonik.settings import settings as settings_of
from tests.graph.programs import TASKS, recording
from tests.graph.random_programs import STEPS, Lazy, Step, carry_out

inc, total, note = (TASKS[name] for name in ("inc", "total", "note"))


@task
def price(spots: Any, strikes: Any, i: int, j: int) -> float:
    return float(max(spots[i] - strikes[j], 0))


# ----- asking


def test_asking_for_the_plan_sends_nothing_and_can_be_repeated() -> None:
    with recording() as client:
        xs = inc.map_invoke(range(100))
        s = total.invoke(xs)
        plans = [client.plan(), client.plan()]
        assert client.stats.submissions == 0
        assert len(client.pending) == 2
        assert repr(plans[0]) == repr(plans[1])
        assert [u.payload for u in plans[0].units] == [u.payload for u in plans[1].units]
        assert s.get() == 5050
        assert client.stats.units == len(plans[0].units)
        assert not client.plan()


def test_the_local_engine_starts_no_process_for_a_plan() -> None:
    client = Pymonik(backend="local", workers=2)
    inc.map_invoke(range(100), pymonik=client)
    assert len(client.plan().units) > 1
    assert client.create()._backend.pids == []  # type: ignore[union-attr]
    client.cancel()


def test_a_plan_tells_its_figures_and_its_graph() -> None:
    with recording() as client:
        xs = inc.map_invoke(range(100))
        plan = client.plan()
        assert repr(plan) == (
            f"<Plan: 100 calls in 4 units, 0 blobs, {len(plan.requests)} requests, "
            f"{plan.size} bytes>"
        )
        assert str(plan).splitlines()[1:] == ["%0 = map[100/25] inc(0:100) *"]
        del xs


def test_an_empty_plan_has_no_requests() -> None:
    with recording() as client:
        plan = client.plan()
        assert (bool(plan), plan.requests, plan.size, plan.calls) == (False, (), 0, 0)


# ----- equal contents are one


def frame() -> pd.DataFrame:
    return pd.DataFrame({"x": np.arange(5000.0), "y": list("ab") * 2500})


def test_a_frame_passed_to_a_hundred_calls_is_stored_once() -> None:
    df = frame()
    with recording() as client:
        ends = [note.invoke(i, df) for i in range(100)]
        plan = client.plan()
        assert len(plan.blobs) == 1
        assert plan.size < 2 * plan.blobs[0].size
        del ends


@pytest.mark.parametrize("optimize", [True, False])
def test_a_hundred_calls_as_written_share_it_too(optimize: bool) -> None:
    df = frame()
    with recording(optimize=optimize) as client:
        ends = [note.invoke(i, {"data": df}) for i in range(100)]
        plan = client.plan()
        # Stored once; each payload names it by position.
        assert [blob.size > 40_000 for blob in plan.blobs] == [True]
        assert sum(len(unit.payload) for unit in plan.units) < 100 * 2000
        del ends


def test_contents_are_equal_by_value_not_by_identity() -> None:
    with recording() as client:
        a, b = np.arange(10_000), np.arange(10_000)
        ends = [total.invoke(a), total.invoke(b), total.invoke(client.put(np.arange(10_000)))]
        assert len(client.plan().blobs) == 1
        a[0] = 9
        ends += [total.invoke(a), total.invoke(b.astype(float)), total.invoke(b.reshape(100, 100))]
        assert len(client.plan().blobs) == 4
        del ends


def test_put_many_and_arguments_share_their_contents() -> None:
    with recording() as client:
        data = [list(range(k, 20_000)) for k in range(3)]
        handles = client.put_many(data, names=["a", "b", "c"])
        again = client.put_many(data)
        ends = [total.invoke(h) for h in [*handles, *again]] + [total.invoke(d) for d in data]
        plan = client.plan()
        assert len(plan.blobs) == 3
        assert sorted(plan.named) == ["a", "b", "c"]
        assert {id(content) for content in plan.named.values()} == set(map(id, plan.blobs))
        del ends


def test_a_grid_of_calls_over_two_shared_arrays_stays_small() -> None:
    spots, strikes = np.linspace(50, 150, 1000), np.linspace(80, 120, 1000)
    assert spots.nbytes == strikes.nbytes == 8000
    with recording() as client:
        grid = [price.invoke(spots, strikes, i, j) for i in range(41) for j in range(41)]
        plan = client.plan()
        assert plan.calls == 1681
        assert plan.size < 300_000
        assert len(plan.requests) == 3
        assert sum(h.get() for h in grid) == pytest.approx(
            sum(max(spots[i] - strikes[j], 0) for i in range(41) for j in range(41))
        )


def test_many_slots_do_not_multiply_the_arrays_beyond_their_payloads() -> None:
    spots, strikes = np.linspace(50, 150, 1000), np.linspace(80, 120, 1000)
    with recording(8) as client:
        grid = [price.invoke(spots, strikes, i, j) for i in range(41) for j in range(41)]
        assert client.plan().size < 300_000
        del grid


# ----- counts


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
        # The last thousand first: consumers before what they need.
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
        assert plan.size == payloads + sum(blob.size for blob in plan.blobs)
        streams = sum(found.get("stream", []))
        stored = sum(found.get("create", [])) + streams
        named = bool(plan.places())
        assert stored == units + len(plan.blobs) + named
        declared = found.get("declare", [])
        assert declared == ([units + streams] if units + streams else [])
        assert sum(found.get("submit", [])) == units
        assert len(found.get("submit", [])) >= math.ceil(units / 3)
        assert all(1 <= count <= 3 for count in found.get("submit", []))
        assert sum(request.size for request in plan.requests) >= plan.size
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
