"""Failing: what a call that raised leaves behind, and one whose value cannot travel.

Enters: an exception, or a value, with the step it is of. Leaves: a `Failure` that can be shown and,
where possible, raised again elsewhere, or the frozen value.
"""

from __future__ import annotations

import traceback
from functools import partial
from typing import Any

from pymonik.values.content import Content, freeze_buffer, is_immediate_tuple
from pymonik.values.exceptions import packed
from pymonik.values.outcome import Failure
from pymonik.wire.program import StepCode, element_of, site_of

# Characters of a text in a failure: every call that depends on it carries them along.
_TEXT_LIMIT = 3000


def failure_of(
    error: BaseException,
    step: StepCode,
    number: int,
    attempts: int,
    worker: str,
    passed: tuple[type[BaseException], ...] = (),
) -> Failure:
    """Make the failure of a call out of what it raised; passed: what is raised as it is."""
    try:
        return _told(error, step, number, attempts, worker)
    except BaseException as problem:  # whatever the exception does when it is looked at
        if isinstance(problem, passed):
            raise
        why = f"looking at it raised {type(problem).__qualname__}"
    kind, where = type(error).__qualname__, traceback.format_tb(_users_part(error))
    place = (step.name, site_of(step, number), element_of(step, number), worker, attempts)
    return Failure("error", kind, *place, "".join(where)[-_TEXT_LIMIT:], lost=why)


def _told(error: BaseException, step: StepCode, number: int, attempts: int, worker: str) -> Failure:
    from pymonik.capture import freeze as pickling

    text = "".join(traceback.format_exception(type(error), error, _users_part(error)))
    message = "".join(traceback.format_exception_only(type(error), error)).strip()
    exception, lost = packed(error, partial(pickling.freeze, as_captured=True))
    return Failure(
        "error",
        message[:_TEXT_LIMIT],
        step.name,
        site_of(step, number),
        element_of(step, number),
        worker,
        attempts,
        text[-_TEXT_LIMIT:],
        exception,
        lost=lost[:_TEXT_LIMIT],
    )


def frozen(
    value: Any,
    step: StepCode,
    number: int,
    worker: str,
    passed: tuple[type[BaseException], ...] = (),
) -> Any:
    """Make the record of a value, or the failure of its call when it cannot be pickled.

    passed: what is raised as it is.
    """
    from pymonik.capture import freeze as pickling

    if type(value) is Content or (type(value) is tuple and is_immediate_tuple(value)):
        return value
    try:
        data, raw, handles = pickling.freeze(value, as_captured=True)
        files = pickling.freeze(value, files=True)[2] if b"Materialize" in data else []
    except BaseException as error:  # a `__reduce__` may raise anything
        if isinstance(error, passed):
            raise
        try:
            reason = f"{pickling.explain(value, 'value')}: {pickling.reason_of(error)}"
        except BaseException as second:  # what is asked of the value to tell more may raise, too
            if isinstance(second, passed):
                raise
            reason = f"value (a {type(value).__qualname__}): {type(error).__name__}"
        problem = TypeError(
            f"the value that {step.name!r} returned cannot be pickled: {reason}. Return the data "
            "that it is made of (for a generator, a list)"
        )
        problem.__cause__ = error
        return failure_of(problem, step, number, 1, worker, passed)
    if handles:  # those of its own calls are taken out before: see `Subtasks.divert`
        return failure_of(_of_others(handles[0], step.name), step, number, 1, worker)
    # One that was passed here goes back as it came: it names a file of the caller's.
    made_here = [file for file in files if file._placed is None]
    if made_here:
        return failure_of(_stays(made_here[0], step.name), step, number, 1, worker)
    return Content(data, [freeze_buffer(view) for view in raw])


def death_of(step: StepCode, number: int, tries: int, reason: str, stack: str) -> Failure:
    """Make the failure of a call that has killed its executor once too often."""
    retries = step.max_retries
    said = f"the process that ran it died ({reason}), and max_retries is {retries}"
    place = (step.name, site_of(step, number), element_of(step, number))
    return Failure("died", said, *place, attempts=tries, traceback=stack)


def _stays(file: Any, name: str) -> TypeError:
    """Make the error of a task that returns a file: its consumer would find no file there."""
    return TypeError(
        f"the value that {name!r} returned holds materialize({file.path!r}, …): a task cannot "
        "return a file, which stays where the task ran. Return its bytes, and let the next task "
        "write them, or put it on a file system that all workers share and return its path"
    )


def _of_others(handle: Any, name: str) -> TypeError:
    """Make the error of a task that returns a handle which nobody else could ask for its value."""
    return TypeError(
        f"the value that {name!r} returned holds {handle!r}, whose call this task has not recorded "
        "as a sub-task: get() its value where it was recorded, and return that"
    )


def _users_part(error: BaseException) -> Any:
    """Leave out the frames of this package, up to the first one of the user."""
    tb = error.__traceback__
    while tb is not None and tb.tb_frame.f_globals.get("__name__", "").startswith("pymonik."):
        tb = tb.tb_next
    return tb if tb is not None else error.__traceback__
