"""The embedded engine: executors on this machine, as many as CPUs this process may use.

No port and no daemon; executors start with the first unit, and end a while after the client: the
next one finds them, with what they have imported.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from pymonik.backend.in_process import EngineArrivals, new_session, traits_of
from pymonik.backend.protocol import ABANDONED
from pymonik.errors import OptionsError
from pymonik.plan.plan import Plan
from pymonik.runtime.host.host import Host
from pymonik.runtime.host.start_state import available_cpus
from pymonik.system.surroundings import SurroundingsWatch
from pymonik.values.location import Wanted
from pymonik.values.outcome import Failure
from pymonik.values.outputs import Outputs

_NAME = "local"


class _HostArrivals(EngineArrivals):
    """The thread that runs the host's loop fills outputs, without a lock: looked at there, too."""

    def __init__(self, host: Host) -> None:
        super().__init__(host.changed, host.state.failures, host.expects)
        self._host = host

    def watch(self, add: Callable[[], bool], callback: Callable[[], None]) -> None:
        """Look at outputs on the host's thread."""
        self._host.watch(add, callback)


class LocalBackend:
    """One host in this process."""

    def __init__(
        self, workers: int | None, optimize: object, surroundings: SurroundingsWatch | None = None
    ) -> None:
        if workers is not None and (isinstance(workers, bool) or workers < 1):
            raise OptionsError(f"workers takes a whole number of at least 1, not {workers!r}")
        slots = workers or available_cpus()
        self._objects = objects = new_session(_NAME)
        self._host = host = Host(
            slots,
            slots,
            optimize,
            find=objects.find,
            session_id=objects.session_id,
            surroundings=None if surroundings is None else surroundings.base,
            keeps=True,
        )
        host.state.observe(objects)
        self.traits = traits_of(
            _NAME,
            slots,
            _HostArrivals(host),
            objects,
            durations=host.state.ready.durations,
            prestarts=host,
            census=host,
            pieces=host.state,
        )

    def submit(self, plan: Plan) -> None:
        """Hand the units to the host; blobs travel with the first unit that needs them."""
        if plan.blobs:
            self._objects.note(plan.blobs)
        self._host.submit(plan.units)

    def want(self, wanted: Iterable[Wanted]) -> None:
        """Wait for nothing: records come here by themselves."""

    def progress(self) -> tuple[int, int]:
        """Return how many units have ended, and how many there are."""
        return self._host.progress()

    def cancel(self, outputs: Outputs | None = None) -> Callable[[], bool]:
        """Stop a unit, or all; what runs is killed, what waits behind it is placed anew."""
        if outputs is not None:
            return self._host.cancel(outputs)
        self._host.fail_all(Failure("cancelled", ABANDONED, "every unfinished task"))
        return lambda: True

    def close(self) -> None:
        """End the executors."""
        self._host.close()

    @property
    def pids(self) -> list[int]:
        """The process ids of the executors."""
        return self._host.pids
