"""The embedded engine: executors on this machine, as many as CPUs this process may use.

No port and no daemon; executors start with the first unit and end with the client.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from pymonik.content import Content
from pymonik.errors import OptionsError
from pymonik.plan.home import Cell, Wanted
from pymonik.plan.plan import Plan
from pymonik.runtime.host import Host
from pymonik.runtime.objects import Objects
from pymonik.runtime.outcome import Failure
from pymonik.runtime.scheduler import Observer
from pymonik.runtime.staff import available_cpus


class LocalBackend:
    """One host in this process."""

    name = "local"
    problem: BaseException | None = None
    upload = (0, 0)

    def __init__(self, workers: int | None, optimize: object) -> None:
        if workers is not None and (isinstance(workers, bool) or workers < 1):
            raise OptionsError(f"workers takes a whole number of at least 1, not {workers!r}")
        self.slots = workers or available_cpus()
        self.session_id = f"local-{os.urandom(6).hex()}"
        self._objects = Objects(self.session_id)
        self._host = Host(self.slots, self.slots, optimize, find=self._objects.find)
        self.changed = self._host.changed
        self.failures = self._host.scheduler.failures
        self.durations: Mapping[str, float] = self._host.scheduler.ready.durations

    def prepare(self, calls: int) -> None:
        """Start executors."""
        self._host.prepare(calls)

    def submit(self, plan: Plan) -> None:
        """Hand the units to the host; blobs travel with the first unit that needs them."""
        self._objects.note(plan.blobs)
        self._host.submit(plan.units)

    def observe(self, observer: Observer) -> None:
        """Tell somebody of every piece that ends, and of every unit that tasks make."""
        self._host.scheduler.observers.append(observer)

    def want(self, wanted: Iterable[Wanted]) -> None:
        """Records come here by themselves."""

    def result_id(self, cell: Cell) -> str:
        """Outcomes live in this process: their ids are those of its objects."""
        return self._objects.id_of(cell)

    def store(self, content: Content, again: bool = False) -> str:
        """Keep a content in this process."""
        return self._objects.store(content)

    def holds(self, content: Content) -> bool:
        """Tell whether a content was in an earlier plan, or was stored."""
        return self._objects.holds(content)

    def values(self, wanted: Mapping[str, str]) -> Mapping[str, Any]:
        """Other programs have no part in this: they have a store."""
        return {}

    def lookup(self, name: str) -> Any:
        """Other programs have no part in this."""

    def drain(self) -> None:
        """Units of tasks are units like others."""

    def progress(self) -> tuple[int, int]:
        """Give how many units have ended, and how many there are."""
        return self._host.progress()

    def cancel(self, cell: Cell) -> bool:
        """Stop a unit; what runs is killed, what waits behind it is placed anew."""
        return self._host.cancel(cell)

    def cancel_all(self, reason: str) -> None:
        """Stop all units."""
        self._host.fail_all(Failure("cancelled", reason, "every unfinished task"))

    def watch(self, add: Callable[[], bool], callback: Callable[[], None]) -> None:
        """Look at cells on the host's thread."""
        self._host.watch(add, callback)

    def close(self) -> None:
        """End the executors."""
        self._host.close()

    @property
    def running(self) -> int:
        """How many executors have something to run."""
        return sum(map(bool, list(self._host.scheduler.executors.values())))

    @property
    def pids(self) -> list[int]:
        """The process ids of the executors."""
        return self._host.pids
