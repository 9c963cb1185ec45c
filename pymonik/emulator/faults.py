"""Faults to inject, addressed by method and occurrence.

    emulator.faults.add("SubmitTasks", DropAfter(), at=2)

drops the second answer of SubmitTasks from now on. Methods are named as in `counters`. A fault is
a value; what carries it out is the interceptor of each service, or the pod for `KillWorker` and
`LoseAgent`.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from contextvars import ContextVar
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Delay:
    """Wait before the request is handled."""

    seconds: float


@dataclass(frozen=True, slots=True)
class DropBefore:
    """Answer UNAVAILABLE instead of handling the request."""

    code: str = "UNAVAILABLE"


@dataclass(frozen=True, slots=True)
class DropAfter:
    """Handle the request, then answer UNAVAILABLE: the caller cannot know."""

    code: str = "UNAVAILABLE"


@dataclass(frozen=True, slots=True)
class CutStream:
    """End a stream of answers after some messages: normally, or with a status code."""

    after: int = 0
    code: str | None = None


@dataclass(frozen=True, slots=True)
class SilentStream:
    """Leave a stream of answers open after some messages, and say nothing more."""

    after: int = 0


@dataclass(frozen=True, slots=True)
class SlowUpload:
    """Wait before each message of a request stream is read."""

    seconds: float


@dataclass(frozen=True, slots=True)
class FailUpload:
    """Break a request stream after some messages were read."""

    after: int = 1
    code: str = "UNAVAILABLE"


@dataclass(frozen=True, slots=True)
class KillWorker:
    """Kill the worker process `after` seconds of a call; for the method "Worker.Process"."""

    after: float = 0.0


@dataclass(frozen=True, slots=True)
class RacedByAbort:
    """Let an input of a submission become ABORTED between its checks and its effect.

    The submission waits up to `within` seconds for that, and is accepted: its tasks stay PENDING
    for ever (in strict mode until the session is quiet). For "SubmitTasks".
    """

    within: float = 30.0


@dataclass(frozen=True, slots=True)
class LoseAgent:
    """Lose the agent `after` seconds of a call, its worker too; for "Worker.Process".

    Nobody notices for `seconds`, while the task stays PROCESSING; then it is retried. The pod
    itself is restarted at once and takes other tasks.
    """

    seconds: float
    after: float = 0.0


OfWorker = KillWorker | LoseAgent
OfStream = CutStream | SilentStream | SlowUpload | FailUpload
Action = Delay | DropBefore | DropAfter | OfStream | RacedByAbort | OfWorker


# The faults that the request at hand meets, for the services that carry some of them out.
CURRENT_FAULTS: ContextVar[Sequence[Action]] = ContextVar("current_faults", default=())


@dataclass(slots=True)
class _Planned:
    method: str
    action: Action
    first: int
    last: int
    seen: int = 0


@dataclass(slots=True)
class Faults:
    """The faults still to come."""

    _planned: list[_Planned] = field(default_factory=list)
    # Guards the list: tests plan, the threads of the servers take.
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def add(self, method: str, action: Action, *, at: int = 1, times: int = 1) -> None:
        """Plan a fault for the `at`-th call of a method from now on, and `times - 1` more.

        >>> @task
        ... def square(x):
        ...     return x * x
        >>> with Emulator() as emulator, Pymonik(emulator.endpoint):
        ...     emulator.faults.add("Worker.Process", KillWorker())
        ...     square.invoke(7).get()
        49
        """
        if isinstance(action, OfWorker) != (method == "Worker.Process"):
            raise ValueError(
                f"{type(action).__name__} does not fit the method {method!r}: KillWorker and "
                'LoseAgent are for "Worker.Process", and nothing else is'
            )
        if at < 1 or times < 1:
            raise ValueError(f"at={at}, times={times}: occurrences count from 1")
        with self._lock:
            self._planned.append(_Planned(method, action, at, at + times - 1))

    def clear(self) -> None:
        """Forget the faults that have not happened."""
        with self._lock:
            self._planned.clear()

    def take(self, method: str) -> list[Action]:
        """Count one call of a method and return what shall go wrong with it."""
        if not self._planned:
            return []
        due = []
        with self._lock:
            for plan in self._planned:
                if plan.method == method:
                    plan.seen += 1
                    if plan.first <= plan.seen:
                        due.append(plan.action)
            self._planned = [plan for plan in self._planned if plan.seen < plan.last]
        return due

    def __len__(self) -> int:
        return len(self._planned)
