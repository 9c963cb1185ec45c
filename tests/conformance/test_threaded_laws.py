"""The law of threads: what they share a client for comes out as if they had taken turns."""

from __future__ import annotations

import random
from collections.abc import Iterator
from functools import partial
from typing import Any

import pytest

from pymonik import Pymonik
from pymonik.errors import Cancelled, NoClientError

from .conftest import BACKENDS, Connect, settings_of
from .programs import add, square
from .seams import PATIENCE, Other
from .threaded_programs import restless, run

# Programs that run in one test, and the first ones of tests; those behind the first are thorough.
PART = 10
FIRSTS = [
    pytest.param(first, marks=[pytest.mark.thorough] if first else [])
    for first in range(0, 200, PART)
]
# Steps of each thread: a submission to a cluster takes many times as long as one here.
STEPS = {"inline": 12, "local": 12, "emulator": 3}
# Clients that are closed while threads use them: starting executors takes long.
CLOSED = {"inline": 10, "local": 4, "emulator": 3}


@pytest.fixture(scope="module", autouse=True)
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Values that are kept, are kept here."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("PYMONIK_VALUES_FOLDER", str(tmp_path_factory.mktemp("values")))
        yield


@pytest.fixture(scope="module", params=BACKENDS)
def kept(request: pytest.FixtureRequest) -> Iterator[tuple[Pymonik, Pymonik, int]]:
    """Two clients of one backend, and how many steps threads take there."""
    given = settings_of(request.param, request)
    with Pymonik(**given) as one, Pymonik(**given) as two:
        yield one, two, STEPS[request.param]


def nothing_is_open(client: Pymonik) -> bool:
    done, total = client.parts.engine.opened().progress()
    is_open = client.pending or client.parts.notifier.unsent or client.parts.state.plans_under_way
    return done == total and not is_open


@pytest.mark.parametrize("first", FIRSTS)
def test_values_are_those_of_one_thread(kept: tuple[Pymonik, Pymonik, int], first: int) -> None:
    client, _, steps = kept
    for seed in range(first, first + PART):
        run([client], seed, steps)
        client.flush()
        client.parts.arrivals.wait(lambda: nothing_is_open(client), PATIENCE)


@pytest.mark.parametrize(
    "seeds", [range(PART, 50), pytest.param(range(50, 200), marks=pytest.mark.thorough)], ids=str
)
def test_values_of_many_programs_in_one_process_are_those_of_one_thread(seeds: range) -> None:
    """The other seeds, where they take the least time: on other engines they are thorough."""
    with Pymonik(backend="inline") as client:
        for seed in seeds:
            run([client], seed, STEPS["inline"])


def test_two_clients_are_shared_by_the_same_threads(kept: tuple[Pymonik, Pymonik, int]) -> None:
    one, two, steps = kept
    for seed in range(200, 208):
        run([one, two], seed, steps)
    for client in (one, two):
        client.flush()
        client.parts.arrivals.wait(lambda client=client: nothing_is_open(client), PATIENCE)  # type: ignore[misc]


def test_a_client_that_another_thread_closes(backend: str, connect: Connect) -> None:
    """Every call before its end has its value; every other is refused, and nobody waits."""

    def use(client: Pymonik, dice: random.Random) -> int:
        count = 0
        while True:
            n = dice.randrange(100)
            try:
                handle: Any = add.invoke(square.invoke(n, pymonik=client), 1, pymonik=client)
                if dice.random() < 0.5:
                    handle.add_done_callback(lambda _: None)
                value = handle.get(timeout=PATIENCE)
            except (NoClientError, Cancelled):
                return count
            assert value == n * n + 1
            count += 1

    for seed in range(CLOSED[backend]):
        dice = random.Random(seed)
        client = connect().create()
        with restless():
            users = [
                Other(partial(use, client, random.Random(f"{seed} {n}")))
                for n in range(dice.randint(2, 8))
            ]
            end = dice.choice((client.close, client.cancel))
            square.map_invoke(range(dice.randrange(50)), pymonik=client).wait()
            end()
            for user in users:
                user.value()
        with pytest.raises(NoClientError):
            square.invoke(1, pymonik=client)
