"""Random numbers: of a call's own, and the same wherever and however it runs."""

from __future__ import annotations

import functools
import os
from typing import Any

import pytest

from pymonik import Pymonik, PymonikContext, Task, get_context, task
from pymonik.errors import OptionsError
from tests.conftest import Ledger

from .conftest import Connect


@task(require_context=True)
def drawn(ctx: PymonikContext, *_: Any) -> tuple[int, float]:
    return ctx.seed, float(ctx.rng.random())


@task
def made(depth: int) -> Any:
    """Draw here, and in calls of its own."""
    if not depth:
        return drawn.invoke()
    return [drawn.invoke(), drawn.map_invoke(range(2)), made.invoke(depth - 1)]


def program() -> Any:
    """Draw in every kind of call; give plain values."""
    single = drawn.invoke()
    chain = drawn.invoke(drawn.invoke(single))
    loop = [drawn.invoke(i) for i in range(5)]
    mapped = drawn.map_invoke(range(6))
    below = drawn.map_invoke(mapped)
    behind = drawn.invoke(made.invoke(2))
    subtasks = made.map_invoke([1, 1])
    values = [single, chain, *loop, mapped, below, behind, subtasks]
    return [value.get() for value in values]


def flat(values: Any) -> list[tuple[int, float]]:
    if isinstance(values, tuple):
        return [values]
    return [pair for value in values for pair in flat(value)]


@functools.cache
def reference() -> Any:
    with Pymonik(backend="inline", optimize=False, seed=2018):
        return program()


def test_engines_and_passes_have_no_part_in_them(connect: Connect, optimize: bool) -> None:
    with connect(seed=2018, optimize=optimize):
        assert program() == reference()


def test_every_call_draws_its_own() -> None:
    pairs = flat(reference())
    assert len(pairs) == 1 + 1 + 5 + 6 + 6 + 1 + 2 * (1 + 2 + 1)
    assert len(set(pairs)) == len({seed for seed, _ in pairs}) == len(pairs)
    assert all(0 <= seed < 1 << 63 for seed, _ in pairs)


def test_another_seed_gives_others_and_the_chosen_one_can_be_read(connect: Connect) -> None:
    found = []
    for _ in range(2):
        with connect() as client:
            found.append((client.seed, drawn.invoke().get()))
    assert found[0][0] != found[1][0]
    assert found[0][1] != found[1][1]
    with connect(seed=found[0][0]):
        assert drawn.invoke().get() == found[0][1]


def test_sending_earlier_moves_nothing(connect: Connect) -> None:
    with connect(seed=7) as client:
        handles = []
        for _ in range(4):
            handles.append(drawn.invoke())
            client.flush()
        apart = [handle.get() for handle in handles]
    with connect(seed=7):
        assert [h.get() for h in [drawn.invoke() for _ in range(4)]] == apart


def test_cancelling_a_call_moves_no_other(connect: Connect) -> None:
    with connect(seed=7):
        first, second = drawn.invoke(), drawn.invoke()
        assert first.cancel()
        alone = second.get()
    with connect(seed=7):
        first, second = drawn.invoke(), drawn.invoke()
        assert (second.get(), first.get() != alone) == (alone, True)


def test_a_call_that_is_tried_again_draws_the_same(connect: Connect, ledger: Ledger) -> None:
    @task(retries=2, require_context=True)
    def third_time(ctx: PymonikContext, path: str) -> float:
        value = float(ctx.rng.random())
        with open(path, "a") as lines:
            lines.write(f"{value}\n")
        if ctx.attempt < 3:
            raise RuntimeError("again")
        return value

    with connect(seed=1):
        value = third_time.invoke(ledger.path).get()
    assert ledger.lines() == [str(value)] * 3


@pytest.mark.asynchronous
def test_a_call_whose_executor_died_draws_the_same(connect: Connect, ledger: Ledger) -> None:
    @task(max_retries=2)
    def dies(path: str) -> float:
        value = float(get_context().rng.random())
        with open(path, "a") as lines:
            lines.write(f"{value}\n")
        if get_context().attempt == 1:
            os._exit(1)
        return value

    with connect(seed=1):
        value = dies.invoke(ledger.path).get()
    assert ledger.lines() == [str(value)] * 2


def test_one_generator_serves_a_whole_call(client: Pymonik) -> None:
    @task(require_context=True)
    def twice(ctx: PymonikContext, _: int) -> tuple[float, float]:
        return float(ctx.rng.random()), float(get_context().rng.random())

    for first, second in [twice.invoke(0).get(), *twice.map_invoke(range(3)).get()]:
        assert first != second


def test_without_numpy_they_are_of_the_standard_library(connect: Connect) -> None:
    @task
    def without(x: int) -> tuple[str, float]:
        import sys

        known = {name: sys.modules.pop(name) for name in list(sys.modules) if "numpy" in name}
        sys.modules["numpy.random"] = None  # type: ignore[assignment]
        try:
            rng = get_context().rng
            return type(rng).__module__, rng.random()
        finally:
            del sys.modules["numpy.random"]
            sys.modules.update(known)

    found = set()
    for _ in range(2):
        with connect(seed=3):
            found.add(without.invoke(1).get())
    assert [module for module, _ in found] == ["random"]


def test_a_pure_task_has_none(client: Pymonik) -> None:
    pure = Task(lambda: get_context().seed, func_name="pure", pure=True)
    with pytest.raises(OptionsError, match="'pure' is pure"):
        pure.invoke().get()


@pytest.mark.parametrize("seed", [-1, 1.5, "a", True])
def test_a_seed_is_a_whole_number(seed: Any) -> None:
    with pytest.raises(OptionsError, match="seed takes"):
        Pymonik(backend="inline", seed=seed)


def test_a_plain_call_draws_from_the_seed_of_its_context() -> None:
    def context() -> PymonikContext:
        return PymonikContext.from_local(seed=5)

    assert drawn(context()) == drawn(context())
    assert drawn() != drawn()
