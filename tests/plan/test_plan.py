"""The plan: asking for it sends nothing, and equal contents are in it once."""

from __future__ import annotations

import weakref
from typing import Any

import numpy as np
import pandas as pd
import pytest

from pymonik import Pymonik, ResultHandle, task
from tests.graph.programs import TASKS, recording

inc, total, note = (TASKS[name] for name in ("inc", "total", "note"))


@task
def price(spots: Any, strikes: Any, i: int, j: int) -> float:
    return float(max(spots[i] - strikes[j], 0))


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
    assert client.create().parts.engine.backend.pids == []  # type: ignore[union-attr]
    client.cancel()


def test_a_plan_tells_its_figures_and_its_graph() -> None:
    with recording() as client:
        xs = inc.map_invoke(range(100))
        plan = client.plan()
        assert repr(plan) == (
            f"<Plan: 100 calls in 4 units, 0 blobs, {len(plan.requests)} requests, "
            f"{plan.size:,} bytes>"
        )
        assert str(plan).splitlines()[1:] == ["%0 = map[100/25] inc(0:100) *"]
        del xs


def test_a_plan_holds_no_handles() -> None:
    with recording() as client:
        handles = [
            inc.invoke(1, pmk_name="one"),
            inc.map_invoke(range(3), pmk_name="three"),
            client.put([1], name="put"),
            total.invoke([1, 2]),
        ]
        handles.append(total.invoke([handles[0], *handles[1]]))
        client.flush()
        handles.append(inc.invoke(5).named("late"))
        plan = client.plan()
        assert [named.name for named in plan.names] == ["late"]
        held = [weakref.ref(handle) for handle in handles if isinstance(handle, ResultHandle)]
        client.recorder.names.clear()
        handles.clear()
        assert [handle() for handle in held] == [None] * 5
        del plan


def test_one_is_singular() -> None:
    with recording() as client:
        x = inc.invoke(1)
        assert repr(client) == "<Pymonik on inline, 1 call pending>"
        assert repr(client.plan()).startswith("<Plan: 1 call in 1 unit, 0 blobs, 3 requests, ")
        assert repr(client.plan().units[0]) == "<Unit 0: inc × 1, 0 inputs>"
        del x


def test_an_empty_plan_has_no_requests() -> None:
    with recording() as client:
        plan = client.plan()
        assert (bool(plan), plan.requests, plan.size, plan.calls) == (False, (), 0, 0)


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
        assert client.plan().size < 305_000
        del grid
