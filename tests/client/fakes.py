"""What a part of a client is given where it is tested alone: a scope, a recorder, a backend."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from typing import Any, cast

from pymonik import Task
from pymonik.backend.protocol import SessionTraits
from pymonik.client.arrivals import ArrivalWait
from pymonik.client.engine import LazyBackend
from pymonik.client.locator import Locator
from pymonik.client.notifier import Notifier
from pymonik.client.state import ClientState
from pymonik.graph.ir import taken
from pymonik.graph.passes import run_passes
from pymonik.graph.target import Target
from pymonik.plan.lower import bind, lower
from pymonik.plan.plan import Plan
from pymonik.record.arguments import Arguments, ScopeState
from pymonik.record.recorder import Recorder
from pymonik.record.scope import Scope
from pymonik.record.specs import CallSpecs
from pymonik.system.conditions import SafeCondition
from pymonik.values.content import Content
from pymonik.values.failures import Failures
from pymonik.values.options import DEFAULTS
from pymonik.values.outcome import Failure
from pymonik.values.outputs import Outputs, call_back


def _double(x: int) -> int:
    return 2 * x


double = Task(_double, func_name="double")


class FakeScope(Scope):
    """A scope that has a recorder and nothing else: what `pymonik=` takes."""

    def __init__(self, state: ScopeState | None = None) -> None:
        self.state = state or ScopeState()
        arguments = Arguments(self.state)
        specs = CallSpecs(arguments.interner, DEFAULTS)
        self.recorder = self.ready = Recorder(self.state, arguments, specs)

    def send(self) -> Plan:
        """Let what is pending know where its values will be, as a flush does."""
        self.recorder.number()
        graph = taken(self.recorder.pending[:])
        plan = lower(run_passes(graph, Target(slots=2), optimize=False))
        bind(plan.graph, plan)
        self.recorder.pending.clear()
        return plan


class FakeBackend:
    """Takes plans, and runs nothing: tests fill the outputs of its units."""

    def __init__(self, is_remote: bool = False) -> None:
        self.traits = SessionTraits(
            name="fake",
            is_remote=is_remote,
            session_id="fake-session",
            slots=2,
            arrivals=self,
            objects=cast("Any", self),
            shared=cast("Any", self),
            prestarts=self,
            subtasks=self,
        )
        self.changed = SafeCondition()
        self.failures = Failures()
        self.problem: BaseException | None = None
        self.plans: list[Plan] = []
        self.wanted: list[Any] = []
        self.cancelled: list[Any] = []
        self.prepared: list[int] = []
        self.names: dict[str, Any] = {}
        self.stored: list[Content] = []
        self.is_closed = False
        # Asked by who cancels a unit, once the answer is waited for.
        self.is_stopped = lambda: True
        # Units that will never end, though they were sent.
        self.lost: set[int] = set()

    @property
    def units(self) -> list[Any]:
        return [unit for plan in self.plans for unit in plan.units]

    def prepare(self, calls: int) -> None:
        self.prepared.append(calls)

    def submit(self, plan: Plan) -> None:
        self.plans.append(plan)

    def want(self, wanted: Iterable[Any]) -> None:
        self.wanted += wanted

    def expects(self, outputs: Outputs) -> bool:
        return id(outputs) not in self.lost and any(unit.outputs is outputs for unit in self.units)

    def watch(self, add: Callable[[], bool], callback: Callable[[], None]) -> None:
        with self.changed:
            came_too_late = not add()
        if came_too_late:
            callback()

    def holds(self, content: Content) -> bool:
        return content in self.stored

    def store(self, content: Content, again: bool = False) -> str:
        if again or content not in self.stored:
            self.stored.append(content)
        return f"id-{content.size}"

    def result_id(self, outputs: Outputs, output: int, place: int) -> str:
        number = next(number for number, unit in enumerate(self.units) if unit.outputs is outputs)
        return f"id-{number}-{place}"

    def located(self, result_id: str) -> Any:
        return self.names.get(result_id)

    def lookup(self, name: str) -> Any:
        return self.names.get(name)

    def progress(self) -> tuple[int, int]:
        return sum(not unit.outputs.missing for unit in self.units), len(self.units)

    def cancel(self, outputs: Outputs | None = None) -> Callable[[], bool]:
        self.cancelled.append(outputs)
        for unit in self.units if outputs is None else ():
            self.end(
                unit.outputs, partial(unit.outputs.fail, Failure("cancelled", "all of it", ""))
            )
        return self.is_stopped

    def drain(self) -> None:
        """Nothing submits more."""

    def close(self) -> None:
        self.is_closed = True

    def answer(self, *columns: list[Any], unit: int = 0) -> None:
        """End a unit with its records."""
        outputs = self.units[unit].outputs

        def fill() -> list[Callable[[], None]]:
            due: list[Callable[[], None]] = outputs.fill(0, columns)
            outputs.settle(outputs.n)
            return due

        self.end(outputs, fill)

    def end(self, outputs: Outputs, fill: Callable[[], list[Callable[[], None]]]) -> None:
        """End a unit as backends do: fill under the condition, wake, call back without it."""
        with self.changed:
            due = fill()
            self.changed.notify_all()
        call_back(due)


class Alone:
    """A recorder, a backend, and what waits between the two: no client."""

    def __init__(self, is_remote: bool = False) -> None:
        self.backend: Any = FakeBackend(is_remote)
        self.engine = LazyBackend("local", lambda name: self.backend)
        self.state = ClientState()
        self.scope = FakeScope(self.state)
        self.recorder = self.scope.recorder
        self.arrivals = ArrivalWait(self.state, self.engine)
        self.notifier = Notifier(self.state, self.engine, self.arrivals)
        self.locator = Locator(self.state, self.recorder.pending, self.engine, self.flush)
        self.flushes = 0

    def flush(self) -> None:
        """Send what is pending, in the simplest way."""
        self.flushes += 1
        if self.recorder.pending:
            self.engine.opened().submit(self.scope.send())
