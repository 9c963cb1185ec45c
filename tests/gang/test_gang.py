"""Units that several executors run together: what runs where, how often, and what comes of it."""

from __future__ import annotations

import os
import time
from collections import Counter
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from pymonik import Pymonik, get_context, task
from pymonik.errors import ExecutorDied
from pymonik.runtime.host.loop import HostLoop
from tests.conftest import Ledger

WIDTH, ROWS = 4, 4


@pytest.fixture
def said(client: Pymonik, monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """Count what executors of this client say: others may have some left of an earlier test."""
    counted: Counter[str] = Counter()
    take, loop = HostLoop._take, client.parts.engine.opened()._host._loop  # type: ignore[attr-defined]

    def counting(self: HostLoop, number: int, message: Any) -> None:
        counted[message[0]] += self is loop
        take(self, number, message)

    monkeypatch.setattr(HostLoop, "_take", counting)
    return counted


@task
def begin(x: Any) -> Any:
    return x


@task
def blend(left: int, here: int, right: int) -> int:
    return (left + 3 * here + 7 * right) % 1009


def grid(call: Any, row: list[Any], rows: int = ROWS, how: Any = None, **options: Any) -> list[Any]:
    """Return the last row of a grid whose cells need their neighbours above.

    how: what is done in one place; options: of the call there.
    """
    row = [begin.invoke(x) for x in row]
    for y in range(rows):
        sides = [(row[x - 1], row[x], row[(x + 1) % WIDTH]) for x in range(WIDTH)]
        row = [
            call.invoke(*side, *((how, (x, y)) if how else ()), **options_at(how, (x, y), options))
            for x, side in enumerate(sides)
        ]
    return row


def options_at(how: Any, at: tuple[int, int], options: dict[str, Any]) -> dict[str, Any]:
    return options if how and how["at"] == at else {}


def plain(row: list[int], rows: int = ROWS) -> list[int]:
    for _ in range(rows):
        row = [(row[x - 1] + 3 * row[x] + 7 * row[(x + 1) % WIDTH]) % 1009 for x in range(WIDTH)]
    return row


def values(handles: list[Any]) -> list[Any]:
    return [handle.get() for handle in handles]


def test_two_executors_run_all_levels_and_the_host_hears_of_it_at_the_end(
    client: Pymonik, said: Counter[str]
) -> None:
    last = grid(blend, list(range(WIDTH)), 100)
    (unit,) = client.plan().units
    assert Counter(unit.lanes) == {0: 2 * 101, 1: 2 * 101}
    assert values(last) == plain(list(range(WIDTH)), 100)
    assert said["end"] + said["late"] <= 2
    assert said["report"] == 0


@task
def signed(left: int, here: int, right: int) -> str | int:
    """Return what the call knows of itself, now and then; else a number."""
    total = (int(left) + 3 * int(here) + 7 * int(right)) % 1009
    if total % 3:
        return total
    own = get_context()
    assert own is get_context()
    return f"{total}{own.seed % 10}" if own.task_name == "signed" else "another"


def test_calls_of_graphs_that_are_sent_again_know_themselves(said: Counter[str]) -> None:
    """Each has the seed that it has anywhere, though little of it is sent more than once."""
    found = []
    for backend in ("local", "inline"):
        with Pymonik(backend=backend, workers=2, seed=5) as opened:
            for start in range(6):
                found.append(values(grid(signed, [*range(start, start + WIDTH)], 30)))
            hits = opened.parts.compiler.maker.graph_templates.hits
            assert (hits > 0) is (backend == "local")
    assert found[:6] == found[6:]
    assert "another" not in str(found)


@task
def refusing(left: int, here: int, right: int) -> int:
    if here == 13:
        raise ValueError("unlucky")
    return here


def test_a_call_of_a_graph_that_is_sent_again_fails_at_its_own_line(client: Pymonik) -> None:
    for start in (0, 1, 2, 3, 13):
        row = grid(refusing, [start] * WIDTH, 30)
        if start != 13:
            assert values(row) == [start] * WIDTH
    error = row[0].exception()
    assert repr(error) == "ValueError('unlucky')"
    assert "test_gang.py" in error.__cause__.site
    assert len(error.__cause__.path) > 10


@task
def listed(left: Any, here: Any, right: Any) -> Any:
    return [sum(left), *here, len(right)]


def test_values_of_any_kind_are_handed_on(client: Pymonik) -> None:
    found = values(grid(listed, [[x] for x in range(WIDTH)]))
    expected = [[x] for x in range(WIDTH)]
    for _ in range(ROWS):
        expected = [
            [sum(expected[x - 1]), *expected[x], len(expected[(x + 1) % WIDTH])]
            for x in range(WIDTH)
        ]
    assert found == expected


@task
def large(left: bytes, here: bytes, right: bytes) -> bytes:
    return left[:1] + here[1:-1] + right[-1:]


def test_what_is_too_large_for_a_cell_is_taken_to_others_by_the_host(client: Pymonik) -> None:
    first = [bytes([x]) * (1 << 19) for x in range(WIDTH)]
    expected = first
    for _ in range(2):
        expected = [
            expected[x - 1][:1] + expected[x][1:-1] + expected[(x + 1) % WIDTH][-1:]
            for x in range(WIDTH)
        ]
    assert values(grid(large, first, 2)) == expected


@task
def told(left: int, here: int, right: int, how: dict[str, Any], at: tuple[int, int]) -> int:
    """Leave a line for every body that ran; in one place, do what is asked for."""
    with open(how["path"], "a") as lines:
        lines.write(f"{at}\n")
    if at == how["at"]:
        return getattr(import_module("tests.gang.test_gang"), how["do"])(how, here)
    return here


def times(how: dict[str, Any]) -> int:
    """Return how often this was asked for, this time included."""
    with open(how["path"] + ".times", "a+") as lines:
        lines.write(".")
        lines.seek(0)
        return len(lines.read())


def fail(how: dict[str, Any], here: int) -> int:
    raise ValueError(f"in {how['at']}")


def fail_once(how: dict[str, Any], here: int) -> int:
    if times(how) == 1:
        raise ValueError("once")
    return here


def die_once(how: dict[str, Any], here: int) -> int:
    if times(how) == 1:
        os._exit(3)
    return here


def die(how: dict[str, Any], here: int) -> int:
    os._exit(3)


def hang(how: dict[str, Any], here: int) -> int:
    time.sleep(60)
    return here


def spread(how: dict[str, Any], here: int) -> Any:
    """Record a call that cannot run here, in a way that nobody can see beforehand."""
    return getattr(begin, "inv" + "oke")(here, pmk_priority=7)


EVERY = Counter(f"{(x, y)}" for x in range(WIDTH) for y in range(ROWS))
# The last lane, and the first, which reports for both.
PLACES = [(0, 1), (3, 1)]
REST = [(0, 3), (3, 1), (1, 0), (2, 2)]
thorough = pytest.mark.thorough


def how(ledger: Ledger, do: str, at: tuple[int, int]) -> dict[str, Any]:
    return {"path": str(ledger.path), "do": do, "at": at}


def bodies(ledger: Ledger) -> Counter[str]:
    return Counter(Path(ledger.path).read_text().splitlines())


@pytest.mark.parametrize("at", PLACES)
def test_a_failure_is_that_of_all_that_need_it_and_everything_else_runs(
    client: Pymonik, ledger: Ledger, at: tuple[int, int]
) -> None:
    last = grid(told, list(range(WIDTH)), ROWS, how(ledger, "fail", at))
    errors = [handle.exception() for handle in last]
    assert [str(error) for error in errors] == [f"in {at}"] * WIDTH
    # Its neighbours below need it, and theirs.
    assert bodies(ledger)["(1, 1)"] == bodies(ledger)["(2, 1)"] == 1
    assert set(bodies(ledger).values()) == {1}
    assert len(bodies(ledger)) == 2 * WIDTH + 1


@pytest.mark.parametrize("at", PLACES)
def test_a_call_is_tried_again_where_its_options_say_so(
    client: Pymonik, ledger: Ledger, at: tuple[int, int]
) -> None:
    last = grid(told, list(range(WIDTH)), ROWS, how(ledger, "fail_once", at), pmk_retries=1)
    assert values(last) == list(range(WIDTH))
    assert bodies(ledger) == EVERY + Counter([f"{at}"])


@pytest.mark.parametrize("at", [(0, 1), (3, 3), *(pytest.param(at, marks=thorough) for at in REST)])
def test_where_one_of_them_dies_no_call_that_has_ended_runs_again(
    client: Pymonik, ledger: Ledger, at: tuple[int, int]
) -> None:
    last = grid(told, list(range(WIDTH)), ROWS, how(ledger, "die_once", at))
    assert values(last) == list(range(WIDTH))
    assert bodies(ledger) == EVERY + Counter([f"{at}"])


@pytest.mark.parametrize("at", [PLACES[0], pytest.param(PLACES[1], marks=thorough)])
def test_a_call_that_kills_too_often_fails_and_the_others_run(
    client: Pymonik, ledger: Ledger, at: tuple[int, int]
) -> None:
    row = grid(told, list(range(WIDTH)), 2, how(ledger, "die", at), pmk_max_retries=1)
    assert isinstance([handle.exception() for handle in row][at[0]], ExecutorDied)
    assert bodies(ledger)[f"{at}"] == 2
    assert bodies(ledger)["(1, 1)"] == bodies(ledger)["(2, 1)"] == 1


def test_a_call_past_its_time_is_ended_and_the_others_run(client: Pymonik, ledger: Ledger) -> None:
    row = grid(told, list(range(WIDTH)), 2, how(ledger, "hang", (3, 1)), pmk_max_duration=0.2)
    assert "max_duration" in str(row[3].exception())
    assert row[1].get() == 1
    # It is not tried again; a loaded machine may end it before it has noted anything.
    assert bodies(ledger)["(3, 1)"] <= 1


@pytest.mark.parametrize("at", PLACES)
def test_what_a_call_has_recorded_makes_its_value_wherever_that_runs(
    client: Pymonik, ledger: Ledger, at: tuple[int, int]
) -> None:
    last = grid(told, list(range(WIDTH)), ROWS, how(ledger, "spread", at))
    assert values(last) == list(range(WIDTH))
    assert bodies(ledger) == EVERY
