"""Definitions: classes, and objects that exist once, that travel by value, each under a name.

Enters: a class of the script, or what its methods share. Leaves: a name and the `Definition`s that
say what it is, its own and those it needs: sent once, made once a process, captured again when the
class has changed. What comes back names it, and gets the object that this process has under that
name: the user's own class stays the one there is.

A definition's data name others by their ids alone, so that they may need each other in circles;
what a reference carries is all of them, and which version is meant is told by their bytes.
"""

from __future__ import annotations

import os
import pickle
import sys
import threading
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache
from typing import Any, NamedTuple

from pymonik.capture import class_parts
from pymonik.capture.as_captured import are_live
from pymonik.capture.watch import Watch
from pymonik.system.forks import fork_safe
from pymonik.values.content import Definition

# Of definitions that are kept: those of a notebook that is used for a long time.
_KEPT = 2048
# The outline of what exists once in its module, such as a sentinel, and has no state.
SINGLE = b"single"


class Header(NamedTuple):
    """What a definition says before its data.

    named: its module has it under that name. before: of what it `needs`, what must be there before
    it is begun, such as the bases of a class. outline: see `class_parts.outline`.
    """

    id: str
    named: bool
    needs: tuple[str, ...]
    before: tuple[str, ...]
    outline: bytes
    data: bytes


@lru_cache(maxsize=_KEPT)
def header_of(definition: Definition) -> Header:
    """Return what is in a definition."""
    return Header(*pickle.loads(memoryview(definition)[len(Definition.MAGIC) :]))


class Record:
    """An object of this process that travels as a definition."""

    __slots__ = ("definition", "id", "is_own", "members", "modules", "moment", "named", "names",
                 "needs", "obj", "origins", "reference", "watch")  # fmt: skip

    def __init__(self, obj: Any, id: str, named: bool, is_own: bool) -> None:
        self.obj, self.id, self.named, self.is_own = obj, id, named, is_own
        self.definition: Definition | None = None
        self.needs: Sequence[Record] = ()
        self.modules: frozenset[str] = frozenset()
        self.origins: frozenset[str] = frozenset()
        self.watch: Watch | None = None
        self.members: tuple[Record, ...] = ()
        self.reference: tuple[str, tuple[Definition, ...]] = (id, ())
        self.moment: object = None
        # Of the variables of a module: those that travel. None: all, being made of these.
        self.names: set[str] | None = None

    @property
    def is_namespace(self) -> bool:
        """Whether it is of the variables of a module."""
        return type(self.obj) is dict and self.id.partition("#")[0].endswith(":")

    def is_current(self) -> bool:
        """Tell whether the object is what its definition says."""
        return self.watch is not None and self.watch.holds()


class _Moment(threading.local):
    token: object = None


_MOMENT = _Moment()


@contextmanager
def one_moment() -> Iterator[None]:
    """Take what is captured in this thread meanwhile for captured at once: look at it once."""
    outer, _MOMENT.token = _MOMENT.token, object()
    try:
        yield
    finally:
        _MOMENT.token = outer


class Definitions:
    """The definitions of this process: of what is its own, and of what came here."""

    def __init__(self) -> None:
        self.lock = fork_safe(threading.RLock())
        self._records: OrderedDict[int, Record] = OrderedDict()
        self._own: dict[str, Record] = {}
        self._made: OrderedDict[tuple[str, tuple[Definition, ...]], Any] = OrderedDict()

    # ----- naming

    def record_of(self, obj: Any, name: str | None = None) -> Record:
        """Return the record of an object, a new one where it has none; name: "module:name"."""
        with self.lock:
            record = self._records.get(id(obj))
            if record is not None:
                return record
            wanted = name or f"{obj.__module__}:{obj.__qualname__}"
            named = found_at(wanted) is obj
            taken = self._own.get(wanted)
            if taken is not None or not named:
                # Of two classes with one name, such as those of a cell run twice, each is its own.
                wanted = f"{wanted}#{os.urandom(6).hex()}"
            record = self._records[id(obj)] = self._own[wanted] = Record(obj, wanted, named, True)
            self._forget_some()
            return record

    def known(self, obj: Any) -> Record | None:
        """Return the record of an object, if it has one."""
        return self._records.get(id(obj))

    def _forget_some(self) -> None:
        while len(self._records) > _KEPT:
            _, gone = self._records.popitem(last=False)
            if self._own.get(gone.id) is gone:
                del self._own[gone.id]

    def namespace_of(self, space: dict[str, Any], names: Iterable[str]) -> Record:
        """Return the record of the variables of a module, which is to take some along."""
        with self.lock:
            record = self.record_of(space, f"{space.get('__name__')}:")
            if record.is_own and not (record.names or set()).issuperset(names):
                record.names = {*(record.names or ()), *names}
                record.watch = None
            return record

    # ----- capturing

    def refer(self, record: Record, settled: bool = False) -> Record:
        """Bring a record up to date; settled: as it is known, whatever was changed since."""
        if record.members:
            token = _MOMENT.token
            if settled or (token is not None and record.moment is token):
                return record
            if all(member.is_current() for member in record.members):
                record.moment = token
                return record
        with self.lock:
            self._capture(record)
        record.moment = _MOMENT.token
        return record

    def _capture(self, record: Record) -> None:
        met: dict[int, Record] = {}
        open_ones = [record]
        while open_ones:
            one = open_ones.pop()
            if id(one) in met:
                continue
            if not one.is_current():
                self._define(one)
            met[id(one)] = one
            open_ones += one.needs
            if not open_ones:  # what was defined since may use more variables of a module
                open_ones += [grown for grown in met.values() if grown.watch is None]
                for grown in open_ones:
                    del met[id(grown)]
        for one in met.values():
            self._gather(one)

    def _define(self, record: Record) -> None:
        from pymonik.capture.pickler import define
        from pymonik.capture.reducers import travels

        watch = Watch(record.obj, travels, record.names)
        taken = define(record)
        outline = SINGLE if taken.is_single else b""
        if isinstance(record.obj, type):
            outline = class_parts.outline(record.obj)
        needs = tuple(sorted({need.id for need in taken.needs}))
        before = tuple(dict.fromkeys(need.id for need in taken.before))
        fields = Header(record.id, record.named, needs, before, outline, taken.data)
        made = Definition(Definition.MAGIC + pickle.dumps(tuple(fields), protocol=5))
        if made != record.definition:
            record.definition = made
        record.needs, record.watch = taken.needs, watch
        record.modules, record.origins = frozenset(taken.modules), frozenset(taken.origins)

    def _gather(self, record: Record) -> None:
        """Note all that a record needs, by way of others, too."""
        met = {record.id: record}
        open_ones = list(record.needs)
        while open_ones:
            one = open_ones.pop()
            if one.id not in met:
                met[one.id] = one
                open_ones += one.needs
        members = tuple(met[name] for name in sorted(met))
        record.members = members
        record.modules = frozenset().union(*(member.modules for member in members))
        record.origins = frozenset().union(*(member.origins for member in members))
        parts = tuple(member.definition for member in members if member.definition is not None)
        if (record.id, parts) != record.reference:
            record.reference = (record.id, parts)
        if not record.is_own:  # changed by a task: what names this version means the class here
            self._made[record.reference] = record.obj

    # ----- resolving

    def resolve(self, id: str, parts: tuple[Definition, ...]) -> Any:
        """Return the object that a reference means: the one of this process, or one made of it."""
        forced = _FORCED.objects.get(id)
        if forced is not None:
            return forced
        found = self.found(id, parts)
        if found is None:
            with self.lock:
                found = self._made.get((id, parts))
                if found is None:
                    found = self._found_or_made(id, parts)
        SHOWN.show(id, found)
        return found

    def found(self, id: str, parts: tuple[Definition, ...]) -> Any:
        """Return the object that a reference means here, if it is there."""
        own = self._own.get(id)
        if own is not None and are_live(parts, self.is_as_said):
            return own.obj
        return self._made.get((id, parts))

    def _found_or_made(self, id: str, parts: tuple[Definition, ...]) -> Any:
        head = _own_header(id, parts)
        if head.named:
            found = self._here(head)
            if found is not None:
                return found
        return _Making(self, parts).make(id, parts)

    def is_here(self, head: Header) -> bool:
        """Tell whether this process has a class under the name of a definition."""
        with self.lock:
            own = self._own.get(head.id)
            return head.named and (own is not None or self._here(head) is not None)

    def is_as_said(self, definition: Definition) -> bool:
        """Tell whether what this process has under the name of a definition is the same."""
        own = self._own.get(header_of(definition).id)
        return own is None or (own.definition == definition and own.is_current())

    def _here(self, head: Header) -> Any:
        """Return what this process has under the name of a definition, if that is the same."""
        if not head.outline:  # what a class shares with functions: it is as it was there
            return None
        module, _, qualname = head.id.partition("#")[0].partition(":")
        shipped = sys.modules.get("pymonik.capture.importer")
        if shipped is not None and module != "__main__":
            found = shipped.WORLDS.lookup(module, qualname)
            if found is not None:
                return found
        found = found_at(f"{module}:{qualname}")
        if found is None or self.known(found) is not None:
            return None
        outline = class_parts.outline(found) if isinstance(found, type) else SINGLE
        if outline != head.outline:
            return None
        self._records[id(found)] = self._own[head.id] = Record(found, head.id, True, True)
        return found

    def note_made(self, reference: tuple[str, tuple[Definition, ...]], obj: Any) -> None:
        """Keep what was made here of definitions."""
        head = _own_header(*reference)
        record = Record(obj, head.id, head.named, False)
        record.reference = reference
        record.definition = next(part for part in reference[1] if header_of(part).id == head.id)
        self._made[reference] = obj
        self._records[id(obj)] = record
        while len(self._made) > _KEPT:
            self._made.popitem(last=False)
        self._forget_some()

    def settle(self, references: Sequence[tuple[str, tuple[Definition, ...]]]) -> None:
        """Watch what was made from now on: it is complete."""
        from pymonik.capture.reducers import travels

        records = {ref: self._records[id(self._made[ref])] for ref in references}
        for record in records.values():
            record.watch = Watch(record.obj, travels)
        for (_, parts), record in records.items():
            by_id = {header_of(part).id: part for part in parts}
            found = [self._made.get((name, closure(name, by_id))) for name in sorted(by_id)]
            members = [self._records.get(id(obj)) for obj in found if obj is not None]
            record.members = tuple(m for m in members if m is not None) or (record,)
            needs = header_of(record.definition).needs if record.definition is not None else ()
            record.needs = tuple(m for m in record.members if m.id in needs)


def _own_header(id: str, parts: Sequence[Definition]) -> Header:
    return next(head for head in map(header_of, parts) if head.id == id)


def closure(id: str, by_id: dict[str, Definition]) -> tuple[Definition, ...]:
    """Return the definitions that one needs, itself among them, in the order of their ids."""
    met: set[str] = set()
    open_ones = [id]
    while open_ones:
        one = open_ones.pop()
        if one not in met and one in by_id:
            met.add(one)
            open_ones += header_of(by_id[one]).needs
    return tuple(by_id[name] for name in sorted(met))


def are_here(buffers: Sequence[Any]) -> bool:
    """Tell whether this program has, under their names, all classes that a content refers to."""
    heads = [header_of(buffer) for buffer in buffers if type(buffer) is Definition]
    return all(TABLE.is_here(head) for head in heads if head.outline)


def are_current(buffers: Sequence[Any]) -> bool:
    """Tell whether the classes of this program still are what a content says of them."""
    definitions = [buffer for buffer in buffers if type(buffer) is Definition]
    return all(map(TABLE.is_as_said, definitions))


def is_live(buffer: Any) -> bool:
    """Tell whether the class of this program serves where a definition is loaded."""
    return type(buffer) is not Definition or are_live((buffer,), TABLE.is_as_said)


class _Making:
    """Makes objects of definitions that need each other; skeletons stand for what is not ready."""

    def __init__(self, table: Definitions, parts: Sequence[Definition]) -> None:
        self.table = table
        self.by_id = {header_of(part).id: part for part in parts}
        self.skeletons: dict[str, Any] = {}
        self.made: list[tuple[str, tuple[Definition, ...]]] = []

    def make(self, id: str, parts: tuple[Definition, ...]) -> Any:
        outer = _CURRENT.making
        _CURRENT.making = self
        class_parts.NOTE.append(self.skeletons.__setitem__)
        try:
            made = self.get(id)
        finally:
            class_parts.NOTE.pop()
            _CURRENT.making = outer
        self.table.settle(self.made)
        return made

    def get(self, id: str) -> Any:
        """Return one of the objects, made now unless it is there already, or under way."""
        if id in self.skeletons:
            return self.skeletons[id]
        own = self.table._own.get(id)
        reference = (id, closure(id, self.by_id))
        if own is not None and are_live(reference[1], self.table.is_as_said):
            return own.obj
        found = self.table._made.get(reference)
        if found is None:
            head = header_of(self.by_id[id])
            found = self.table._here(head) if head.named else None
            if found is not None:
                return found
            for name in head.before:
                self.get(name)
            if id in self.skeletons:  # one of these needs it in turn, and has made it
                return self.skeletons[id]
            found = self.skeletons[id] = pickle.loads(head.data)
            self.table.note_made(reference, found)
            self.made.append(reference)
        return found


class _Current(threading.local):
    making: _Making | None = None


class _Forced(threading.local):
    objects: dict[str, Any] = {}  # noqa: RUF012


_CURRENT = _Current()
_FORCED = _Forced()
TABLE = Definitions()


def defined(id: str, parts: Sequence[Any]) -> Any:
    """Return what a reference in a pickle means."""
    return TABLE.resolve(id, tuple(map(_definition, parts)))


def needed(id: str) -> Any:
    """Return what a definition needs, while it is loaded."""
    making = _CURRENT.making
    assert making is not None
    return making.get(id)


def _definition(part: Any) -> Definition:
    return part if type(part) is Definition else Definition(part)


def found_at(name: str) -> Any:
    """Return what a module that is loaded here has under "module:qualname", None if nothing."""
    module, _, qualname = name.partition(":")
    found: Any = sys.modules.get(module)
    if not qualname:  # its variables themselves
        return getattr(found, "__dict__", None)
    for part in qualname.split("."):
        found = vars(found).get(part) if hasattr(found, "__dict__") else None
    is_task = getattr(type(found), "__pymonik_role__", None) == "task"
    return found.__pymonik_function__ if is_task else found


def known_by(buffers: Sequence[Any]) -> dict[str, Any]:
    """Return the classes that a content was loaded with, by their ids."""
    parts = {header_of(b).id: b for b in buffers if type(b) is Definition}
    found = {name: TABLE.found(name, closure(name, parts)) for name in parts}
    return {name: obj for name, obj in found.items() if obj is not None}


@contextmanager
def as_seen_by(known: dict[str, Any]) -> Iterator[None]:
    """Let classes be those that a function was loaded with, where it knows them."""
    outer = _FORCED.objects
    _FORCED.objects = {**outer, **known} if outer else known
    try:
        yield
    finally:
        _FORCED.objects = outer


class _Shown:
    """What the `__main__` of an executor has: what the script's own would have.

    `pickle`, forked pools and type hints look there. Off where `__main__` is the user's own.
    """

    def __init__(self) -> None:
        self.space: dict[str, Any] | None = None
        self._function: Any = None
        self._names: list[str] = []

    def show(self, id: str, obj: Any) -> None:
        """Show a class under its name."""
        if self.space is None or not id.startswith("__main__:"):
            return
        name = id.partition("#")[0].partition(":")[2]
        if name.isidentifier() and self.space.get(name) is not obj:
            self.space[name] = obj

    def hint(self, cls: type, names: dict[str, Any]) -> None:
        """Show what the annotations of a class name."""
        if self.space is not None and cls.__module__ == "__main__":
            for name, value in names.items():
                self.space.setdefault(name, value)

    def enter(self, function: Any) -> None:
        """Show what a function of the script sees."""
        if self.space is None or function is self._function:
            return
        self._function = function
        inner = getattr(function, "func", function)
        space = getattr(inner, "__globals__", None)
        if space is None or space.get("__name__") != "__main__":
            return
        for name in self._names:
            self.space.pop(name, None)
        self._names = [name for name in space if not name.startswith("__")]
        self.space.update({name: space[name] for name in self._names})


SHOWN = _Shown()
class_parts.SHOW.append(SHOWN.hint)
