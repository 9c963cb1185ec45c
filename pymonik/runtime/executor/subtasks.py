"""Calls made inside a task: recorded, compiled and lowered where they were made.

Enters: `invoke`s of user code that runs. Leaves: a plan (`subtask_plan`), and bindings that say
which of its values stand for outputs of the unit. A worker never waits: asking for a value here is
an error that says what to do instead.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, NoReturn, cast

from pymonik.errors import OptionsError, WaitInTaskError
from pymonik.graph.ir import CallSpec, Element, Put, taken
from pymonik.graph.slots import SLOTS, Template
from pymonik.record.arguments import Arguments, ScopeState
from pymonik.record.builtin_tasks import identity
from pymonik.record.handle import ResultHandle
from pymonik.record.recorder import Recorder
from pymonik.record.scope import Scope
from pymonik.runtime.executor import state as running
from pymonik.runtime.executor.inheriting_specs import InheritingSpecs
from pymonik.runtime.executor.own_handles import demand_own, take_back, withdraw
from pymonik.values.content import IMMEDIATE, Content
from pymonik.values.options import DEFAULTS
from pymonik.values.outcome import Failure

if TYPE_CHECKING:
    from pymonik.plan.plan import Plan
    from pymonik.runtime.executor.subtask_plan import Binding

_HINT = (
    "a task cannot wait for a sub-task: return its handle (the value of this task is then that "
    "value), or pass it to another task's invoke"
)


class _NoWaiting:
    """What a task has for a waiter and a notifier: every question is an error."""

    def __getattr__(self, name: str) -> NoReturn:
        raise WaitInTaskError(_HINT)


class Subtasks(Recorder, Scope):
    """The recorder of one executor; `recorded` are the calls the running call has made so far.

    User code sees a scope in it. The runner takes what was recorded after each call (`divert`), and
    all of a unit at its end (`plan`). Both are of the thread that runs units.
    """

    specs: InheritingSpecs

    def __init__(
        self,
        slots: int,
        isolates_delegating: bool,
        optimize: bool | Iterable[str],
        recorded: list[Any] | None = None,
    ) -> None:
        """Record, into a list, for a compiler that knows these `slots`; see `Target` for both."""
        state = ScopeState()
        arguments = Arguments(state)
        specs = InheritingSpecs(arguments.interner, DEFAULTS)
        super().__init__(state, arguments, specs)
        self.recorder = self.ready = self.canceller = self.stored = self.views = self
        self.waiter = self.async_waiter = self.notifier = cast("Any", _NoWaiting())
        self._slots, self._isolates_delegating = slots, isolates_delegating
        self._optimize = optimize
        if recorded is not None:
            self.pending = recorded
        self.recorded = self.pending
        self.diverted: ResultHandle[Any] | None = None
        # Seconds that a call takes of a unit that hands back what it has not begun.
        self.each: float | None = None
        self.delegated: Any = None
        # What calls that have ended have recorded: it leaves with the unit.
        self._kept: list[Any] = []
        # The calls that store what the running call has put, by the addresses of the puts.
        self._made: dict[int, tuple[Put, Any]] = {}
        self._bindings: list[Binding] = []

    def made(self) -> Subtasks:
        """Return itself: see `LaterSubtasks`."""
        return self

    def flush(self) -> NoReturn:
        """Refuse: what a task records leaves with its unit."""
        raise WaitInTaskError(_HINT)

    @property
    def session_id(self) -> str:
        """The id of the session that the running task is of."""
        return running.STATE.task_session()

    def result_id(self, handle: ResultHandle[Any]) -> str:
        """Hand out an id for the value of a sub-task, which holds when the value has come.

        The call has a unit of its own then, whose outcome is stored under the id.
        """
        node, index = handle._node, handle._index
        if type(node) is Put:
            node = self._made_of_put(node)
        if node.location is not None:
            raise WaitInTaskError(
                "this handle comes from another task, which recorded its call; only its id "
                "arrived here"
            )
        node.ids = node.ids or {}
        if index not in node.ids:
            node.ids[index] = running.STATE.new_id(node.spec.name)
        return str(node.ids[index])

    def of_result(self, owner: Any, result_id: str, session_id: str) -> NoReturn:
        """Refuse: handles of ids are for clients."""
        raise WaitInTaskError(
            "inside a task ctx.retrieve_object(result_id) gives the value, once it is there"
        )

    def _made_of_put(self, put: Put) -> Any:
        """Return a call that makes an object that was put: it is stored with the sub-tasks."""
        if id(put) not in self._made:
            made = self.builtin_call(self, identity, (put.content,))
            self._made[id(put)] = (put, made._node)
        return self._made[id(put)][1]

    def number(self) -> None:
        """Give calls their spawn keys: below that of the call that has recorded them."""
        seed = running.STATE.seed
        calls = [node for node in self.recorded if type(node) is not Put and node.spawn_key is None]
        for number, node in enumerate(calls if seed is not None else ()):
            node.spawn_key = (seed, number)

    def delegate(self, handle: Any) -> None:
        """Let the value of a call stand for the value of the running task."""
        if self.delegated is not None:
            withdraw(self.pending, handle)
            raise OptionsError("a task delegates once: two calls were made with delegate=True")
        self.delegated = handle

    def describe(self, handle: Any, hints: bool = False) -> str:
        """Describe a handle, without a hint: no value can be asked for."""
        return f"of {handle._node.spec.name!r}, recorded in a task"

    def html(self, text: str, nodes: list[Any]) -> str:
        """Return what a handle shows in a notebook: inside a task nothing is drawn."""
        from html import escape

        return escape(text)

    def cancel_call(self, handle: ResultHandle[Any]) -> bool:
        """Take back a call that was recorded by the running task; a map with its last call."""
        return take_back(self.pending, handle, self._given_up, self.delegated)

    def drop_call(self) -> None:
        """Forget what a call has recorded: it failed, or its calls run here already."""
        self.recorded.clear()
        self._given_up.clear()
        self.names.clear()
        self._made.clear()
        self.delegated = None

    def reset(self) -> None:
        """Forget what all calls of a unit have recorded: it has failed outside of them."""
        self.drop_call()
        self.each = None
        self._kept.clear()
        self._bindings.clear()
        self.diverted = None

    def divert(self, value: Any) -> Any:
        """Take over what a call has recorded; when its value holds handles, note the divert."""
        delegated, self.delegated = self.delegated, None
        if delegated is not None:
            if value is not None and value is not delegated:
                self.drop_call()
                return running.STATE.failure(
                    "it called another task with delegate=True and returned a "
                    "value of its own: return the handle, or nothing"
                )
            value = delegated
        handle = self._handle_of(value)
        if self.recorded or handle is not None:
            failure = demand_own(self.recorded, handle)
            if failure is not None:
                self.drop_call()
                return failure
        self.number()
        self._keep()
        self._made.clear()
        if handle is None:
            return value
        if type(handle._node) is Put:
            return handle._node.content
        self.diverted = handle
        return None

    def _handle_of(self, value: Any) -> ResultHandle[Any] | None:
        if type(value) is ResultHandle:
            self.arguments.slot_of_handle(value)  # raises where it is of another client
            return value
        if type(value) in IMMEDIATE:
            return None
        slot = self.arguments.argument(value, "the value")
        return self.builtin_call(self, identity, (slot,)) if type(slot) in SLOTS else None

    def take_diverted(self) -> ResultHandle[Any]:
        """Return the handle that stands for the value of the call that just ended."""
        handle = self.diverted
        assert handle is not None
        self.diverted = None
        return handle

    def has_diverted(self) -> bool:
        """Return whether the value of the call that just ended is that of another."""
        return self.diverted is not None

    def bind(self, output: int | None, element: int, handle: ResultHandle[Any]) -> None:
        """Note that a value of this graph stands for an output of the unit."""
        self._bindings.append((output, element, handle))

    def record_again(
        self,
        spec: CallSpec,
        slots: tuple[Any, ...],
        site: str,
        spawn_key: Any,
        element: int | None = None,
    ) -> Any:
        """Record a call with the slot values it has.

        spawn_key: where its seed is from. element: its number in the map that it was of.
        """
        handle = self.record_call(self, spec, slots, site, 0)
        if element is not None:
            node = handle._node
            handle._node = self.recorded[-1] = Element(handle, node, element, node.args)
        handle._node.spawn_key = spawn_key
        self._keep()
        return handle

    def nested(self, content: Content, slots: list[Any]) -> Any:
        """Return the handle of a content whose holes are filled with values that come later."""
        captured = tuple(self.arguments.argument(value, "an argument") for value in slots)
        handle = self.builtin_call(self, identity, (Template(content, captured),))
        self._keep()
        return handle

    def failed_call(self, failure: Failure) -> Any:
        """Record a call that has failed; return its handle."""
        handle = self.builtin_call(self, identity, (failure,))
        self._keep()
        return handle

    def _keep(self) -> None:
        """Let the next call begin with nothing: what was recorded leaves with the unit."""
        self._kept += self.recorded
        self.recorded.clear()
        self._given_up.clear()

    def take_recorded(self) -> tuple[list[Any], ResultHandle[Any] | None]:
        """Return what a call has recorded, and the handle of its value if it hands that over."""
        nodes, self._kept = self._kept, []
        handle, self.diverted = self.diverted, None
        return nodes, handle

    def put_back(self, nodes: list[Any]) -> None:
        """Let recorded calls leave with the unit."""
        self._kept += nodes

    @property
    def has_work(self) -> bool:
        """Return whether calls were recorded that have not left yet."""
        return bool(self._kept)

    def plan(self) -> tuple[Plan, list[Binding]] | None:
        """Compile what the unit's calls have recorded; None when they recorded nothing."""
        if not self._kept:
            return None
        # Loaded by the executors in which tasks make calls: others start sooner without.
        from pymonik.graph.target import Target
        from pymonik.runtime.executor.subtask_plan import compile_recorded, target_of_rest

        self.names.clear()
        nodes, self._kept = self._kept, []
        bindings, self._bindings = self._bindings, []
        graph = taken(nodes)
        target = Target(slots=self._slots, isolates_delegating=self._isolates_delegating)
        if self.each is not None:
            target, self.each = target_of_rest(graph, target, self.each), None
        return compile_recorded(graph, target, self._optimize, self.specs.code_for), bindings

    def wire_plan(self) -> Any:
        """Return the same plan as plain types, for a host."""
        made = self.plan()
        if made is None:
            return None
        from pymonik.runtime.executor.subtask_plan import as_plain

        return as_plain(*made)
