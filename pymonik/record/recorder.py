"""Recording: a Python call becomes a node of a graph in memory.

Enters: what a call is made of: its spec (`specs`) and its arguments (`arguments`). Leaves: a node
appended to `pending`, and a handle. Opens no channel, starts no process, waits for nothing. A
client has a recorder (`client.parts`); what records calls inside a task is one
(`runtime.executor.subtasks`).
"""

from __future__ import annotations

import operator
import sys
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any, TypeVar

from pymonik.errors import OptionsError
from pymonik.graph.columns import Const, Values
from pymonik.graph.ir import Call, CallSpec, Graph, Put, StandIn, taken
from pymonik.graph.slots import Template
from pymonik.graph.value_state import Liveness
from pymonik.record.arguments import Arguments, ScopeState
from pymonik.record.builtin_tasks import builtin, calling, identity, unpacked
from pymonik.record.handle import ResultHandle, handle_to
from pymonik.record.handles import MultiResultHandle
from pymonik.record.specs import CallSpecs
from pymonik.system.attributes import role_of
from pymonik.system.garbage import is_under_way
from pymonik.values.location import known_at
from pymonik.values.options import from_keywords, merge
from pymonik.values.outcome import PENDING

T = TypeVar("T")
_new = object.__new__


class Recorder:
    """Records calls into `pending`: what it is made of, and where a call ends up.

    state: whether calls are taken. arguments, specs: what a call is made of. naming: gives what is
    held while a value gets a name, where threads share it. To append to `pending` takes no lock.

    Who records names the owner, whom the handle is to ask for its value: it is not kept here, so
    that a client without references is collected at once, and ends its session.
    """

    def __init__(
        self,
        state: ScopeState,
        arguments: Arguments,
        specs: CallSpecs,
        naming: Callable[[], AbstractContextManager[Any]] = nullcontext,
    ) -> None:
        self.state = state
        self.arguments = arguments
        self.specs = specs
        self.pending: list[Any] = []
        # For tasks, which are defined before these are loaded.
        self.handle_type, self.call_type = ResultHandle, Call
        # Handles by the names of their values: what has a name is kept.
        self.names: dict[str, Any] = {}
        self._naming = naming
        self._numbered = 0
        # Elements of pending maps that were given up: for each map, the failures by element index.
        self._given_up: dict[Call, dict[int, Any]] = {}

    def record_call(
        self,
        owner: Any,
        spec: CallSpec,
        args: tuple[Any, ...] | None,
        site: Any,
        lasti: int,
        label: str | None = None,
        held: tuple[Any, ...] | None = None,
    ) -> ResultHandle[Any]:
        """Append a call; return the handle of its value.

        args: None where `held`, numbers and handles, are all that it takes: see `ValueState`. Once
        it stands in `pending`, another thread may send it: all else is done before.
        """
        # As `handle_to` and `Call.fill` do, without a call of either.
        handle: ResultHandle[Any] = _new(ResultHandle)
        handle._node = node = Call(handle)
        handle._index = node.offset = 0
        handle._client = owner
        handle._liveness = handle._slot = node.n = node.spawn_key = node.ids = node.location = None
        node.spec = spec
        node._args = args
        node.held = held
        node.site = site
        node.lasti = lasti
        node.label = label
        if label is not None:
            self.names[label] = handle
        # `list.append` is atomic under the GIL, and the last thing done: see the docstring.
        self.pending.append(node)
        # Asked behind the append: who closes sets the flag before it looks at `pending`, so that
        # one of the two threads sees the other.
        if self.state.is_closed:
            self.state.check_open()
        return handle

    def record_map(
        self,
        owner: Any,
        spec: CallSpec,
        columns: tuple[Any, ...],
        n: int,
        site: Any,
        lasti: int,
        label: str | None = None,
    ) -> MultiResultHandle[Any]:
        """Append a map; return the handles of its values."""
        liveness = Liveness()
        node = Call(liveness).fill(spec, columns, n, site, lasti, label)
        handles: MultiResultHandle[Any] = MultiResultHandle.of_run(node, range(n), owner, liveness)
        if not n:
            node.location = known_at(PENDING)
            return handles
        if label is not None:
            self.names[label] = handles
        self.pending.append(node)
        if self.state.is_closed:
            self.state.check_open()
        return handles

    def number(self) -> None:
        """Give calls their spawn keys, on which seeds depend, in the order of recording."""
        number = self._numbered
        for node in self.pending:
            if type(node) is Call and node.spawn_key is None:
                node.spawn_key = number
                number += 1
        self._numbered = number

    def graph(self, nodes: Sequence[Any]) -> Graph:
        """Return the graph of recorded nodes, which are the calls that a flush takes."""
        if is_under_way():
            self._keep_wanted(nodes)
        if not self._given_up:
            return taken(nodes)
        stand_ins = {node: self._stand_in(node, given) for node, given in self._given_up.items()}
        return taken(nodes, stand_ins)

    def _keep_wanted(self, nodes: Sequence[Any]) -> None:
        """Keep values wanted whose handles may be garbage that finalizers still ask.

        An id that nobody was given does so, and lasts no longer than its node.
        """
        for node in nodes:
            if type(node) is Call and not node.wanted:
                node.ids = {}

    def sent(self, count: int) -> None:
        """Note that the first nodes that were pending are pending no more."""
        if self._given_up:
            for node in self.pending[:count]:
                self._given_up.pop(node, None)
        # Other threads append behind them, and only the holder of the flush lock takes away: the
        # first `count` are the same ones.
        del self.pending[:count]

    def give_up(self, node: Call, index: int, failure: Any) -> None:
        """Give an element of a pending map its failure for an argument: it will not run.

        Nor will what depends on it. The map stays as it was recorded: see `graph`.
        """
        self._given_up.setdefault(node, {})[index] = failure

    def will_run(self, node: Call) -> int:
        """Return how many calls of a pending node were not given up."""
        return (1 if node.n is None else node.n) - len(self._given_up.get(node, ()))

    def _stand_in(self, node: Call, failures: dict[int, Any]) -> StandIn:
        """Return a map in which elements take failures for their first argument.

        One without arguments takes its function for one, and calls that.
        """
        spec, args = node.spec, node.args
        if not args:
            code = self.specs.code_for(calling(spec.context))
            spec, args = spec.changed(code=code, width=1), (Const(spec.code.content),)
        slots = [failures[i] if i in failures else args[0].at(i) for i in range(node.n or 0)]
        return StandIn(node(), node, spec, (Values(slots), *args[1:]))

    def record_put(self, owner: Any, obj: T, name: str | None) -> ResultHandle[T]:
        """Freeze an object; return its handle. Raises CaptureError."""
        self.state.check(False)
        if name is not None:
            _demand_name(name)
        content, handles_in = self.arguments.interner.freeze(obj, name or "the object")
        if any(role_of(type(handle)) == "file" for handle in handles_in):
            raise OptionsError(
                "put() takes no files: pass materialize(…) to the task itself, which finds the "
                "file in its place"
            )
        if handles_in:
            slots = tuple(map(self.arguments.slot_of_handle, handles_in))
            handle = self.builtin_call(owner, identity, (Template(content, slots),))
            return handle.named(name) if name else handle
        node = Put(content, name, users_line())
        made: ResultHandle[T] = handle_to(node, 0, owner)
        if name is not None:
            self.names[name] = made
            self.pending.append(node)
            if self.state.is_closed:
                self.state.check_open()
        return made

    def builtin_call(self, owner: Any, function: Any, args: tuple[Any, ...]) -> ResultHandle[Any]:
        """Record a call of a function of our own: pure, cheap, without a signature check."""
        task = builtin(function)
        code = self.specs.code_for(task)
        spec = self.specs.spec_for(task, code, len(args), (), None)
        frame = _users_frame()
        return self.record_call(owner, spec, args, frame.f_code, frame.f_lasti)

    def item(self, handle: ResultHandle[Any], key: Any) -> ResultHandle[Any]:
        """Record `value[key]`."""
        slot = self.arguments.argument(key, "the key")
        args = (self.arguments.slot_of_handle(handle), slot)
        return self.builtin_call(handle._client, operator.getitem, args)

    def unpack(self, handle: ResultHandle[Any], n: int) -> tuple[ResultHandle[Any], ...]:
        """Record the `n` items of a value."""
        calls = [(self.arguments.slot_of_handle(handle), n, i) for i in range(n)]
        return tuple([self.builtin_call(handle._client, unpacked, args) for args in calls])

    def name(self, handle: ResultHandle[Any], name: str) -> None:
        """Name a value, whether it was sent or not; a name keeps a value wanted."""
        _demand_name(name)
        with self._naming():  # other threads may name elements of the same map
            self._name(handle, name)

    def _name(self, handle: ResultHandle[Any], name: str) -> None:
        node = handle._node
        if type(node) is Put:
            node.label = name
            self.names[name] = handle
            if node not in self.pending:
                self.pending.append(node)
            return
        self.names[name] = handle
        if node.n is None:
            node.label = name
            return
        # Elements have names of their own; a name that the whole map has already goes to all.
        label = node.label
        if isinstance(label, str):
            label = {index: f"{label}[{index}]" for index in range(node.n)}
        node.label = {**(label or {}), handle._index: name}

    def delegate(self, handle: Any) -> None:
        """Let the value of a call stand for the value of the running task: here there is none."""
        raise OptionsError("delegate=True is for calls made inside a task")

    def call_options(self, keywords: dict[str, Any], given: Any) -> tuple[Any, str | None]:
        """Split `pmk_…` keywords off `keywords`; return the options of the call and its name."""
        ours = {key: keywords.pop(key) for key in list(keywords) if key.startswith("pmk_")}
        label = ours.pop("pmk_name", None)
        if label is not None:
            _demand_name(label)
        options = merge(given, from_keywords(ours, "pmk_")) if ours else given
        return options, label


def _demand_name(name: object) -> None:
    if not isinstance(name, str) or not name:
        raise OptionsError(f"a name is a non-empty string, not {name!r}")


def users_line() -> str:
    """Return "file:line" of the user's code that runs."""
    frame = _users_frame()
    return f"{frame.f_code.co_filename}:{frame.f_lineno}"


def _users_frame() -> Any:
    """Return the innermost frame that is not of this package."""
    frame = sys._getframe(1)
    # By name: a file of the user's may lie anywhere, and so may this package.
    while frame.f_back is not None and frame.f_globals.get("__name__", "").startswith("pymonik."):
        frame = frame.f_back
    return frame
