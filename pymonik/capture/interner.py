"""Capture at the call: what an argument was when `invoke` ran.

Enters: objects of the user. Leaves: `Content` for what had to be frozen, equal ones the same, with
the handles that hide inside. Nothing is sent and no digest is computed here.
"""

from __future__ import annotations

import weakref
from typing import Any

from pymonik.capture.sharing import NOTED, Reach
from pymonik.errors import CaptureError
from pymonik.settings import MIB
from pymonik.values.content import Content, Definition, freeze_buffer

# Longer strings are contents, so that equal ones are stored and sent once.
LONG = 4096
# Bytes of each of the three parts of a buffer that are hashed.
_PART = 1024


class Interner:
    """Keeps equal contents one: a large object met again is compared, not copied."""

    def __init__(self) -> None:
        # Contents that somebody still has, by what equal ones have in common.
        self._known: weakref.WeakValueDictionary[Any, Content] = weakref.WeakValueDictionary()
        # Frozen copies of large objects live as long as the objects themselves.
        self._large: dict[int, tuple[weakref.ref[Any], Content]] = {}
        self.new_bytes = 0
        from pymonik.capture.snapshot import ModuleSnapshots  # not for `import pymonik`

        self.snapshots = ModuleSnapshots()
        # How many definitions had been captured when modules were last looked at.
        self._captured = 0
        # The modules that what was frozen comes from.
        self.origins: set[str] = set()

    def freeze(
        self,
        obj: Any,
        name: str,
        needed: set[str] | None = None,
        used: list[Any] | None = None,
        code: list[Any] | None = None,
    ) -> tuple[Content, list[Any]]:
        """Freeze an object; return its content and the handles and files inside, in slot order.

        needed: takes the names of the local modules whose sources travel for it. used: takes the
        records of the definitions it refers to. code: takes the functions that go along as code.
        """
        from pymonik.capture import freeze as pickling
        from pymonik.capture.definitions.registry import TABLE

        modules: set[str] = set()
        reach: Reach | None = None
        if NOTED.reaches is not None:
            reach = NOTED.reaches[id(obj)] = Reach()
        try:
            data, raw, handles_in = pickling.freeze(
                obj, True, modules, self.origins, used, reach=reach, code=code
            )
        except Exception as error:
            place = pickling.explain(obj, name)
            raise CaptureError(
                f"{place} cannot be pickled: {pickling.reason_of(error)}. Pass the data it is "
                "made from, or make it inside the task"
            ) from error
        if modules:
            sources = self.snapshots.note(modules)
            if needed is not None:
                needed.update(sources)
        if TABLE.count != self._captured:
            # A class has changed: so has what the program has set in its module, if that travels.
            self._captured = TABLE.count
            self.snapshots.note_again()
        remembered = self._large.get(id(obj))
        if remembered is not None and remembered[1].equals(data, raw):
            return remembered[1], handles_in
        content = self._intern(data, raw)
        if content.size >= MIB:
            self._remember(obj, content)
        return content, handles_in

    def _intern(self, data: bytes, raw: list[memoryview]) -> Content:
        key = (data, *map(_sample, raw))
        interned = self._known.get(key)
        if interned is not None and interned.equals(data, raw):
            return interned
        content = Content(data, [freeze_buffer(view) for view in raw])
        self._known[key] = content
        self.new_bytes += content.size
        return content

    def _remember(self, obj: Any, content: Content) -> None:
        number = id(obj)
        try:
            ref = weakref.ref(obj, lambda _: self._large.pop(number, None))
        except TypeError:  # lists and dicts have no weak references
            return
        self._large[number] = (ref, content)


def _sample(view: memoryview) -> Any:
    """Return what distinguishes most buffers at no cost: their size and a hash of three parts."""
    if type(view.obj) is Definition:  # it knows its hash, and mostly is the same object
        return view.obj
    middle, end = view.nbytes // 2, view.nbytes - _PART
    if end <= 2 * _PART:
        return view.nbytes, hash(bytes(view))
    starts = (0, middle, end)
    return view.nbytes, hash(b"".join(view[start : start + _PART] for start in starts))
