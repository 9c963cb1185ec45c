"""The dry run: passes and lowering only; the first value asked for ends the script politely."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from typing import Any, ClassVar, NoReturn

from pymonik.backend.in_process import EngineArrivals, traits_of
from pymonik.backend.session_objects import SessionObjects
from pymonik.plan.plan import Plan
from pymonik.settings import settings
from pymonik.system.conditions import SafeCondition
from pymonik.values.failures import Failures
from pymonik.values.location import Wanted
from pymonik.values.outputs import Outputs

logger = logging.getLogger("pymonik")

_NAME = "dry-run"


class DryRunEnd(SystemExit):
    """Ends a script whose next line needs a value; `plan` is what would have been sent."""

    # How often a script was ended: what is caught on its way ends none.
    count: ClassVar[int] = 0

    def __init__(self, plan: Plan) -> None:
        super().__init__(0)
        self.plan = plan
        DryRunEnd.count += 1

    def __str__(self) -> str:
        return "this is a dry run: no task runs, so the script ends where it needs a value"


class _NothingComes(SafeCondition):
    """Ends every thread that waits, also one that missed the first end: by a bare `except`."""

    plan = Plan()

    def wait_for(self, predicate: Callable[[], Any], timeout: float | None = None) -> NoReturn:
        raise DryRunEnd(self.plan)


class DryRunBackend:
    """Takes plans and carries out none; what is stored has an id, as it would on a cluster."""

    # Of all dry runs of this process, for who recorded a script: an end can be caught on its way.
    sent: ClassVar[list[Plan]] = []
    # Whether the requests are shown at the end; the command line shows the plan instead.
    shows_requests: ClassVar[bool] = True
    # Slots where neither the script nor a variable says how many; None: those of a cluster.
    assumed_slots: ClassVar[int | None] = None

    def __init__(self, workers: int | None) -> None:
        slots = workers or self.assumed_slots or settings().default_slots
        self._ended = _NothingComes()
        # Records stay expected: a wait for one ends the program, it does not fail.
        arrivals = EngineArrivals(self._ended, Failures(), lambda outputs: True)
        self.traits = traits_of(_NAME, slots, arrivals, SessionObjects(_NAME))

    def submit(self, plan: Plan) -> None:
        """Keep the plan, and end the script."""
        self.sent.append(plan)
        self._ended.plan = plan
        if self.shows_requests:
            logger.warning("the dry run ends here, nothing was sent: %r", plan)
        raise DryRunEnd(plan)

    def want(self, wanted: Iterable[Wanted]) -> None:
        """Bring nothing: the wait ends the program."""

    def progress(self) -> tuple[int, int]:
        """Return that nothing was sent, and nothing has ended."""
        return 0, 0

    def cancel(self, outputs: Outputs | None = None) -> Callable[[], bool]:
        """Return what says that it will not run."""
        return lambda: True

    def close(self) -> None:
        """Let go of nothing."""
