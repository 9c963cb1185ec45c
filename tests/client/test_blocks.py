"""The blocks of a client, alone: the last one to end ends it, wherever it began."""

from __future__ import annotations

import asyncio
import contextvars

from pymonik.client.blocks import Blocks
from pymonik.record.current import CURRENT
from tests.conformance.seams import Other


def test_a_scope_is_current_in_its_blocks_and_the_one_before_it_behind_them() -> None:
    outer, inner = Blocks(), Blocks()
    before = CURRENT.get()
    outer.enter("outer")
    inner.enter("inner")
    assert CURRENT.get() == "inner"
    assert inner.leave()
    assert CURRENT.get() == "outer"
    assert outer.leave()
    assert CURRENT.get() is before


def test_the_last_of_several_blocks_is_told() -> None:
    blocks = Blocks()
    blocks.enter("one")
    Other(lambda: blocks.enter("one")).value()
    assert [blocks.leave(), blocks.leave()] == [False, True]


def test_a_block_may_end_in_another_context_than_it_began_in() -> None:
    blocks = Blocks()
    contextvars.copy_context().run(blocks.enter, "one")
    assert blocks.leave()
    assert CURRENT.get() != "one"


def test_coroutines_that_share_a_thread_leave_the_contexts_they_came_from() -> None:
    blocks = Blocks()
    seen: list[object] = []

    async def use(name: str, steps: int) -> None:
        blocks.enter(name)
        for _ in range(steps):
            await asyncio.sleep(0)
            seen.append(CURRENT.get() == name)
        blocks.leave()
        seen.append(CURRENT.get() is None)

    async def both() -> None:
        await asyncio.gather(use("long", 3), use("short", 1))

    contextvars.Context().run(asyncio.run, both())
    assert all(seen)
    assert len(seen) == 6
