"""Arguments: what a user passes becomes slot values and columns, frozen at the call.

Enters: any objects, handles and files at any depth of them. Leaves: slot values, which mean what
the objects were when the call was made. Who records the call is the business of `recorder`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any
from weakref import WeakValueDictionary

from pymonik.capture.interner import LONG, Interner
from pymonik.errors import NoClientError
from pymonik.graph.columns import Const, Immediates, Range, Values
from pymonik.graph.ir import Put
from pymonik.graph.slots import CAPTURED, ListOf, Ref, Template
from pymonik.record.handle import ResultHandle
from pymonik.record.handles import MultiResultHandle
from pymonik.settings import settings
from pymonik.values.content import IMMEDIATE, SMALL, Content, is_immediate_tuple


def _keep_all() -> None:
    """Let all that is captured wait."""


class ScopeState:
    """Whether a scope takes calls: one object, which all of its parts look at, and all threads.

    No lock: both flags are only ever set. Who records a call looks at `is_closed` once more when
    the call stands in `pending`, and who closes sets it before `pending` is looked at.
    """

    __slots__ = ("ended", "is_closed", "is_closing")

    def __init__(self) -> None:
        # While it is being closed nothing more is recorded, but for what callbacks record; once it
        # is closed, nothing at all.
        self.is_closing = False
        self.is_closed = False
        # How it ended, for those who come later; written before `is_closed`.
        self.ended = "is closed"

    def check(self, delegate: bool) -> None:
        """Refuse a call that cannot be recorded here; inside a task it may delegate."""
        self.check_open()

    def check_open(self) -> None:
        """Refuse what a scope that was closed cannot do."""
        if self.is_closed:
            raise NoClientError(f"this client {self.ended}: create a new one")


class Arguments:
    """Captures arguments; a handle among them must be one of the same scope.

    flush_captures: makes room, when more was captured than may wait.
    """

    def __init__(self, state: ScopeState, flush_captures: Callable[[], None] = _keep_all) -> None:
        self.interner = Interner()
        self._state = state
        self._flush_captures = flush_captures
        # Files that calls take, by their hashes: each is read once while somebody needs it.
        self._files: WeakValueDictionary[str, Content] = WeakValueDictionary()

    def argument(self, value: Any, name: str) -> Any:
        """Capture one argument: give the slot value that stands for it."""
        kind = type(value)
        # The usual argument, told by its type alone: a subclass of `int` may be anything.
        if kind in SMALL or (kind in IMMEDIATE and len(value) <= LONG):
            return value
        if kind is ResultHandle or kind is MultiResultHandle:
            return self.slot_of_handle(value)
        if (kind is tuple and is_immediate_tuple(value)) or kind in CAPTURED:
            return value
        if kind is list and len(value) > 1 and set(map(type, value)) == {ResultHandle}:
            # A list of nothing but handles is what a MultiResultHandle is: no pickle around it.
            # One alone is held by a pickle: it can then be a step of the unit that makes the value.
            return self.slot_of_handle(MultiResultHandle(value))
        content, handles_in = self.interner.freeze(value, name)
        if self.interner.new_bytes > settings().capture_limit:
            self._flush_captures()
        return self.filled(content, handles_in) if handles_in else content

    def filled(self, content: Content, holes: Iterable[Any]) -> Template:
        """Return the slot value of a content whose holes stand for handles and files."""
        return Template(content, tuple(map(self.slot_in, holes)))

    def slot_in(self, met: Any) -> Any:
        """Return the slot value that stands for what was met in an object: a handle, or a file."""
        if getattr(type(met), "__pymonik_role__", "") != "file":
            return self.slot_of_handle(met)
        from pymonik.files.materialize import Placing

        placing, _ = self.interner.freeze(Placing(met), met.source_path)
        return Template(placing, (self.file(met),))

    def file(self, mat: Any, reread: bool = False) -> Content:
        """Freeze a file or folder, once; reread: read it in any case. Raises FileNotFoundError."""
        content = self._files.get(mat.content_hash)
        if content is None or reread:
            from pymonik.files.materialize import content_of

            content = self._files[mat.content_hash] = content_of(mat)
            self.interner.new_bytes += content.size
        return content

    def slot_of_handle(self, handle: Any) -> Any:
        """Return the slot value that stands for a handle, or for several."""
        client = handle._client
        if client is not None and client.recorder.arguments is not self:
            raise NoClientError(
                "this handle belongs to another client: get() its value there, and pass that"
            )
        if type(handle) is MultiResultHandle:
            runs = [run for run in handle._runs if run[1]]
            return ListOf(tuple([run[:2] for run in runs]), tuple([run[2] for run in runs]))
        node = handle._node
        if node.location is None and self._state.is_closed:
            raise NoClientError("this handle was dropped with its client: its call was never sent")
        if type(node) is Put:
            return node.content
        # While it is recorded, and until a flush takes it: another thread may flush in between,
        # and the handle may be gone by then.
        return Ref(node, handle._index, handle._liveness or handle)

    def column(self, values: Sequence[Any], name: str, kinds: set[type]) -> Any:
        """Capture one argument of all elements; kinds: the types of its values."""
        if kinds <= IMMEDIATE and not _any_long(kinds, values):
            return Immediates(values)
        argument = self.argument
        if kinds == {ResultHandle} and _is_run(values):
            first = self.slot_of_handle(values[0])
            return Range(first.node, first.index, 1, first.liveness)
        from pymonik.capture.definitions.registry import one_moment  # not for `import pymonik`

        # An object that stands in many rows is captured once: they were all given at one moment.
        slots: dict[int, Any] = {}
        captured = []
        with one_moment():
            for i, value in enumerate(values):
                slot = slots.get(id(value), slots)
                if slot is slots:
                    slot = slots[id(value)] = argument(value, f"{name} of element {i}")
                captured.append(slot)
        if all(slot is captured[0] for slot in captured) and type(captured[0]) is Content:
            return Const(captured[0])
        return Values(captured)


def _any_long(kinds: set[type], values: Sequence[Any]) -> bool:
    if str not in kinds and bytes not in kinds:
        return False
    return any(type(v) in (str, bytes) and len(v) > LONG for v in values)


def _is_run(values: Sequence[Any]) -> bool:
    first = values[0]
    node, start = first._node, first._index
    if type(node) is Put or len(values) == 1:
        return False
    return all(v._node is node and v._index == start + i for i, v in enumerate(values))
