"""The stack of activations that an executor runs, and the log that says as much to the next one.

Enters: graphs that begin, records of their calls. Leaves: the activation to go on with, and a log
(`wire.activation_log`) of which another executor can make the same stack. Which call runs, and
where, is the business of `lazy_tasks`.
"""

from __future__ import annotations

from typing import Any

from pymonik.runtime.executor.activations import Activation, Callee, RecordedCall
from pymonik.runtime.executor.calls import ExecutionServices
from pymonik.runtime.executor.results import death_of
from pymonik.runtime.executor.resume import DeathRecord
from pymonik.values.content import IMMEDIATE, Content
from pymonik.values.outcome import Failure
from pymonik.wire.activation_log import entries

# What an entry of the log says: a graph begins, a value has come, executors have died of a call.
_GRAPH, _VALUE, _DIED = range(3)


class ActivationStack:
    """Activations, the innermost last. errors: failures that are not the failures of others."""

    def __init__(self, hosting: ExecutionServices) -> None:
        self._hosting, self._log = hosting, hosting.page.log
        self.activations: list[Activation] = []
        self.errors: list[Failure] = []
        # Callees that the log names, by their numbers.
        self._logged: list[Callee] = []
        # The activation of which the log does not say all, by its place.
        self.gap: int | None = None

    @property
    def is_logged(self) -> bool:
        """Return whether the log says all: else no call may run whose end it could not tell."""
        return self.gap is None

    def begin(self, at: tuple[int, int]) -> None:
        """Begin with nothing, for what a call has recorded; at: its element and step."""
        self._log.begin(*at)
        self.activations.clear()
        self._logged.clear()
        self.errors, self.gap = [], None

    def push(self, activation: Activation) -> bool:
        """Begin a graph; False where it cannot be noted."""
        if _is_shared(activation.value):
            return False
        while self.activations and self.activations[-1].is_tail:  # all it does is to hand on
            self._drop()
        activation.mark, activation.logged = self._log.mark, len(self._logged)
        logged, codes, steps = self._logged, [], []
        for callee, *others in activation.steps:
            if not (0 <= callee.number < len(logged) and logged[callee.number] is callee):
                callee.number = len(logged)
                logged.append(callee)
                codes.append((callee.code, callee.pure, callee.seconds))
            steps.append((callee.number, *others))
        if not self._log.push((_GRAPH, codes, steps, activation.root, activation.value)):
            del self._logged[activation.logged :]
            return False
        self.activations.append(activation)
        return True

    def pop(self) -> None:
        """End the innermost graph: its value is that of the call that has recorded it."""
        ended = self._drop()
        if self.gap == len(self.activations):
            self.gap = None
        result = ended.result
        if type(result) in IMMEDIATE:
            self.end_plain(result)
        else:
            self.end(result)

    def end(self, record: Any) -> None:
        """Take the record of the step that ran."""
        if type(record) is Failure and not record.path:
            self.errors.append(record)
        top = self.activations[-1]
        top.values.append(record)
        top.died = 0
        if self.gap is None and (_is_shared(record) or not self._log.push((_VALUE, record))):
            self.gap = len(self.activations) - 1

    def end_plain(self, value: Any) -> None:
        """Take the record of the step that ran, which is an immediate."""
        top = self.activations[-1]
        values = top.values
        values.append(value)
        top.died = 0
        # The last value of an inner graph is noted where the graph ends, which is next.
        is_last = len(values) == len(top.steps) and len(self.activations) > 1
        if self.gap is None and not is_last and not self._log.push((_VALUE, value)):
            self.gap = len(self.activations) - 1

    def restore(self, at: tuple[int, int], death: DeathRecord) -> bool:
        """Become what an executor has left when it died; False when that is nothing."""
        self.begin(at)
        callees: list[Callee] = []
        for kind, *what in entries(death.log):
            if kind == _GRAPH:
                if not self.push(self._restored(callees, *what)):
                    break
            elif kind == _VALUE:
                self.end(what[0])
            else:
                self.activations[-1].died = what[0]
        if not self.activations:
            return False
        top = self.activations[-1]
        if death.reason and len(top.values) < len(top.steps):
            self._attribute_death(top, death)
        return True

    def _drop(self) -> Activation:
        dropped = self.activations.pop()
        self._log.cut(dropped.mark)
        del self._logged[dropped.logged :]
        return dropped

    def _restored(
        self,
        callees: list[Callee],
        codes: list[Any],
        steps: list[Any],
        root: int | None,
        value: Any,
    ) -> Activation:
        callees += [Callee(code, pure, is_brief, self._hosting) for code, pure, is_brief in codes]
        made = [RecordedCall(callees[number], *others) for number, *others in steps]
        return Activation(made, root, value)

    def _attribute_death(self, top: Activation, death: DeathRecord) -> None:
        """Attribute the death to the call that ran; it fails when it was tried often enough."""
        code, tries = top.steps[len(top.values)].code(), top.died + 1
        if tries > code.max_retries:
            self.end(death_of(code, 0, tries, death.reason, death.stack))
            return
        top.died = tries
        self._log.push((_DIED, tries))


def _is_shared(record: Any) -> bool:
    """Return whether a record is not to be copied into a log: some of it lies in memory files."""
    content = record.exception if type(record) is Failure else record
    return type(content) is Content and content.is_shared
