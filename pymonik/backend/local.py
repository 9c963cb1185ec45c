"""The embedded engine: executors on this machine, as many as CPUs this process may use.

No port and no daemon; executors start with the first unit, and end a while after the client: the
next one finds them, with what they have imported.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from pymonik.backend.in_process import Embedded
from pymonik.errors import OptionsError
from pymonik.plan.plan import Plan
from pymonik.runtime.host.host import Host
from pymonik.runtime.host.pool import available_cpus
from pymonik.system.surroundings import SurroundingsWatch
from pymonik.values.outcome import Failure
from pymonik.values.outputs import Outputs


class LocalBackend(Embedded):
    """One host in this process."""

    name = "local"

    def __init__(
        self, workers: int | None, optimize: object, surroundings: SurroundingsWatch | None = None
    ) -> None:
        if workers is not None and (isinstance(workers, bool) or workers < 1):
            raise OptionsError(f"workers takes a whole number of at least 1, not {workers!r}")
        super().__init__()
        self.slots = workers or available_cpus()
        self._host = Host(
            self.slots,
            self.slots,
            optimize,
            find=self._objects.find,
            session_id=self.session_id,
            surroundings=None if surroundings is None else surroundings.base,
            keeps=True,
        )
        self.changed = self._host.changed
        self._run_by(self._host.scheduler)
        self.durations: Mapping[str, float] = self._scheduler.ready.durations

    def prepare(self, calls: int) -> None:
        """Start executors."""
        self._host.prepare(calls)

    def submit(self, plan: Plan) -> None:
        """Hand the units to the host; blobs travel with the first unit that needs them."""
        self._objects.note(plan.blobs)
        self._host.submit(plan.units)

    def expects(self, cell: Outputs) -> bool:
        """Return whether a unit has not ended, or was not looked at yet."""
        return self._host.expects(cell)

    def progress(self) -> tuple[int, int]:
        """Return how many units have ended, and how many there are."""
        return self._host.progress()

    def cancel(self, cell: Outputs) -> bool:
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
        return sum(map(bool, list(self._scheduler.executors.values())))

    @property
    def pids(self) -> list[int]:
        """The process ids of the executors."""
        return self._host.pids
