"""What backends in this process have in common: where records come in, and ids of objects.

Enters: what an engine in this process knows. Leaves: traits. Who runs the units is the difference:
executors (`local`), the caller (`inline`), or nobody (`dry_run`).
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

from pymonik.backend.protocol import SessionTraits
from pymonik.backend.session_objects import SessionObjects
from pymonik.backend.traits import TRAITS
from pymonik.system.conditions import SafeCondition
from pymonik.values.failures import Failures
from pymonik.values.outputs import Outputs


class EngineArrivals:
    """Where the records of an engine of this process come in; `changed` tells who waits for them.

    There is no `problem`: what breaks such an engine fails its units.
    """

    problem: BaseException | None = None

    def __init__(
        self, changed: SafeCondition, failures: Failures, expects: Callable[[Outputs], bool]
    ) -> None:
        self.changed = changed
        self.failures = failures
        self.expects = expects

    def watch(self, add: Callable[[], bool], callback: Callable[[], None]) -> None:
        """Look at outputs at once."""
        with self.changed:
            is_late = not add()
        if is_late:
            callback()


def new_session(name: str) -> SessionObjects:
    """Begin a session of an engine in this process: its objects, whose ids begin with its own."""
    return SessionObjects(f"{name}-{os.urandom(6).hex()}")


def traits_of(
    name: str, slots: int, arrivals: EngineArrivals, objects: SessionObjects, **others: Any
) -> SessionTraits:
    """Return the traits of an engine in this process; others: what else it can do."""
    return SessionTraits(
        **vars(TRAITS[name]),
        session_id=objects.session_id,
        slots=slots,
        arrivals=arrivals,
        objects=objects,
        **others,
    )
