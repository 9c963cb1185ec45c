"""The dry run: passes and lowering only; the first value asked for ends the script politely."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterable, Mapping
from typing import Any, ClassVar, NoReturn

from pymonik.plan.plan import Plan
from pymonik.settings import settings
from pymonik.values.content import Content
from pymonik.values.outcome import Failure
from pymonik.values.outputs import Outputs, Wanted

logger = logging.getLogger("pymonik")


class DryRunEnd(SystemExit):
    """Ends a script whose next line needs a value; `plan` is what would have been sent."""

    def __init__(self, plan: Plan) -> None:
        super().__init__(0)
        self.plan = plan


class _NothingComes(threading.Condition):
    """Ends whoever waits, also one who missed the first end: another thread, a bare `except`."""

    plan = Plan()

    def wait_for(self, predicate: Callable[[], Any], timeout: float | None = None) -> NoReturn:
        raise DryRunEnd(self.plan)


class DryRunBackend:
    """Takes plans and carries out none."""

    name = "dry-run"
    is_remote = False
    session_id = "dry-run"
    # Of all dry runs of this process, for who recorded a script: an end can be caught on its way.
    sent: ClassVar[list[Plan]] = []
    # Whether the end of a script is told; who recorded it shows the plan instead.
    tells: ClassVar[bool] = True
    # Slots where neither the script nor a variable says how many; None: those of a cluster.
    assumed_slots: ClassVar[int | None] = None
    problem: BaseException | None = None
    upload = (0, 0)
    running = 0

    def __init__(self, workers: int | None) -> None:
        self.slots = workers or self.assumed_slots or settings().default_slots
        self.changed = _NothingComes()
        self.durations: Mapping[str, float] = {}
        self.failures: list[Failure] = []

    def prepare(self, calls: int) -> None:
        """Nothing is to be got ready."""

    def submit(self, plan: Plan) -> None:
        """Keep the plan, and end the script."""
        self.sent.append(plan)
        self.changed.plan = plan
        if self.tells:
            logger.warning("the dry run ends here, nothing was sent: %r", plan)
        raise DryRunEnd(plan)

    def want(self, wanted: Iterable[Wanted]) -> None:
        """Records come here by themselves."""

    def expects(self, cell: Outputs) -> bool:
        """Who waits is ended instead."""
        return True

    def result_id(self, cell: Outputs, output: int, place: int) -> str:
        """Outcomes live in this process: their ids are those of its objects."""
        return f"{self.session_id}-{id(cell):x}"

    def located(self, result_id: str) -> Any:
        """Nothing is stored."""

    def store(self, content: Content, again: bool = False) -> str:
        """Nothing is sent."""
        return f"{self.session_id}-{content.digest.hex()}"

    def holds(self, content: Content) -> bool:
        """Nothing was sent before: the first submission ends the script."""
        return False

    def values(self, wanted: Mapping[str, str]) -> Mapping[str, Any]:
        """Nobody is asked."""
        return {}

    def lookup(self, name: str) -> Any:
        """Other programs have no part in this."""

    def drain(self) -> None:
        """Units of tasks are units like others."""

    def progress(self) -> tuple[int, int]:
        """Nothing ends."""
        return 0, 0

    def cancel(self, cell: Outputs) -> bool:
        """Nothing runs."""
        return True

    def cancel_all(self, reason: str) -> None:
        """Nothing runs."""

    def watch(self, add: Callable[[], bool], callback: Callable[[], None]) -> Any:
        """Nothing will come."""

    def close(self) -> None:
        """Nothing to let go of."""
