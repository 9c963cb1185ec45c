"""Clients: current, nested, named, in threads, created and closed by hand."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import pytest

from pymonik import Pymonik, get_context, task
from pymonik.backend import inline
from pymonik.backend.traits import TRAITS
from pymonik.errors import NoClientError, PymonikError

from .conftest import Connect
from .programs import add, square, total
from .seams import PATIENCE, Other


def in_a_thread(function: Callable[[], Any]) -> Any:
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(function).result()


def test_the_block_gives_the_client(connect: Connect) -> None:
    made = connect()
    with made as client:
        assert client is made


def test_the_inner_client_is_current_and_then_the_outer_again(connect: Connect) -> None:
    with connect() as outer:
        first = square.invoke(2)
        with connect() as inner:
            second = square.invoke(3)
            assert (second.get(), inner.stats.calls, outer.stats.calls) == (9, 1, 0)
        third = square.invoke(4)
        assert (first.get(), third.get()) == (4, 16)
        assert (inner.stats.calls, outer.stats.calls) == (1, 2)


def test_two_clients_at_once_are_told_apart_by_name(connect: Connect) -> None:
    with connect() as one, connect() as two:
        handles = [
            square.invoke(2, pymonik=one),
            square.invoke(3, pymonik=two),
            square.map_invoke([4, 5], pymonik=one)[1],
        ]
        assert [h.get() for h in handles] == [4, 9, 25]
        assert (one.stats.calls, two.stats.calls) == (3, 1)


def test_the_last_opened_of_two_is_current(connect: Connect) -> None:
    with connect(), connect() as two:
        assert square.invoke(2).get() == 4
        assert two.stats.calls == 1


def test_a_handle_of_one_client_is_no_argument_of_another(connect: Connect) -> None:
    with connect() as one, connect() as two:
        h = square.invoke(2, pymonik=one)
        with pytest.raises(PymonikError, match="client"):
            add.invoke(h, 1, pymonik=two)
        with pytest.raises(PymonikError, match="client"):
            total.invoke([[h]], pymonik=two)
        with pytest.raises(PymonikError, match="client"):
            total.invoke([square.invoke(1, pymonik=two), h], pymonik=two)
        with pytest.raises(PymonikError, match="client"):
            square.map_invoke(square.map_invoke([1, 2], pymonik=one), pymonik=two)
        with pytest.raises(PymonikError, match="client"):
            square.map_invoke([h], pymonik=two)
        assert h.get() == 4


def test_a_client_is_created_and_closed_by_hand(connect: Connect) -> None:
    client = connect()
    client.create()
    h = square.invoke(3, pymonik=client)
    assert h.get() == 9
    client.close()
    with pytest.raises(NoClientError, match="closed"):
        square.invoke(3, pymonik=client)


def test_the_only_open_client_needs_no_name(connect: Connect) -> None:
    client = connect()
    client.create()
    assert square.invoke(3).get() == 9
    client.close()
    with pytest.raises(NoClientError):
        square.invoke(3)


def test_a_named_client_opens_at_its_first_call(connect: Connect) -> None:
    client = connect()
    assert square.invoke(3, pymonik=client).get() == 9
    client.close()


def test_closing_twice_is_harmless(connect: Connect) -> None:
    client = connect()
    client.create()
    client.close()
    client.close()


def test_closing_what_was_never_opened_is_harmless(connect: Connect) -> None:
    connect().close()


def test_a_block_closes_its_client(connect: Connect) -> None:
    with connect() as client:
        pass
    with pytest.raises(NoClientError, match="closed"):
        square.invoke(3, pymonik=client)


def test_a_thread_uses_the_only_open_client(client: Pymonik) -> None:
    assert in_a_thread(lambda: square.invoke(3).get()) == 9
    assert client.stats.calls == 1


def test_a_thread_with_several_open_clients_must_choose(connect: Connect) -> None:
    with connect() as one, connect() as two:
        with pytest.raises(NoClientError, match="pymonik="):
            in_a_thread(lambda: square.invoke(3))
        assert in_a_thread(lambda: square.invoke(3, pymonik=one).get()) == 9
        assert (one.stats.calls, two.stats.calls) == (1, 0)


def test_a_thread_may_open_a_client_of_its_own(connect: Connect) -> None:
    def work(n: int) -> Any:
        with connect():
            return square.map_invoke([n, n + 1]).get()

    with connect(), ThreadPoolExecutor(2) as pool:
        assert list(pool.map(work, [1, 2])) == [[1, 4], [4, 9]]
        assert square.invoke(5).get() == 25


def test_a_handle_can_be_waited_for_in_another_thread(client: Pymonik) -> None:
    h = square.invoke(3)
    assert in_a_thread(h.get) == 9
    assert h.get() == 9


def test_many_threads_record_and_get_at_once(client: Pymonik) -> None:
    together = threading.Barrier(8)

    def work(n: int) -> Any:
        together.wait()
        values = []
        for i in range(20):
            h = add.invoke(square.invoke(i), n)
            values.append(h.get() if i % 5 == 0 else h)
        return [v if isinstance(v, int) else v.get() for v in values]

    with ThreadPoolExecutor(8) as pool:
        results = list(pool.map(work, range(8)))
    assert results == [[i * i + n for i in range(20)] for n in range(8)]
    assert client.stats.calls == 8 * 20 * 2


def test_many_threads_may_wait_for_one_handle(client: Pymonik) -> None:
    h = square.invoke(3)
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(lambda _: h.get(), range(16))) == [9] * 16
    assert client.stats.submissions == 1


def test_handles_pass_between_threads_as_arguments(client: Pymonik) -> None:
    handles = [in_a_thread(lambda n=n: square.invoke(n)) for n in range(4)]  # type: ignore[misc]
    assert total.invoke(handles).get() == 14


def test_clients_follow_one_another(connect: Connect) -> None:
    for n in range(3):
        with connect():
            assert square.invoke(n).get() == n * n


def test_two_threads_that_run_tasks_themselves_take_turns() -> None:
    """Inline, a task runs in the thread that waits for it: each knows its own name and place."""
    here = threading.Barrier(2)

    @task(require_context=True)
    def first(ctx: Any, x: int) -> tuple[str, int | None]:
        return ctx.task_name, get_context().element

    @task(require_context=True)
    def second(ctx: Any, x: int) -> tuple[str, int | None]:
        return ctx.task_name, get_context().element

    def run(one: Any) -> list[tuple[str, int | None]]:
        with Pymonik(backend="inline", optimize=False) as client:
            handles = one.map_invoke(range(300), pymonik=client)
            here.wait(60)
            return handles.get()

    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)  # threads change places all the time
    try:
        with ThreadPoolExecutor(2) as pool:
            one, other = pool.map(run, (first, second))
    finally:
        sys.setswitchinterval(interval)
    assert one == [("first", i) for i in range(300)]
    assert other == [("second", i) for i in range(300)]
    with pytest.raises(NoClientError):
        get_context()


class Watched:
    """A lock that tells when another thread than its maker's is about to take it."""

    def __init__(self, lock: Any) -> None:
        self._lock, self._own = lock, threading.current_thread()
        self.asked = threading.Event()

    def __enter__(self) -> None:
        if threading.current_thread() is not self._own:
            self.asked.set()
        self._lock.__enter__()

    def __exit__(self, *error: object) -> None:
        self._lock.__exit__(*error)


@task
def calls_back() -> Any:
    return getattr(inline, "probe")()  # noqa: B009  # set by the test


def test_a_call_may_use_a_client_that_another_thread_flushes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    turn: Any = Watched(TRAITS["inline"].turn)
    monkeypatch.setitem(TRAITS, "inline", replace(TRAITS["inline"], turn=turn))
    with Pymonik(backend="inline") as used, Pymonik(backend="inline"):
        value = square.invoke(3, pymonik=used)

        def probe() -> Any:
            others.append(Other(used.flush))
            assert turn.asked.wait(PATIENCE)
            return value.get()

        others: list[Other] = []

        monkeypatch.setattr(inline, "probe", probe, raising=False)
        assert calls_back.invoke().get() == 9
        others[0].join()
