"""Fetching: records come from the cluster when somebody wants them, some of them a little ahead.

Enters: cells that are wanted, and word of those that are stored. Leaves: filled cells. Each pack is
fetched once, several at a time. A loop of `get` finds the next values here already: of the units
behind the last one wanted, those that somebody can ask for are fetched ahead, up to a window of
bytes.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from weakref import WeakKeyDictionary, WeakValueDictionary

from pymonik.plan.home import Cell

logger = logging.getLogger("pymonik.armonik")

OPEN, STORED, FETCHING = "open", "stored", "fetching"
THREADS = 8
# How far ahead of the reader packs are fetched, in units and in bytes.
AHEAD_UNITS = 256
AHEAD_BYTES = 64 << 20


class Place:
    """Where the outcome of a unit is, until its records are here."""

    __slots__ = ("asked", "id", "number", "stamp", "state", "wanted")

    def __init__(self, id: str, stamp: bytes, number: int, wanted: bool) -> None:
        self.id = id
        self.stamp = stamp
        self.number = number
        self.state = OPEN
        self.asked = False
        # Whether somebody can ask for it; else only other units use it.
        self.wanted = wanted


class Fetcher:
    """Decides what to fetch, and lets threads do it; `lock` guards all of it."""

    def __init__(self, lock: threading.Condition, fetch: Callable[[Cell, Place], int]) -> None:
        self.places: WeakKeyDictionary[Cell, Place] = WeakKeyDictionary()
        self._lock = lock
        self._fetch = fetch
        self._cells: WeakValueDictionary[int, Cell] = WeakValueDictionary()
        self._front: int | None = None
        self._ahead: dict[int, int] = {}
        self._pool: ThreadPoolExecutor | None = None

    def expect(self, cell: Cell, place: Place) -> None:
        """Take note of a unit that was sent."""
        self.places[cell] = place
        self._cells[place.number] = cell

    def want(self, cells: Iterable[Cell]) -> None:
        """Fetch cells as soon as they are stored, and some of those behind them."""
        with self._lock:
            for cell in cells:
                place = self.places.get(cell)
                if place is None:
                    continue
                place.asked = True
                self._front = max(place.number, self._front or 0)
                if place.state == STORED:
                    self._start(cell, place)
            if self._front is not None:
                self._ahead = {n: size for n, size in self._ahead.items() if n > self._front}
                self._read_ahead(self._front)

    def stored(self, cell: Cell) -> None:
        """Take note that an outcome is stored; called under the lock."""
        place = self.places.get(cell)
        if place is None or place.state != OPEN:
            return
        place.state = STORED
        if place.asked or self._is_near(place):
            self._start(cell, place)

    def close(self) -> None:
        """Let the threads end; a later `want` starts new ones."""
        with self._lock:
            pool, self._pool = self._pool, None
        if pool is not None:
            pool.shutdown(wait=False, cancel_futures=True)
        with self._lock:
            for place in self.places.values():
                if place.state == FETCHING:
                    place.state = STORED

    def _is_near(self, place: Place) -> bool:
        front = self._front
        if front is None or not place.wanted or sum(self._ahead.values()) >= AHEAD_BYTES:
            return False
        return front < place.number <= front + AHEAD_UNITS

    def _read_ahead(self, front: int) -> None:
        for number in range(front + 1, front + 1 + AHEAD_UNITS):
            cell = self._cells.get(number)
            place = self.places.get(cell) if cell is not None else None
            if cell is None or place is None or place.state != STORED:
                continue
            if self._is_near(place):
                self._start(cell, place)

    def _start(self, cell: Cell, place: Place) -> None:
        place.state = FETCHING
        self._ahead[place.number] = 0
        if self._pool is None:
            self._pool = ThreadPoolExecutor(THREADS, "pymonik-fetch")
        self._pool.submit(self._run, cell, place)

    def _run(self, cell: Cell, place: Place) -> None:
        try:
            size = self._fetch(cell, place)
        except Exception:
            logger.exception("fetching a value failed")
            return
        with self._lock:
            if self._front is not None and place.number > self._front:
                self._ahead[place.number] = size
