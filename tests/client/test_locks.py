"""The locks of a client are taken in the order that `client.state` writes down."""

from __future__ import annotations

import random
import re
import threading
from dataclasses import replace
from typing import Any

import pytest

import pymonik.client.state
from pymonik import Pymonik
from pymonik.backend.traits import TRAITS
from tests.conformance.programs import square
from tests.conformance.seams import PATIENCE, Other

RANKS = (
    "Traits.turn",
    "ClientState.lock",
    "LazyBackend.opening",
    "AbortHandler.sending",
    "Arrivals.changed",
)


class Ranked:
    """A lock that knows its place in the order, and notes who comes to it out of turn."""

    held = threading.local()

    def __init__(self, lock: Any, rank: int, wrong: list[str]) -> None:
        self.lock, self.rank, self.wrong = lock, rank, wrong

    def __enter__(self) -> Any:
        stack = vars(self.held).setdefault("stack", [])
        # Who holds it already comes again, wherever: these locks are re-entrant.
        if self.rank not in stack and max(stack, default=0) > self.rank:
            self.wrong.append(f"{RANKS[self.rank]} under {RANKS[max(stack)]}")
        stack.append(self.rank)
        return self.lock.__enter__()

    def __exit__(self, *error: Any) -> Any:
        self.held.stack.pop()
        return self.lock.__exit__(*error)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.lock, name)


def test_the_order_is_written_down() -> None:
    said = re.findall(r"^\d\. `([\w.]+)`", pymonik.client.state.__doc__ or "", re.MULTILINE)
    assert tuple(said) == RANKS


def test_a_lock_out_of_turn_is_noted() -> None:
    wrong: list[str] = []
    first, last = Ranked(threading.RLock(), 1, wrong), Ranked(threading.RLock(), 4, wrong)
    with first, last, last:
        pass
    assert wrong == []
    with last, first:
        pass
    assert wrong == ["ClientState.lock under Arrivals.changed"]


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("backend", ["inline", "local"])
def test_threads_take_the_locks_in_their_order(
    backend: str, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    wrong: list[str] = []
    client = Pymonik(backend=backend, workers=2)
    parts: Any = client.parts
    parts.state.lock = Ranked(parts.state.lock, 1, wrong)
    parts.engine.opening = Ranked(parts.engine.opening, 2, wrong)
    open_backend = parts.engine._open_backend

    def opened(name: str) -> Any:
        backend = open_backend(name)
        arrivals: Any = backend.traits.arrivals
        arrivals.changed = Ranked(arrivals.changed, 4, wrong)
        return backend

    parts.engine._open_backend = opened  # by the first of the threads
    turn: Any = Ranked(TRAITS["inline"].turn, 0, wrong)
    monkeypatch.setitem(TRAITS, "inline", replace(TRAITS["inline"], turn=turn))

    def use(dice: random.Random) -> None:
        handles: list[Any] = []
        for i in range(20):
            handle = square.invoke(i, pymonik=client)
            if dice.random() < 0.3:
                handle.named(f"{threading.get_ident()} {i}")
            if dice.random() < 0.3:
                handle.add_done_callback(lambda _: None)
            if dice.random() < 0.2 and handle.cancel():
                continue
            if dice.random() < 0.3:
                handle.result_id  # noqa: B018
            handles.append((i, handle))
        assert [handle.get(PATIENCE) for _, handle in handles] == [i * i for i, _ in handles]

    users = [Other(lambda n=n: use(random.Random(f"{seed} {n}"))) for n in range(3)]  # type: ignore[misc]
    for user in users:
        user.value()
    client.close()
    assert wrong == []
