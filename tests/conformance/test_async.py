"""`await handle`: in any event loop, without blocking it."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import pytest

from pymonik import Pymonik, as_completed, task
from pymonik.errors import NoClientError
from pymonik.record.current import CURRENT
from tests.conftest import Gate

from .conftest import Connect
from .programs import add, divide, pass_gate, square


def test_await_gives_the_value(client: Pymonik) -> None:
    async def main() -> Any:
        return await add.invoke(1, 2)

    assert asyncio.run(main()) == 3


def test_await_raises_the_error_of_the_task(client: Pymonik) -> None:
    async def main() -> None:
        await divide.invoke(1, 0)

    with pytest.raises(ZeroDivisionError):
        asyncio.run(main())


def test_awaiting_twice_and_in_two_loops_gives_the_value_again(client: Pymonik) -> None:
    h = square.invoke(3)

    async def main() -> Any:
        return await h, await h

    assert asyncio.run(main()) == (9, 9)
    assert asyncio.run(main()) == (9, 9)


def test_what_wakes_no_loop_from_another_thread_is_refused(client: Pymonik) -> None:
    handle = square.invoke(3)

    async def main() -> Any:
        with pytest.raises(TypeError, match=r"asyncio\.ensure_future\(handle\)"):
            await asyncio.wait([handle])  # type: ignore[type-var]
        ended, _ = await asyncio.wait([asyncio.ensure_future(handle)])
        return ended.pop().result()

    assert asyncio.run(main()) == 9


def test_gathering_handles_is_one_submission(client: Pymonik) -> None:
    async def main() -> Any:
        return await asyncio.gather(*[square.invoke(i) for i in range(20)])

    assert asyncio.run(main()) == [i * i for i in range(20)]
    assert client.stats.submissions == 1


@pytest.mark.asynchronous
def test_await_leaves_the_loop_free(client: Pymonik, gate: Gate) -> None:
    async def main() -> Any:
        waiting = asyncio.ensure_future(pass_gate.invoke(gate.path, "through"))
        # Opening the gate needs the loop's own thread pool, while `waiting` is pending.
        await asyncio.gather(asyncio.to_thread(gate.open), asyncio.wait([waiting]))
        return waiting.result()

    assert asyncio.run(main()) == "through"


@pytest.mark.asynchronous
def test_an_awaiting_coroutine_can_give_up(client: Pymonik, gate: Gate) -> None:
    h = pass_gate.invoke(gate.path, "through")

    async def main() -> None:
        await asyncio.wait_for(h, timeout=0.01)

    with pytest.raises(asyncio.TimeoutError):
        asyncio.run(main())
    gate.open()
    assert h.get() == "through"


@pytest.mark.parametrize("error", [SystemExit, KeyboardInterrupt, asyncio.CancelledError])
@pytest.mark.asynchronous
def test_a_callback_that_raises_keeps_nobody_else_from_being_told(
    client: Pymonik, gate: Gate, error: type[BaseException]
) -> None:
    def callback(handle: Any) -> None:
        raise error

    called = threading.Event()
    first = pass_gate.invoke(gate.path, 1)
    client.flush()
    first.add_done_callback(callback)
    first.add_done_callback(lambda handle: called.set())
    gate.open()
    assert first.get() == 1

    async def main() -> Any:
        return await asyncio.wait_for(square.invoke(3), 60)

    assert asyncio.run(main()) == 9
    assert called.wait(60)


def test_a_callback_may_await_a_call(client: Pymonik) -> None:
    found, called = [], threading.Event()

    async def value(handle: Any) -> Any:
        return await handle

    def callback(_: Any) -> None:
        # Not there yet where it is waited for, but for inline.
        found.append(asyncio.run(value(square.invoke(3, pymonik=client))))
        called.set()

    square.invoke(2).add_done_callback(callback)
    client.flush()
    assert called.wait(60)
    assert found == [9]


def test_a_callback_may_wait_for_the_end_of_another_client(connect: Connect) -> None:
    found: list[Any] = []

    def use_another() -> None:
        with connect() as other:
            found.append(square.invoke(3, pymonik=other).get())

    def callback(_: Any) -> None:
        user = threading.Thread(target=use_another)
        user.start()
        user.join()

    with connect():
        square.invoke(2).add_done_callback(callback)
    assert found == [9]


def test_two_coroutines_may_await_one_handle(client: Pymonik) -> None:
    async def main() -> Any:
        h = square.invoke(3)

        async def wait_for_it() -> Any:
            return await h

        return await asyncio.gather(wait_for_it(), wait_for_it())

    assert asyncio.run(main()) == [9, 9]


def test_as_completed_is_an_async_iterator_too(client: Pymonik) -> None:
    async def main() -> list[int]:
        return [await handle async for handle in as_completed(square.map_invoke(range(5)))]

    assert sorted(asyncio.run(main())) == [0, 1, 4, 9, 16]
    assert client.stats.submissions == 1


def test_as_completed_of_nothing_ends_at_once_in_a_loop(client: Pymonik) -> None:
    async def main() -> list[Any]:
        return [handle async for handle in as_completed([])]

    assert asyncio.run(main()) == []


def test_as_completed_gives_failures_to_loops_too(client: Pymonik) -> None:
    async def main() -> list[str]:
        mixed = divide.map_invoke([(1, 0), (1, 1)])
        return [repr(handle.exception()) async for handle in mixed.as_completed()]

    assert sorted(asyncio.run(main())) == ["None", "ZeroDivisionError('division by zero')"]


@pytest.mark.asynchronous
def test_as_completed_leaves_the_loop_free_and_follows_the_order_of_the_ends(
    client: Pymonik, gate: Gate
) -> None:
    async def main() -> list[Any]:
        slow, quick = pass_gate.invoke(gate.path, "slow"), square.invoke(3)
        values = []
        async for handle in as_completed([slow, quick]):
            values.append(await handle)
            if handle is quick:
                await asyncio.to_thread(gate.open)
        return values

    assert asyncio.run(main()) == [9, "slow"]


def test_as_completed_in_a_loop_gives_what_is_there_when_no_time_is_left(client: Pymonik) -> None:
    handles = square.map_invoke(range(3))
    handles.wait()

    async def main() -> list[int]:
        return [await handle async for handle in as_completed(handles, timeout=0.0)]

    assert sorted(asyncio.run(main())) == [0, 1, 4]


@pytest.mark.asynchronous
def test_as_completed_in_a_loop_keeps_its_timeout(client: Pymonik, gate: Gate) -> None:
    blocked = pass_gate.invoke(gate.path, "through")

    async def main() -> None:
        async for _ in as_completed([blocked], timeout=0.01):
            pass

    with pytest.raises(TimeoutError, match="wait again"):
        asyncio.run(main())
    gate.open()
    assert blocked.get() == "through"


# ----- async with


def test_an_async_block_gives_the_client_and_closes_it(connect: Connect) -> None:
    async def main() -> Any:
        async with connect() as client:
            assert isinstance(client, Pymonik)
            handles = square.map_invoke(range(4))
            first = await add.invoke(1, 2)
        assert "closed" in repr(client)
        with pytest.raises(NoClientError):
            square.invoke(1)
        return first, handles.get()

    assert asyncio.run(main()) == (3, [0, 1, 4, 9])


@pytest.mark.asynchronous
def test_leaving_an_async_block_leaves_the_loop_free(connect: Connect, gate: Gate) -> None:
    async def main() -> Any:
        async with connect():
            handle = pass_gate.invoke(gate.path, "through")
            # It has its first turn when the block is being left.
            opening = asyncio.ensure_future(asyncio.to_thread(gate.open))
        await opening
        return handle.get()

    assert asyncio.run(main()) == "through"


def test_an_async_block_raises_the_failure_that_nobody_has_seen(connect: Connect) -> None:
    async def main() -> None:
        async with connect():
            kept.append(divide.invoke(1, 0))

    kept: list[Any] = []
    with pytest.raises(ZeroDivisionError):
        asyncio.run(main())


@pytest.mark.asynchronous
def test_an_error_in_an_async_block_cancels_what_runs(connect: Connect, gate: Gate) -> None:
    async def main() -> None:
        async with connect() as client:
            pass_gate.invoke(gate.path, "through")
            client.flush()
            raise LookupError("left early")

    with pytest.raises(LookupError, match="left early"):
        asyncio.run(main())


@pytest.mark.asynchronous
def test_who_is_cancelled_while_a_block_closes_waits_no_longer(
    connect: Connect, gate: Gate
) -> None:
    async def main() -> Any:
        client = connect()

        async def waits_for_ever() -> None:
            async with client:
                pass_gate.invoke(gate.path, "through")

        waiting = asyncio.ensure_future(waits_for_ever())
        while not client.parts.state.is_closing:
            await asyncio.sleep(0.001)
        waiting.cancel()
        await asyncio.wait([waiting])
        return waiting.cancelled(), repr(client)

    was_cancelled, shown = asyncio.run(main())
    assert was_cancelled
    assert "closed" in shown


def test_each_coroutine_is_in_the_block_that_it_has_entered(connect: Connect) -> None:
    async def one(x: int, turn: Any) -> Any:
        async with connect() as client:
            await turn()
            value = await square.invoke(x)
            await turn()
        assert CURRENT.get() is None
        return value, client.stats.calls

    async def main() -> Any:
        arrived, free = 0, asyncio.Event()

        async def turn() -> None:
            nonlocal arrived, free
            arrived += 1
            here = free
            if arrived % 3 == 0:
                free = asyncio.Event()
                here.set()
            await here.wait()

        return await asyncio.gather(*(one(x, turn) for x in range(3)))

    assert asyncio.run(main()) == [(0, 1), (1, 1), (4, 1)]


def test_coroutines_may_share_a_client(connect: Connect) -> None:
    async def main() -> Any:
        client = connect()

        async def one(x: int) -> Any:
            async with client:
                return await square.invoke(x)

        async with client:
            values = await asyncio.gather(*map(one, range(5)))
            return values, await add.invoke(1, 2)

    assert asyncio.run(main()) == ([0, 1, 4, 9, 16], 3)


@task
def run_a_loop(x: int) -> int:
    async def work() -> int:
        await asyncio.sleep(0)
        return x + 1

    return asyncio.run(work())


def test_a_task_may_run_a_loop_of_its_own_wherever_it_is_waited_for(client: Pymonik) -> None:
    async def main() -> list[Any]:
        direct = run_a_loop.invoke(1).get()  # as in a notebook
        asyncio.get_running_loop()
        return [direct, await run_a_loop.invoke(2), run_a_loop.invoke(3).get()]

    assert asyncio.run(main()) == [2, 3, 4]
