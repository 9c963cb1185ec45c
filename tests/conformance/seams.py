"""Seams: a test does something in another thread at one moment of a flush, without luck."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from pymonik import Pymonik
from pymonik.backend.traits import TRAITS

# Bounds a hang; nothing is measured by it.
PATIENCE = 120


def until(is_so: Callable[[], Any]) -> None:
    """Wait for what another thread is about to do."""
    pause = threading.Event()
    for _ in range(PATIENCE * 1000):
        if is_so():
            return
        pause.wait(0.001)
    raise AssertionError("it does not happen")


class Other:
    """Something done in another thread: its value or error comes with `value`."""

    def __init__(self, action: Callable[[], Any]) -> None:
        self._action = action
        self._found: Any = None
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    @property
    def is_this_thread(self) -> bool:
        return self._thread is threading.current_thread()

    @property
    def has_ended(self) -> bool:
        return not self._thread.is_alive()

    def _run(self) -> None:
        try:
            self._found = self._action()
        except BaseException as error:
            self._error = error

    def join(self) -> None:
        self._thread.join(PATIENCE)
        assert not self._thread.is_alive(), "the other thread hangs"

    def value(self) -> Any:
        self.join()
        if self._error is not None:
            raise self._error
        return self._found


@contextmanager
def held_elsewhere(lock: Any) -> Iterator[None]:
    """Let another thread hold a lock; this one may wait meanwhile, and yields none for it."""
    taken, over = threading.Event(), threading.Event()

    def hold() -> None:
        with lock:
            taken.set()
            assert over.wait(PATIENCE)

    other = Other(hold)
    assert taken.wait(PATIENCE)
    try:
        yield
    finally:
        over.set()
        other.value()


class _Door:
    """A lock that a flush holds; tells when another thread is about to ask for it."""

    def __init__(self, lock: Any, asked: threading.Event) -> None:
        self.lock = lock
        self.asked = asked
        self.flushing: threading.Thread | None = None

    def __enter__(self) -> Any:
        if self.flushing not in (None, threading.current_thread()):
            self.asked.set()
        return self.lock.__enter__()

    def __exit__(self, *error: Any) -> Any:
        return self.lock.__exit__(*error)

    def _is_owned(self) -> bool:
        return bool(self.lock._is_owned())


class Seam:
    """The moment after a flush has taken what is pending, and before it looks at what is wanted.

    The first flush runs `action` in another thread at that moment: to its end, or, where it
    `waits` for the flush, up to the lock that the flush holds.
    """

    def __init__(self, client: Pymonik, action: Callable[[], Any], waits: bool = False) -> None:
        self._client = client
        self._asked = threading.Event()
        self._door = _Door(client.parts.state.lock, self._asked)
        self._turn = _Door(TRAITS["inline"].turn, self._asked)  # where calls run in this thread
        self._take = client.parts.submitter.take
        self._action = action
        self._waits = waits
        self.other: Other | None = None

    def __enter__(self) -> Seam:
        self._client.parts.state.lock = self._door
        TRAITS["inline"] = replace(TRAITS["inline"], turn=self._turn)
        self._client.parts.submitter.take = self._taken  # type: ignore[method-assign]
        return self

    def __exit__(self, *error: Any) -> None:
        if self.other is not None:
            self.other.join()
        self._client.parts.state.lock = self._door.lock
        TRAITS["inline"] = replace(TRAITS["inline"], turn=self._turn.lock)
        del self._client.parts.submitter.take

    def _taken(self) -> list[Any]:
        nodes = self._take()
        if self.other is None and nodes:
            self._door.flushing = self._turn.flushing = threading.current_thread()
            self.other = Other(self._action)
            if self._waits:
                assert self._asked.wait(PATIENCE), "it never asked for the lock"
            else:
                self.other.value()
        return nodes

    def value(self) -> Any:
        """What the action gave, once its thread has ended."""
        assert self.other is not None, "there was no flush"
        return self.other.value()
