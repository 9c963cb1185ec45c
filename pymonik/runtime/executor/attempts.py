"""One call of a step, tried as often as its options say.

Enters: what makes the call. Leaves: its value, or the `Failure` it ended with. What the call has
done to the process is undone behind each attempt.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from typing import Any

from pymonik.runtime.executor import state as running
from pymonik.runtime.executor.calls import ExecutionServices
from pymonik.runtime.executor.feed import UpstreamFailed
from pymonik.runtime.executor.results import failure_of
from pymonik.values.outcome import Failure
from pymonik.wire.journal import DEADLINE
from pymonik.wire.program import StepCode


def attempt(
    step: StepCode,
    number: int,
    died: int,
    hosting: ExecutionServices,
    call: Callable[[], Any],
    failures: Callable[[], Iterable[Failure]],
    raised: BaseException | None = None,
) -> Any:
    """Return the value of a call, or its `Failure`.

    number: its element. died: how often it was tried in executors that are dead. failures: gives
    those among its inputs. raised: what the first attempt has raised already.
    """
    for attempt in range(1, step.retries + 2):
        running.STATE.begin(step, number, attempt + died)
        if step.limit is not None:
            hosting.page.numbers[DEADLINE] = time.monotonic_ns() + int(step.limit * 1e9)
        try:
            if raised is not None:
                error, raised = raised, None
                raise error
            return call()
        except UpstreamFailed as upstream:
            return upstream.failure_of(step.name, failures())
        except BaseException as error:
            hosting.restore.end_if_fork(error)
            if isinstance(error, hosting.passed):
                raise
            # The next attempt records its calls anew; what failed has none.
            hosting.subtasks.drop_call()
            if attempt <= step.retries and isinstance(error, _retried(step)):
                running.clean_up()
                continue
            tries = attempt + died
            return failure_of(error, step, number, tries, hosting.worker, hosting.passed)
        finally:
            if step.limit is not None:
                hosting.page.numbers[DEADLINE] = 0
            if hosting.restore.is_due():
                hosting.restore()
    raise AssertionError("a step ends within its attempts")


def _retried(step: StepCode) -> Any:
    """Return the types of errors after which a step is tried again: none where they do not load."""
    if step.retry_on is None:
        return Exception
    try:
        return step.retry_on.load()
    except Exception:  # whatever a class of the user does: the error of the call is told instead
        return ()
