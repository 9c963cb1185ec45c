"""The autoscaler: how many executors a host keeps, and in which environments they live.

Enters: what the units that are ready need. Leaves: executors started, and idle ones retired when
others need their room. Which of them runs what is left to `scheduler`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from pymonik.errors import ExecutorDied
from pymonik.runtime.host.environments import HostEnvironments
from pymonik.runtime.host.events import (
    EnvironmentFailed,
    EnvironmentMerged,
    Event,
    ExecutorLost,
    ExecutorStarted,
)
from pymonik.runtime.host.pool import ExecutorPool
from pymonik.runtime.host.scheduler_state import SchedulerState

if TYPE_CHECKING:
    from pymonik.environment.builder import Built
    from pymonik.environment.value import Environment
    from pymonik.errors import EnvironmentBuildError


class Autoscaler:
    """Keeps up to `size` executors busy, and as many more idle, in other environments."""

    def __init__(
        self,
        size: int,
        state: SchedulerState,
        pool: ExecutorPool,
        environments: HostEnvironments,
        tell: Callable[[Event], None],
    ) -> None:
        """Look at a state, and send its scheduler the events that happen here."""
        self._size = size
        self._state = state
        self._tell = tell
        self._pool = pool
        self._environments = environments

    def adjust(self) -> float | None:
        """Start executors while there is work for them, in the environments of that work.

        Return the seconds after which to look again, None when an event will say.
        """
        ready = self._state.ready
        pauses = []
        for environment in ready.waiting_environments():
            if environment is not None and not self._environments.is_ready(environment):
                continue
            while ready.shortage(environment, self._state.unfinished) > 0:
                problem = self._pool.failures.problem(environment)
                if problem:
                    if not ready.has_executors(environment):
                        self._give_up(environment, problem)
                    break
                pause = self._pool.failures.pause(environment)
                if pause:
                    pauses.append(pause)
                    break
                if not self._has_room(environment):
                    break
                self._start(environment)
        return min(pauses, default=None)

    def prestart(self, count: int) -> None:
        """Start executors in the environment of the host, for what is about to come."""
        for _ in range(count):
            self._start(None)

    def _start(self, environment: Environment | None) -> None:
        number = self._pool.start(environment, self._environments.built(environment))
        if number is not None:
            self._tell(ExecutorStarted(number, environment))

    def _give_up(self, environment: Environment | None, problem: str) -> None:
        """Fail what cannot run, in this environment only; what comes later may find it mended."""
        where = "" if environment is None else f" in {environment!r}"
        text = f"no executor can start{where}: {problem}; see what it wrote to stderr"
        self._tell(EnvironmentFailed(environment, ExecutorDied(text)))
        # Else nothing would be started for units that come later, either.
        self._pool.failures.forget(environment)

    def replace(self, number: int) -> None:
        """Let an executor end that is not to run what it was given: another one will."""
        self._tell(ExecutorLost(number, None, "retired"))
        self._pool.retire(number)

    def _has_room(self, environment: Environment | None) -> bool:
        """Make room for one more executor: one that is idle in another environment has to go."""
        # As many again may be idle: in environments that take turns none would otherwise keep what
        # it has imported.
        if len(self._pool) < 2 * self._size:
            return True
        spare = self._state.ready.least_recently_used_idle(environment)
        if spare is None:
            return False
        left = self._state.ready.environment_of(spare)
        self.replace(spare)
        if left is not None and self._state.ready.is_empty(left):
            self._environments.leave(left)
        return True

    def settle(self, environment: Environment, result: Built | EnvironmentBuildError) -> None:
        """Take an environment that was built, or fail the units that need it."""
        built = self._environments.settle(environment, result)
        if isinstance(result, Exception):
            self._tell(EnvironmentFailed(environment, result))
        elif built != environment:
            self._tell(EnvironmentMerged(environment, built))
