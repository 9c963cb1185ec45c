"""Fetching: records come from the cluster when somebody wants them, some of them a little ahead.

Enters: elements that are wanted, and word of units that are stored. Leaves: filled outputs. Each
pack is fetched once, several at a time. One `get` fetches one pack. From its second step on, a
loop of `get` finds the next values here already: of the units behind the last one wanted, those
that somebody can ask for are fetched ahead, up to a window of bytes. Large values are no part of
their packs: see `large_values.py`.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterable
from weakref import WeakKeyDictionary, WeakSet, WeakValueDictionary

from pymonik.backend.armonik.large_values import AHEAD_BYTES, AHEAD_UNITS, LargeValues, Value
from pymonik.backend.bringing import BRINGING
from pymonik.errors import ClusterError
from pymonik.system.daemon_pool import DaemonPool
from pymonik.values.location import Wanted
from pymonik.values.outputs import Outputs

logger = logging.getLogger("pymonik.armonik")

OPEN, STORED, FETCHING = "open", "stored", "fetching"
# Requests under way at once: each thread waits for one answer, and not for a core; they share one
# connection.
THREADS = 8


class PackLocation:
    """Where the outcome of a unit is, until its records are here."""

    __slots__ = ("asked", "digest", "id", "number", "state", "wanted")

    def __init__(self, id: str, digest: bytes, number: int, wanted: bool) -> None:
        self.id = id
        self.digest = digest
        self.number = number
        self.state = OPEN
        # Whether somebody has asked for a value in it.
        self.asked = False
        # Whether somebody can ask for it; else only other units use it.
        self.wanted = wanted


class Fetcher:
    """Decides what to fetch, and lets threads do it; `lock` guards all of it."""

    def __init__(
        self,
        lock: threading.Condition,
        fetch: Callable[[Outputs, PackLocation], int],
        fetch_value: Callable[[Outputs, Value], None],
        broken: Callable[[BaseException], None],
    ) -> None:
        self.large_values = LargeValues(
            lambda outputs, value: self._work(self._fetch_value, outputs, value)
        )
        self.places: WeakKeyDictionary[Outputs, PackLocation] = WeakKeyDictionary()
        # What was asked for while its unit was on its way: handles know sooner than we do where
        # values will be.
        self._early: WeakSet[Outputs] = WeakSet()
        self._lock = lock
        self._fetch = fetch
        self._fetch_value = fetch_value
        self._broken = broken
        self._outputs: WeakValueDictionary[int, Outputs] = WeakValueDictionary()
        # The number of the last unit that was asked for.
        self._front: int | None = None
        # Whether it was asked for step by step, so that more of the same is expected.
        self._reads_on = False
        # Bytes of packs that are here, or on their way, ahead of the front, by their numbers.
        self._ahead: dict[int, int] = {}
        # Under the lock, too: requests are made by its threads, without.
        self._pool: DaemonPool | None = None

    def expect(self, outputs: Outputs, place: PackLocation) -> None:
        """Take note of a unit that was sent."""
        self.places[outputs] = place
        self._outputs[place.number] = outputs
        if outputs in self._early:
            self._early.discard(outputs)
            self._ask(outputs)

    def want(self, wanted: Iterable[Wanted]) -> None:
        """Fetch values as soon as they are stored, and some of those behind them."""
        with self._lock:
            before = self._front
            for location, indexes in wanted:
                for outputs, places in location.parts(indexes):
                    if outputs.missing:
                        self._ask(outputs)
                        self.large_values.want(
                            outputs, location.output, places, alone=len(indexes) == 1
                        )
            if before is not None and self._front is not None and self._front > before:
                self._reads_on = self._front <= before + AHEAD_UNITS
                self._ahead = {n: size for n, size in self._ahead.items() if n > self._front}
                self._read_ahead(self._front)

    def fetch_rest(self) -> None:
        """Fetch all that is stored and not here; called under the lock."""
        for outputs, place in list(self.places.items()):
            place.asked = True
            if place.state == STORED:
                self._start(outputs, place)

    @property
    def is_fetching(self) -> bool:
        """Return whether packs are on their way."""
        return any(place.state == FETCHING for place in list(self.places.values()))

    def _ask(self, outputs: Outputs) -> None:
        place = self.places.get(outputs)
        if place is None:
            self._early.add(outputs)
        else:
            place.asked = True
            self._front = max(place.number, self._front or 0)
            if place.state == STORED:
                self._start(outputs, place)

    def stored(self, outputs: Outputs) -> None:
        """Take note that an outcome is stored; called under the lock."""
        place = self.places.get(outputs)
        if place is None or place.state != OPEN:
            return
        place.state = STORED
        if place.asked or self._is_near(place):
            self._start(outputs, place)

    def _is_near(self, place: PackLocation) -> bool:
        front = self._front
        if front is None or not self._reads_on or not place.wanted or self._is_full():
            return False
        return front < place.number <= front + AHEAD_UNITS

    def _is_full(self) -> bool:
        return sum(self._ahead.values()) >= AHEAD_BYTES

    def _read_ahead(self, front: int) -> None:
        for number in range(front + 1, front + 1 + AHEAD_UNITS):
            outputs = self._outputs.get(number)
            place = self.places.get(outputs) if outputs is not None else None
            if outputs is None or place is None or place.state != STORED:
                continue
            if self._is_near(place):
                self._start(outputs, place)

    def _start(self, outputs: Outputs, place: PackLocation) -> None:
        place.state = FETCHING
        self._ahead[place.number] = 0
        self._work(self._run, outputs, place)

    def _work(self, function: Callable[..., None], *args: object) -> None:
        if self._pool is None:
            # Made by the first fetch: programs that only submit have no threads for it. Daemons:
            # after Ctrl-C nobody waits for what is under way.
            self._pool = DaemonPool(THREADS, "pymonik-fetch")
        try:
            self._pool.submit(self._explained, function, *args)
        except RuntimeError as error:  # no thread can be started, or the interpreter ends
            problem = ClusterError(f"a value cannot be fetched: {error}")
            problem.__cause__ = error
            self._broken(problem)

    def _explained(self, function: Callable[..., None], *args: object) -> None:
        """Run it; an unforeseen error is raised in those that wait, who else would for ever."""
        try:
            with BRINGING:
                function(*args)
        except BaseException as error:
            logger.exception("fetching a value failed")
            problem = ClusterError(f"a value could not be fetched: {error!r}")
            problem.__cause__ = error
            self._broken(problem)

    def _run(self, outputs: Outputs, place: PackLocation) -> None:
        with self._lock:
            # How large a pack is shows when it is here: those that came meanwhile may be enough.
            if not place.asked and self._is_full():
                place.state = STORED
                return
        size = self._fetch(outputs, place)
        with self._lock:
            if self._front is not None and place.number > self._front:
                self._ahead[place.number] = size
