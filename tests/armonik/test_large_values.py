"""Large values lie apart from their packs: whoever fetches one moves none of its siblings."""

from __future__ import annotations

import asyncio
import itertools
from typing import Any

import numpy as np
import pytest
from armonik.protogen.common.results_common_pb2 import DeleteResultsDataRequest

from pymonik import Pymonik, as_completed, task
from pymonik.emulator import DropBefore, Emulator
from pymonik.errors import ValueLost
from tests.armonik.conftest import Connect

LARGE = 300_000
SMALL = 1_000
_fresh = itertools.count()


@task
def block(number: int, size: int = LARGE) -> bytes:
    return bytes([number]) * size


@task
def first(data: Any) -> int:
    return int(data[0])


@task
def firsts(blocks: Any) -> list[int]:
    return [data[0] for data in blocks]


@task
def grown(data: Any) -> Any:
    return data + data


@task
def block_or_error(number: int) -> bytes:
    if number == 2:
        raise ValueError(f"no block {number}")
    return bytes([number]) * LARGE


@task
def by_sub_task(number: int, size: int) -> Any:
    return block.invoke(number, size)


@task
def pair_by_sub_tasks(number: int) -> Any:
    return {"own": bytes([number]) * LARGE, "other": block.invoke(number + 1)}


def downloads(cluster: Emulator) -> tuple[int, float]:
    """Give requests, and their bytes in large values."""
    count = cluster.counters["DownloadResultData"]
    return count.requests, round(count.response_bytes / LARGE, 1)


def brought(cluster: Emulator) -> int:
    return cluster.counters["Agent.GetResourceData"].requests


def blocks(n: int, *sizes: int) -> Any:
    """Make values in one unit; no worker has met them before."""
    sizes = sizes or (LARGE + next(_fresh),) * n
    return block.map_invoke(list(zip(range(n), sizes)), pmk_chunk_size=n)


def test_one_value_of_eight_moves_alone(cluster: Emulator, connect: Connect) -> None:
    with connect():
        values = blocks(8)
        assert set(values[5].get()) == {5}
        # The pack, then the value.
        assert downloads(cluster) == (2, 1.0)
    assert cluster.counters["Worker.Process"].requests == 1


def test_all_values_of_a_pack_come_when_all_are_asked_for(
    cluster: Emulator, connect: Connect
) -> None:
    with connect():
        assert [data[0] for data in blocks(8).get()] == list(range(8))
        assert downloads(cluster) == (9, 8.0)


def test_a_slice_moves_no_more_than_itself(cluster: Emulator, connect: Connect) -> None:
    with connect():
        values = blocks(8)
        assert [data[0] for data in values[7:1:-3].get()] == [7, 4]
        assert downloads(cluster) == (3, 2.0)


def test_neighbours_asked_for_one_by_one_are_read_ahead(
    cluster: Emulator, connect: Connect
) -> None:
    with connect() as client:
        values = blocks(8)
        assert [values[i].get()[0] for i in range(2)] == [0, 1]
        outputs = values[0]._node.location.unit_outputs[0]
        with client.parts.engine.backend.traits.arrivals.changed:  # type: ignore[union-attr]
            assert client.parts.engine.backend.traits.arrivals.changed.wait_for(
                lambda: not outputs.missing, 60
            )  # type: ignore[union-attr]
        assert [value.get()[0] for value in values] == list(range(8))
        assert downloads(cluster) == (9, 8.0)


def test_small_values_stay_in_their_pack(cluster: Emulator, connect: Connect) -> None:
    with connect():
        values = blocks(4, SMALL, LARGE, SMALL, LARGE)
        assert values[0].get() == bytes(SMALL)
        assert values[2].get() == b"\2" * SMALL
        assert downloads(cluster) == (1, 0.0)
        assert values[3].get()[0] == 3
        assert downloads(cluster) == (2, 1.0)


def test_a_value_without_siblings_is_its_pack(cluster: Emulator, connect: Connect) -> None:
    with connect():
        assert block.invoke(1).get()[0] == 1
        assert downloads(cluster) == (1, 1.0)


def test_equal_values_are_stored_once(cluster: Emulator, connect: Connect) -> None:
    with connect() as client:
        values = block.map_invoke([(7,)] * 6, pmk_chunk_size=6)
        assert values[2].get()[0] == 7
        made = [r for r in client.parts.engine.backend._session.list_results() if r.size >= LARGE]  # type: ignore
        assert len(made) == 1


# ----- inside workers


def test_a_dependent_brings_the_values_it_uses_and_no_others(
    cluster: Emulator, connect: Connect
) -> None:
    with connect():
        values = blocks(8)
        assert first.invoke(values[3]).get() == 3
        assert brought(cluster) == 1
        assert firsts.invoke([values[6], values[4], values[6]]).get() == [6, 4, 6]
        assert brought(cluster) == 3
        assert downloads(cluster)[1] == 0


def test_a_worker_that_has_a_value_does_not_bring_it_again(
    cluster: Emulator, connect: Connect
) -> None:
    with connect(partition="other") as client:  # it has one worker
        values = blocks(4)
        client.flush()
        assert first.invoke(values[1]).get() == 1
        assert firsts.invoke([values[1]]).get() == [1]
        assert brought(cluster) == 1


def test_each_unit_of_a_map_brings_its_own(cluster: Emulator, connect: Connect) -> None:
    with connect() as client:
        values = blocks(8)
        client.flush()
        found = first.map_invoke(values, pmk_chunk_size=2)
        assert found.get() == list(range(8))
        assert brought(cluster) == 8
        assert cluster.counters["Worker.Process"].requests == 5


def test_values_handed_on_by_a_second_submission(cluster: Emulator, connect: Connect) -> None:
    with connect():
        values = blocks(5)
        assert values[0].get()[0] == 0
        twice = grown.map_invoke(values[1:], pmk_chunk_size=4)
        assert set(twice[2].get()) == {3}
        assert downloads(cluster) == (4, 3.0)


def test_a_step_kept_beside_its_consumer_is_apart(cluster: Emulator, connect: Connect) -> None:
    with connect():
        made = block.invoke(3)
        more = grown.invoke(made)
        assert made.get()[0] == 3
        assert cluster.counters["Worker.Process"].requests == 1
        assert downloads(cluster) == (2, 1.0)
        assert len(more.get()) == 2 * LARGE


# ----- delegation


def test_large_values_of_sub_tasks_come_through(cluster: Emulator, connect: Connect) -> None:
    with connect():
        values = by_sub_task.map_invoke([(i, LARGE) for i in range(4)], pmk_chunk_size=4)
        assert values[2].get()[0] == 2
        assert downloads(cluster)[1] == 1.0
        assert first.invoke(values[1]).get() == 1


def test_an_assembly_moves_no_value_that_lies_apart(cluster: Emulator, connect: Connect) -> None:
    @task
    def several(n: int) -> Any:
        return list(block.map_invoke([(i,) for i in range(n)], pmk_chunk_size=n))

    with connect():
        assert [data[0] for data in several.invoke(4).get()] == [0, 1, 2, 3]
        assert pair_by_sub_tasks.invoke(5).get()["other"][0] == 6


# ----- errors


def test_a_failure_beside_large_values_is_its_own(cluster: Emulator, connect: Connect) -> None:
    with connect():
        values = block_or_error.map_invoke(range(4), pmk_chunk_size=4)
        assert values[1].get()[0] == 1
        assert isinstance(values[2].exception(), ValueError)
        used = first.map_invoke(values, pmk_chunk_size=4)
        assert isinstance(used[2].exception(), ValueError)
        assert used[3].get() == 3


def test_a_large_value_that_is_gone_fails_who_needs_it(cluster: Emulator, connect: Connect) -> None:
    with connect() as client:
        values = blocks(3)
        assert values[0].get()[0] == 0
        session = client.parts.engine.backend._session  # type: ignore[union-attr]
        large = [r.result_id for r in session.list_results() if r.size >= LARGE]
        assert len(large) == 3
        session.results.DeleteResultsData(
            DeleteResultsDataRequest(session_id=session.id, result_id=large)
        )
        used = first.map_invoke([values[1], np.ones(2, np.uint8)], pmk_chunk_size=2)
        assert isinstance(used[0].exception(), ValueLost)
        assert used[1].get() == 1
        assert isinstance(values[2].exception(), ValueLost)
        assert "gone from the cluster" in str(values[2].exception())
        assert values[0].get()[0] == 0


def test_a_download_that_fails_is_repeated(cluster: Emulator, connect: Connect) -> None:
    with connect():
        values = blocks(3)
        cluster.faults.add("DownloadResultData", DropBefore(), at=2)
        assert values[1].get()[0] == 1
    assert not len(cluster.faults)


# ----- every way of waiting


def test_awaiting_and_as_completed(connect: Connect) -> None:
    async def both(values: Any) -> list[int]:
        return [data[0] for data in await asyncio.gather(*values)]

    with connect():
        values = blocks(4)
        assert asyncio.run(both(values)) == [0, 1, 2, 3]
        others = blocks(4)
        assert {handle.get()[0] for handle in as_completed(list(others))} == {0, 1, 2, 3}


def test_done_tells_of_each_value(connect: Connect) -> None:
    with connect():
        values = blocks(3)
        values[1].wait()
        assert values[1].done()
        called: list[int] = []
        values[2].add_done_callback(lambda handle: called.append(handle.get()[0]))
        values.wait()
        assert values[0].done()
        values[2].get()
    assert called == [2]


def test_another_client_finds_large_values_by_name(cluster: Emulator, connect: Connect) -> None:
    with connect(detach=True):
        client_values = block.map_invoke(
            [(i,) for i in range(4)], pmk_chunk_size=4, pmk_name="blocks"
        )
        session_id = client_values._client.session_id
    with Pymonik.attach(session_id, cluster.endpoint) as other:
        assert other.lookup("blocks")[2].get()[0] == 2
        assert downloads(cluster)[1] == 1.0


@pytest.mark.parametrize("size", [64 * 1024 - 100, 64 * 1024 + 100])
def test_the_limit_is_64_kib(cluster: Emulator, connect: Connect, size: int) -> None:
    with connect():
        blocks(2, size, size)[0].get()
        assert cluster.counters["DownloadResultData"].requests == 1 + (size > 64 * 1024)
