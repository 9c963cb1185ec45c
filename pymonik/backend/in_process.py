"""What backends in this process have in common: a scheduler, and objects that need no store.

Enters: what a scheduler knows, and contents. Leaves: ids and observations. Who runs the units is
the difference: executors (`local`), or the caller (`inline`).
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from typing import Any

from pymonik.backend.objects import SessionObjects
from pymonik.plan.unit import ValueLocation
from pymonik.runtime.host.scheduler import Observer, Scheduler
from pymonik.values.content import Content
from pymonik.values.outcome import Failure
from pymonik.values.outputs import Outputs, Wanted


class Embedded:
    """The part of a backend that needs no engine; an engine is given by `_run_by`."""

    name = ""
    is_remote = False
    problem: BaseException | None = None
    upload = (0, 0)

    def __init__(self) -> None:
        self.session_id = f"{self.name}-{os.urandom(6).hex()}"
        self._objects = SessionObjects(self.session_id)

    def _run_by(self, scheduler: Scheduler) -> None:
        self._scheduler = scheduler
        scheduler.observers.append(self._objects)
        self.failures: list[Failure] = scheduler.failures

    def observe(self, observer: Observer) -> None:
        """Tell somebody of every piece that ends, and of every unit that tasks make."""
        self._scheduler.observers.append(observer)

    def want(self, wanted: Iterable[Wanted]) -> None:
        """Records come here by themselves."""

    def expects(self, cell: Outputs) -> bool:
        """Return whether a unit has not ended: its outcome is here once it has."""
        return self._scheduler.has_open(cell)

    def result_id(self, cell: Outputs, output: int, place: int) -> str:
        """Outcomes live in this process: their ids are those of its objects."""
        return self._objects.id_of(cell, output, place)

    def located(self, result_id: str) -> ValueLocation | None:
        """Look among the objects of this process."""
        return self._objects.place_of(result_id)

    def store(self, content: Content, again: bool = False) -> str:
        """Keep a content in this process."""
        return self._objects.store(content)

    def holds(self, content: Content) -> bool:
        """Return whether a content was in an earlier plan, or was stored."""
        return self._objects.holds(content)

    def values(self, wanted: Mapping[str, str]) -> Mapping[str, Any]:
        """Other programs have no part in this: they have a store."""
        return {}

    def lookup(self, name: str) -> Any:
        """Other programs have no part in this."""

    def drain(self) -> None:
        """Units of tasks are units like others."""
