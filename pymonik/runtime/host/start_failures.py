"""Executors that end before they did anything: when the next may be started, and when to give up.

Enters: their ends, by environment. Leaves: pauses, and the problem that units of an environment are
reported. Nothing is started here.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from pymonik.system.structs import Struct, replace

if TYPE_CHECKING:
    from pymonik.environment.value import Environment

# An executor that cannot even start is not started for ever: what is lacking for a moment, memory
# or processes, is there again after a second or two.
_START_TRIES = 5
# Seconds before the next one is started after one that has done nothing; doubled each time, so that
# five tries take 1.5 s. An executor starts in a tenth of a second: more often would be no news.
_FIRST_PAUSE = 0.1
# Reached only where executors are ready and end before they say anything else, which is no try: an
# interpreter every five seconds is no load, and what was amiss is found mended as soon.
_LONGEST_PAUSE = 5.0


class _Trouble(Struct):
    """Executors of one environment that ended, one after the other, before they did anything.

    tries: how many were not even ready. reason: why the last one ended. pause: seconds. until: when
    the next may be started. started: how many executors had been started before, in all.
    """

    tries: int = 0
    reason: str = ""
    pause: float = _FIRST_PAUSE / 2
    until: float = 0.0
    started: int = 0


class StartFailures:
    """What has kept executors from starting, by the environment they were to live in."""

    def __init__(self) -> None:
        self._troubles: dict[Any, _Trouble] = {}

    def problem(self, environment: Environment | None) -> str:
        """Return why executors cannot be started in an environment, "" as long as they may be."""
        trouble = self._troubles.get(environment)
        return trouble.reason if trouble is not None and trouble.tries >= _START_TRIES else ""

    def pause(self, environment: Environment | None) -> float:
        """Return the seconds that have to pass before the next is started in an environment."""
        trouble = self._troubles.get(environment)
        return 0.0 if trouble is None else max(0.0, trouble.until - time.monotonic())

    def forget(self, environment: Environment | None) -> None:
        """Forget what has kept executors from starting."""
        self._troubles.pop(environment, None)

    def note(
        self, environment: Environment | None, number: int, started: int, reason: str, tries: int
    ) -> None:
        """Note an executor that has ended before it did anything, of so many that were started.

        Those that were under way when another one ended count with it: what takes several at
        once, such as a lack of memory, is one try.
        """
        before = self._troubles.get(environment, _Trouble())
        # It was under way already when the last one ended: the same trouble, counted once.
        if number < before.started:
            return
        pause = min(2 * before.pause, _LONGEST_PAUSE)
        self._troubles[environment] = _Trouble(
            before.tries + tries, reason, pause, time.monotonic() + pause, started
        )

    def give_up(self, environment: Environment | None) -> None:
        """Let none be started any more, until this is forgotten."""
        self._troubles[environment] = replace(self._troubles[environment], tries=_START_TRIES)
