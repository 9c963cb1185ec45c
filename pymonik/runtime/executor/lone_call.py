"""A lone call: a unit of one element with one plain step, as a program makes that waits for each.

Enters: a program. Leaves: the value of its only call; or what that has made which is not plain, an
error or a value of another kind, for `run` to go on with. What is done around each call in general
(`plain`) is done here, too, but for what leads from one element to the next, and for the journal:
the value is reported at once.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

from pymonik.capture.definitions.shown import SHOWN
from pymonik.runtime.executor import state as running
from pymonik.runtime.executor.calls import ExecutionServices
from pymonik.runtime.executor.plain import NOTHING
from pymonik.values.content import IMMEDIATE, Content
from pymonik.wire.program import Program, StepCode


class LoneCall:
    """A call that was made, and the value that it has given, or the error that it has raised.

    began: on time.monotonic. is_plain: whether all is done but to report the value. Where it is
    not, this stands for a `PlainElements` that has come to what is not plain.
    """

    __slots__ = ("began", "error", "is_plain", "value")

    def __init__(
        self, began: float, value: Any, is_plain: bool, error: BaseException | None = None
    ):
        self.began = began
        self.value = value
        self.is_plain = is_plain
        self.error = error

    def __call__(self, number: int, *_: object) -> tuple[int, bool, Any, BaseException | None]:
        """Return what the call has made, as `ElementRunner` says."""
        return number + 1, False, self.value, self.error


def lone_arguments(program: Program) -> Sequence[Any] | None:
    """Return what the only call of a program is made with; None where it is no lone call."""
    code = program.shared.lone
    if code is None or program.n != 1 or type(code[0]) is not Content:
        return None
    columns, keep = program.own[0][:2]
    if keep is not True:
        return None
    arguments = [column[1] for column in columns if column[0] == "v"]
    return arguments if len(arguments) == len(columns) else None


def call_alone(step: StepCode, arguments: Sequence[Any], hosting: ExecutionServices) -> LoneCall:
    """Make the only call of a unit."""
    running.STATE.begin(step, 0, 1)
    began = time.monotonic()
    try:
        function = hosting.functions(step.function)
        if SHOWN.function is not function:
            SHOWN.enter(function)
        value = hosting.contexts.maker()().run(function, *arguments)
    except BaseException as error:
        return LoneCall(began, NOTHING, False, error)
    if type(value) not in IMMEDIATE or hosting.subtasks.recorded:
        return LoneCall(began, value, False)
    if hosting.restore.is_due():
        hosting.restore()
        running.clean_up()
    return LoneCall(began, value, True)
