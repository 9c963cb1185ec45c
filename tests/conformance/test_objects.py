"""Objects by their ids, for tasks that ask for them."""

from __future__ import annotations

import logging
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pymonik import (
    Materialize,
    Pymonik,
    PymonikContext,
    TaskOptions,
    get_context,
    materialize,
    task,
)
from pymonik.wire.byte_cache import ByteCache

from .conftest import Connect
from .programs import inc


@task(require_context=True)
def retrieved(ctx: PymonikContext, result_id: str, **how: Any) -> Any:
    return ctx.retrieve_object(result_id, **how)


def test_the_value_of_a_call_is_retrieved_by_its_id(connect: Connect) -> None:
    with connect(optimize=False):
        handle = inc.invoke(41)
        handle.wait()
        assert retrieved.invoke(handle.result_id).get() == 42


def test_an_object_put_is_retrieved_by_its_id(client: Pymonik) -> None:
    for value in ({"a": [1, 2]}, "text", np.arange(100_000)):
        handle = client.put(value)
        back = retrieved.invoke(handle.result_id).get()
        assert np.array_equal(back, value) if isinstance(value, np.ndarray) else back == value
        raw = retrieved.invoke(handle.result_id, auto_unpickle=False).get()
        assert isinstance(raw, bytes)
        assert str(pickle.loads(raw)) == str(value)


def test_values_that_are_stored_together_are_retrieved_one_by_one(client: Pymonik) -> None:
    handles = inc.map_invoke(range(10))
    handles.wait()
    found = [retrieved.invoke(handle.result_id) for handle in handles]
    assert [handle.get() for handle in found] == handles.get()


def test_large_values_that_are_stored_together_are_retrieved_too(client: Pymonik) -> None:
    large = task(lambda i: bytes([i]) * (1 << 20), function_name="large")  # type: ignore[call-overload]
    handles = large.map_invoke(range(4))
    handles.wait()
    found = [retrieved.invoke(handle.result_id) for handle in handles]
    assert [handle.get()[:1] for handle in found] == [bytes([i]) for i in range(4)]


def test_what_does_not_exist_is_none_and_is_told(
    client: Pymonik, backend: str, caplog: pytest.LogCaptureFixture
) -> None:
    for unknown in ("nothing", "../nothing", ""):
        assert retrieved.invoke(unknown).get() is None
    if backend != "emulator":  # there, logs go to the worker's own output
        assert "object nothing was not retrieved" in caplog.text


def test_what_is_no_id_says_so(client: Pymonik) -> None:
    for wrong in (None, client.put([1, 2])):  # a handle arrives as its value
        error = retrieved.invoke(wrong).exception()
        assert isinstance(error, TypeError)
        assert "handle.result_id" in str(error)


def test_an_object_lies_in_a_file_once_it_was_retrieved(client: Pymonik) -> None:
    @task(require_context=True)
    def look(ctx: PymonikContext, result_id: str) -> tuple[Any, ...]:
        before = ctx.object_exists_locally(result_id)
        ctx.retrieve_object(result_id)
        path = ctx.get_object_path(result_id)
        path.write_bytes(pickle.dumps("changed here"))
        return (
            before,
            ctx.object_exists_locally(result_id),
            ctx.retrieve_object(result_id),
            ctx.retrieve_object(result_id, check_exists=False),
            ctx.retrieve_object(result_id, force_retrieve=True),
        )

    id = client.put("kept").result_id
    assert look.invoke(id).get() == (False, True, "changed here", "kept", "kept")


def test_an_uploaded_file_is_put_in_place_on_demand(client: Pymonik, tmp_path: Path) -> None:
    (tmp_path / "data.txt").write_text("forty-two")
    (tmp_path / "tree").mkdir()
    (tmp_path / "tree" / "leaf").write_text("leaf")
    file = client.upload_materialize(materialize(tmp_path / "data.txt", tmp_path / "there.txt"))
    tree = client.upload_materialize(materialize(tmp_path / "tree", "tree"))

    @task(require_context=True)
    def place(ctx: PymonikContext, fields: list[tuple[Any, ...]]) -> Any:
        mats = [Materialize(*some) for some in fields]
        done = [ctx.materialize_file(mat) for mat in (*mats, *mats)]
        raw = ctx.retrieve_object(mats[0].result_id or "", auto_unpickle=False)
        return done, raw, Path(mats[0].worker_path).read_text(), Path("tree/leaf").read_text()

    fields = [
        (m.source_path, m.worker_path, m.content_hash, m.is_directory, m.result_id, m.mode)
        for m in (file, tree)
    ]
    assert place.invoke(fields).get() == ([True] * 4, b"forty-two", "forty-two", "leaf")


def test_a_file_that_was_not_uploaded_is_told(client: Pymonik, tmp_path: Path) -> None:
    @task(require_context=True)
    def place(ctx: PymonikContext, where: str) -> bool:
        return ctx.materialize_file(Materialize("/nowhere", where, "0" * 64, False))

    assert place.invoke(str(tmp_path / "x")).get() is False


def test_a_plain_context_has_no_objects(caplog: pytest.LogCaptureFixture) -> None:
    ctx = PymonikContext.from_local(logging.getLogger("mine"))
    assert ctx.is_local
    assert ctx.task_handler is None
    for method in (ctx.retrieve_object, ctx.get_object_path, ctx.object_exists_locally):
        with pytest.raises(RuntimeError, match="no task runs here"):
            method("id")
    assert ctx.materialize_file(Materialize("/nowhere", "x", "0" * 64, False))
    assert "not put in place" in caplog.text


def test_where_a_task_runs_is_told(client: Pymonik, backend: str) -> None:
    @task(require_context=True)
    def where(ctx: PymonikContext) -> tuple[bool, bool, bool]:
        return ctx.is_local, ctx.task_handler is None, ctx.is_local

    local = backend != "emulator"
    assert where.invoke().get() == (local, False, local)


@pytest.mark.names_partitions
def test_the_handler_of_a_task_tells_its_options(connect: Connect) -> None:
    @task(require_context=True, task_options=TaskOptions(priority=4, options={"tag": "root"}))
    def told(ctx: PymonikContext, again: bool) -> Any:
        handler = ctx.task_handler
        options = handler.task_options
        labels = dict(options.options)
        found = (options.priority, options.partition_id, labels, handler.session_id)
        if not again:
            return found
        options.priority = 7
        options.options["tag"] = "chain"
        assert handler.task_id
        assert isinstance(handler.payload, bytes)
        assert dict(handler.data_dependencies) is not None
        return [*found, told.invoke(False, task_options=options)]

    @task
    def asked() -> Any:
        return get_context().task_handler.task_options.priority

    with connect(partition="pymonik") as client:
        priority, partition, labels, session, inner = told.invoke(True).get()
        assert (priority, partition, labels) == (4, "pymonik", {"tag": "root"})
        assert session == client.session_id
        assert inner == (7, "pymonik", {"tag": "chain"}, session)
        assert asked.invoke(pmk_priority=3).get() == 3


def test_many_ask_at_once_while_work_arrives(client: Pymonik) -> None:
    ids = [client.put([n]).result_id for n in range(5)]
    handles = [retrieved.invoke(ids[n % 5]) for n in range(40)]
    assert [handle.get() for handle in handles] == [[n % 5] for n in range(40)]


def test_functions_and_large_objects_are_kept_across_tasks(connect: Connect, backend: str) -> None:
    @task(require_context=True)
    def kept(ctx: PymonikContext, _: Any) -> dict[str, Any]:
        return {name: tuple(info) for name, info in ctx.caches.items()}

    with connect(workers=1, optimize=False) as client:
        large = client.put(np.arange(100_000))
        for _ in range(8):  # a cluster has several pods
            kept.invoke(large).wait()
        items, size, hits, _ = kept.invoke(large).get()["functions"]
        assert items >= 1
        assert size > 0
        assert hits >= 2
        if backend != "inline":  # there, nothing is sent
            items, size, hits, misses = kept.invoke(large).get()["contents"]
            assert items >= 1 <= misses
            assert size > 800_000
            assert hits >= 2


def test_a_cache_is_bounded_in_bytes(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "pymonik.contents")
    cache: ByteCache[str] = ByteCache("some", 100)
    for key in (b"a", b"b", b"a", b"c"):
        assert cache.get(key, 40, key.decode) == key.decode()
    assert cache.info == (2, 80, 1, 3)
    assert "some: dropped 40 bytes" in caplog.text
    assert cache.get(b"huge", 1000, lambda: "huge") == "huge"
    assert cache.info[:2] == (1, 1000)


def test_an_object_with_a_name_is_found_again(client: Pymonik) -> None:
    client.put({"strike": 42}, name="market")
    client.flush()
    assert client.lookup("market").get() == {"strike": 42}
    assert inc.invoke(client.lookup("market")["strike"]).get() == 43
    with pytest.raises(KeyError, match="nobody"):
        client.lookup("nobody")
