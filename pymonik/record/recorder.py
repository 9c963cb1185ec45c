"""Recording: a Python call becomes a node of a graph in memory.

Enters: a task and its arguments. Leaves: a node appended to `pending`, and a handle. Opens no
channel, starts no process. What arguments become is the business of `arguments`. Who waits for
values is the difference between its two children: the client (`client.Pymonik`), and the recorder
inside a task (`runtime.subtasks.TaskRecorder`).
"""

from __future__ import annotations

import operator
import sys
import weakref
from collections.abc import Iterable, Sequence
from copy import copy
from typing import TYPE_CHECKING, Any, TypeVar

from pymonik.capture.function import Code, capture_function
from pymonik.errors import NoClientError, OptionsError
from pymonik.graph.columns import Const, Nested
from pymonik.graph.ir import Call, CallSpec, Put
from pymonik.humanize import counted
from pymonik.record.arguments import Arguments
from pymonik.record.builtin_tasks import builtin, calling, identity, unpacked
from pymonik.record.current import current_recorder
from pymonik.record.handle import Owner, ResultHandle, handle_to
from pymonik.record.handles import MultiResultHandle
from pymonik.values.options import TaskOptions, from_keywords, merge
from pymonik.values.outcome import PENDING
from pymonik.values.outputs import known_at

if TYPE_CHECKING:
    from pymonik.record.definition import TaskDefinition
    from pymonik.system.surroundings import SurroundingsWatch

T = TypeVar("T")

_KEPT_CODES = 256
_KEPT_SPECS = 1024
# Bytes of a pure function that is told from others when it is captured: a key may depend on it, and
# to read as many takes no longer than to pickle them.
_NOTED = 1 << 16
# Modules of the functions of `builtin_call`, which never change.
_OWN = ("pymonik.", "_operator")


class Liveness:
    """Held by all handles of one map: while it lives, somebody can ask for its values."""

    __slots__ = ("__weakref__",)


class Recorder(Arguments, Owner):
    """Records calls into `pending`; what is pending is sent by `flush`, which children define."""

    __pymonik_role__ = "recorder"

    def __init__(self, options: TaskOptions, environment: Any = None) -> None:
        super().__init__()
        self.options = options
        self.environment = environment
        self.pending: list[Any] = []
        # Handles by the names of their values: what has a name is kept.
        self.names: dict[str, Any] = {}
        self._codes: dict[int, tuple[Any, Code]] = {}
        self._specs: dict[Any, CallSpec] = {}
        # Looked at by every call, where calls run in the surroundings that they were made in.
        self.surroundings: SurroundingsWatch | None = None
        # Where the seeds of calls come from: see `runtime.seeds`.
        self._root = b""
        # As it was given, for whoever compares; None where it was chosen here.
        self._seed: int | None = None
        self._numbered = 0
        # Another one after each flush: see `Code.is_current`.
        self._moment = object()
        # Whether a task was called whose values may be known already.
        self._looks_up = False
        self.interner.editions.changed = self._specs.clear

    def __pymonik_reduce__(self) -> Any:
        # A task that names its client means the one of the place where it runs.
        return current_recorder, ()

    # ----- recording: the hot path

    def record_call(
        self, spec: CallSpec, args: tuple[Any, ...], site: Any, lasti: int, label: str | None = None
    ) -> ResultHandle[Any]:
        """Append a call; give the handle of its value.

        Once it stands in `pending`, another thread may send it: all else is done before.
        """
        node = Call(spec, args, None, site, lasti)
        handle: ResultHandle[Any] = handle_to(node, 0, self)
        node.anchor = weakref.ref(handle)
        if label is not None:
            node.label = label
            self.names[label] = handle
        self.pending.append(node)
        if self._closed:
            self._check_open()
        return handle

    def record_map(
        self,
        spec: CallSpec,
        columns: tuple[Any, ...],
        n: int,
        site: Any,
        lasti: int,
        label: str | None = None,
    ) -> MultiResultHandle[Any]:
        """Append a map; give the handles of its values."""
        anchor = Liveness()
        node = Call(spec, columns, n, site, lasti)
        node.anchor = weakref.ref(anchor)
        handles: MultiResultHandle[Any] = MultiResultHandle.of_run(node, range(n), self, anchor)
        if not n:
            node.home = known_at(PENDING)
            return handles
        if label is not None:
            node.label = label
            self.names[label] = handles
        self.pending.append(node)
        if self._closed:
            self._check_open()
        return handles

    def number(self) -> None:
        """Return calls their places, on which seeds hang, in the order of recording."""
        number = self._numbered
        for node in self.pending:
            if type(node) is Call and node.place is None:
                node.place = number
                number += 1
        self._numbered = number

    def spec_for(
        self, task: TaskDefinition, code: Code, width: int, keywords: tuple[str, ...], given: Any
    ) -> CallSpec:
        """Return what all calls like this one share, made once."""
        surroundings = self.surroundings.changes() if self.surroundings is not None else None
        key: Any = (id(task), id(code), width, keywords, given, id(surroundings))
        try:
            known = self._specs.get(key)
        except TypeError:  # ArmoniK's own options have no hash: made anew each time
            known, key = None, None
        if known is None:
            if len(self._specs) > _KEPT_SPECS:  # options of each call's own, such as its labels
                self._specs.clear()
            known = CallSpec(
                task.func_name,
                code,
                width,
                merge(self.options, task.task_options, given),
                keywords,
                task.pure,
                task.require_context,
                self._environment_for(task),
                self.interner.editions.current,
                task.cache,
                task.version,
                self._root,
                code.delegates or self.code_for(task).delegates,
                surroundings,
            )
            self._looks_up = self._looks_up or task.cache
            if key is not None:
                # Another thread may have made one meanwhile: calls alike share theirs.
                known = self._specs.setdefault(key, known)
        return known

    def _environment_for(self, task: TaskDefinition) -> Any:
        if task.environment is None:
            return self.environment
        from pymonik.environment.value import Environment
        from pymonik.environment.value import merge as merge_environments

        merged = merge_environments(self.environment or Environment(), task.environment)
        self.check_environment(merged)
        return merged

    def check_environment(self, environment: Any) -> None:
        """Refuse an environment that calls cannot have here."""

    def code_for(self, task: TaskDefinition) -> Code:
        """Return the captured function of a task; capture again when a global was rebound."""
        known = self._codes.get(id(task))
        if known is not None and known[1].is_current(self._moment):
            return known[1]
        if len(self._codes) > _KEPT_CODES:  # tasks made by the thousand, such as bound methods
            self._codes.clear()
            self._specs.clear()
        is_own = task.__module__.startswith(_OWN)
        noted = sys.maxsize if task.cache else _NOTED if task.pure and not is_own else 0
        code = capture_function(task.func, task.func_name, self.interner, noted)
        if known is not None:  # what it has captured may be large: nothing may keep it
            for key in [k for k, spec in list(self._specs.items()) if spec.code is known[1]]:
                self._specs.pop(key, None)
        self._codes[id(task)] = (task, code)
        return code

    def give_argument(self, node: Call) -> None:
        """Let a map without arguments take its function for one: each element has it then."""
        node.args = (Const(node.spec.code.content),)
        node.spec = copy(node.spec)
        node.spec.code, node.spec.width = self.code_for(calling(node.spec.context)), 1

    # ----- objects

    def put(self, obj: T, name: str | None = None) -> ResultHandle[T]:
        """Keep an object as it is now; give a handle that tasks take as an argument.

        obj: anything that can be pickled; later changes to it are not seen. name: under which it
        is stored and can be looked up. Raises CaptureError.
        """
        self.check(False)
        if name is not None:
            _demand_name(name)
        content, handles_in = self.interner.freeze(obj, name or "the object")
        if any(getattr(type(lazy), "__pymonik_role__", "") == "file" for lazy in handles_in):
            raise OptionsError("files are put in place for the task that takes them: pass, not put")
        if handles_in:
            slots = tuple(map(self.slot_of_lazy, handles_in))
            handle = self.builtin_call(identity, (Nested(content, slots),))
            return handle.named(name) if name else handle
        frame = _users_frame()
        node = Put(content, name, f"{frame.f_code.co_filename}:{frame.f_lineno}")
        node.home = known_at(content)
        kept: ResultHandle[T] = handle_to(node, 0, self)
        if name is not None:
            self.names[name] = kept
            self.pending.append(node)
            if self._closed:
                self._check_open()
        return kept

    def put_many(
        self, objects: Iterable[T], names: Sequence[str] | None = None
    ) -> MultiResultHandle[T]:
        """Keep several objects; give their handles, in order.

        names: one for each object. Raises OptionsError when their numbers differ.
        """
        if not isinstance(objects, Iterable):
            raise OptionsError(
                f"put_many takes a list of objects, not {objects!r:.80}: put keeps a single one"
            )
        objects = list(objects)
        if names is None:
            return MultiResultHandle([self.put(obj) for obj in objects], client=self)
        if isinstance(names, str) or not isinstance(names, Sequence) or len(names) != len(objects):
            raise OptionsError(
                f"put_many got {counted(len(objects), 'object')} and names={names!r}: give a list "
                "with a name for each"
            )
        pairs = zip(objects, names)
        return MultiResultHandle([self.put(obj, name) for obj, name in pairs], client=self)

    # ----- derived values

    def builtin_call(self, function: Any, args: tuple[Any, ...]) -> ResultHandle[Any]:
        """Record a call of a function of our own: pure, cheap, without a signature check."""
        task = builtin(function)
        code = self.code_for(task)
        spec = self.spec_for(task, code, len(args), (), None)
        frame = _users_frame()
        return self.record_call(spec, args, frame.f_code, frame.f_lasti)

    def item(self, handle: ResultHandle[Any], key: Any) -> ResultHandle[Any]:
        """Record `value[key]`."""
        slot = self.argument(key, "the key")
        return self.builtin_call(operator.getitem, (self.slot_of_lazy(handle), slot))

    def unpack(self, handle: ResultHandle[Any], n: int) -> tuple[ResultHandle[Any], ...]:
        """Record the `n` items of a value."""
        calls = [(self.slot_of_lazy(handle), n, i) for i in range(n)]
        return tuple([self.builtin_call(unpacked, args) for args in calls])

    def name(self, handle: ResultHandle[Any], name: str) -> None:
        """Name a value, whether it was sent or not: who has its handle keeps it."""
        _demand_name(name)
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
        known = node.label
        if isinstance(known, str):
            known = {index: f"{known}[{index}]" for index in range(node.n)}
        node.label = {**(known or {}), handle._index: name}

    def check(self, delegate: bool) -> None:
        """Return whether a call can be recorded here; inside a task it may delegate."""
        self._check_open()

    def _check_open(self) -> None:
        if self._closed:
            raise NoClientError("this client is closed: create a new one")

    def call_options(self, keywords: dict[str, Any], given: Any) -> tuple[Any, str | None]:
        """Split `pmk_…` keywords off `keywords`; give the options of the call and its name."""
        ours = {key: keywords.pop(key) for key in list(keywords) if key.startswith("pmk_")}
        label = ours.pop("pmk_name", None)
        if label is not None:
            _demand_name(label)
        options = merge(given, from_keywords(ours, "pmk_")) if ours else given
        return options, label


def _demand_name(name: object) -> None:
    if not isinstance(name, str) or not name:
        raise OptionsError(f"a name is a non-empty string, not {name!r}")


def _users_frame() -> Any:
    """Return the innermost frame that is not of this package."""
    frame = sys._getframe(1)
    while frame.f_back is not None and frame.f_globals.get("__name__", "").startswith("pymonik."):
        frame = frame.f_back
    return frame
