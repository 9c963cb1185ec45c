"""Definitions: classes, and objects that exist once, that travel by value, each under a name.

Enters: a class of the script, or what its methods share. Leaves: a name and the `Definition`s that
say what it is, its own and those it needs: sent once, made once a process, captured again when the
class has changed. What comes back names it, and gets the object that this process has under that
name: the user's own class stays the one there is.

A definition's data name others by their ids alone, so that they may need each other in circles;
what a reference carries is all of them, and which version is meant is decided by their bytes.
"""

from __future__ import annotations

import os
import threading
import types
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any

from pymonik._pickled import pickled
from pymonik.capture.changes.watch import ObjectWatch
from pymonik.capture.definitions.arguments import is_argument
from pymonik.capture.definitions.as_captured import clear_after_unit, is_alone, is_in_unit
from pymonik.capture.definitions.function_maker import is_made_here
from pymonik.capture.definitions.functions import outline_of
from pymonik.capture.definitions.lookup import DefinitionLookup
from pymonik.capture.definitions.maker import DefinitionMaker, Reference
from pymonik.capture.definitions.record import (
    LARGE,
    MAX_RECORDS,
    RECORDS,
    DefinitionRecord,
    Header,
    Taken,
    closure,
    found_at,
    header_of,
    is_single,
    own_header,
)
from pymonik.capture.definitions.shown import SHOWN
from pymonik.errors import BackendError
from pymonik.system.attributes import attribute
from pymonik.system.waits import yielding_lock
from pymonik.values.content import Definition

# What is a definition and keeps what is set of it.
_LASTING = (type, types.FunctionType, types.CellType, dict)


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


def _demand_none(made: list[str]) -> None:
    """Refuse a wait amid the making of objects: other threads would find what is incomplete."""
    if made:
        raise BackendError(
            "cannot wait for a value here: this code (such as a finalizer) runs while "
            f"{made[-1]!r} is being created, and other threads would wait for that; wait for the "
            "value in another thread"
        )


class _Forced(threading.local):
    objects: dict[str, Any] = {}  # noqa: RUF012  # each thread that forces one has its own


class Definitions:
    """The definitions of this process: of what is its own, and of what came here."""

    def __init__(self, records: OrderedDict[int, DefinitionRecord]) -> None:
        # Pickles what a record is of. Set by `freeze`, which all who capture have loaded: who only
        # makes objects of definitions starts sooner without a pickler.
        self.define: Callable[[DefinitionRecord], Taken]
        # Versions that stand for classes in a thread: see `versions`.
        self.forced = _Forced()
        # What is being made, one within the other: what stands in the tables of it is incomplete.
        self._making: list[str] = []
        # Guards the tables: any thread captures calls and loads contents. Its thread may take it
        # again: pickling a class may define others.
        self.lock = yielding_lock(partial(_demand_none, self._making))
        self.lookup = DefinitionLookup(records)
        self._records, self._own, self._made = records, self.lookup.own, self.lookup.made
        # How often anything was captured.
        self.count = 0

    @property
    def is_busy_here(self) -> bool:
        """Whether this thread is within something that it guards: no other could go on for it."""
        lock: Any = self.lock
        return bool(lock._is_owned())

    def record_of(self, obj: Any, name: str | None = None) -> DefinitionRecord:
        """Return the record of an object, a new one where it has none; name: "module:name"."""
        with self.lock:
            record = self._records.get(id(obj))
            if record is not None:
                return record
            wanted = name or f"{obj.__module__}:{obj.__qualname__}"
            record = self._new_record(obj, wanted)
            self.lookup.note(record)
            self.lookup.forget_some()
            return record

    def _new_record(self, obj: Any, wanted: str) -> DefinitionRecord:
        if is_made_here(obj):  # each content of a task has its own: all are this one
            return DefinitionRecord(obj, wanted, True, False)
        named = found_at(wanted) is obj
        if wanted in self._own or not named:
            # Of two classes with one name, such as those of a cell run twice, each is its own.
            wanted = f"{wanted}#{os.urandom(6).hex()}"
        return DefinitionRecord(obj, wanted, named, True)

    def forget(self, obj: Any) -> None:
        """Let an object go by value again."""
        with self.lock:
            record = self._records.pop(id(obj))
            if self._own.get(record.id) is record:
                del self._own[record.id]

    def namespace_of(self, space: dict[str, Any], names: Iterable[str]) -> DefinitionRecord:
        """Return the record of the variables of a module, which is to take some along."""
        with self.lock:
            record = self.record_of(space, f"{space.get('__name__')}:")
            if record.is_own and not (record.names or set()).issuperset(names):
                record.names = {*(record.names or ()), *names}
                record.watch = None
            return record

    def refer(self, record: DefinitionRecord, as_captured: bool = False) -> DefinitionRecord:
        """Bring a record up to date.

        as_captured: take it as it is known, whatever was changed since.
        """
        if record.members:
            token = _MOMENT.token
            if as_captured or (token is not None and record.moment is token):
                return record
            if record.is_gathered and all(member.is_current() for member in record.looked_at):
                record.moment = token
                return record
        with self.lock:
            self._capture(record)
        record.moment = _MOMENT.token
        return record

    def _capture(self, record: DefinitionRecord) -> None:
        met: dict[int, DefinitionRecord] = {}
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
            one.gather()
            if not one.is_own:  # changed by a task: what names this version means the class here
                self._made[self.lookup.key(*one.reference)] = one.obj

    def _define(self, record: DefinitionRecord) -> None:
        from pymonik.capture.definitions.by_value import is_by_value

        self.count += 1
        watch = ObjectWatch(record.obj, is_by_value, record.names)
        if record.is_function:
            record.outline = outline_of(record.obj)
            record.outlines.add(record.outline)
        record.note(self.define(record), watch)

    def resolve(self, id: str, parts: tuple[Definition, ...]) -> Any:
        """Return the object that a reference means: the one of this process, or one made of it."""
        obj = self.forced.objects.get(id)
        if obj is None:
            obj = self._resolved(id, parts)
            SHOWN.show(id, obj)
        if is_argument() and not isinstance(obj, _LASTING) and is_single(id, parts):
            self._renew(obj)
        return obj

    def _resolved(self, id: str, parts: tuple[Definition, ...]) -> Any:
        obj = self.lookup.find(id, parts)
        if obj is None or self._making:
            with self.lock:
                obj = self.lookup.find(id, parts)
                if obj is None:
                    obj = self._found_or_made(id, parts)
        return obj

    def _renew(self, obj: Any) -> None:
        """Let an object that has no state begin without: a call before may have given it some."""
        from pymonik.capture.definitions.by_value import is_by_value

        state = attribute(obj, "__dict__")
        if state is None or not is_by_value(type(obj)):
            return
        record = self._records.get(id(obj))
        if record is None or not record.is_own:
            state.clear()
        elif is_in_unit() and is_alone():  # the program's own
            state.clear()
            clear_after_unit(obj)

    def _found_or_made(self, id: str, parts: tuple[Definition, ...]) -> Any:
        head = own_header(id, parts)
        if head.named:
            obj = self.lookup.find_by_name(head)
            if obj is not None:
                return obj
        self._making.append(id)
        try:
            return DefinitionMaker(self, parts).make(id, parts)
        finally:
            self._making.pop()

    def is_here(self, head: Header) -> bool:
        """Return whether this process has a class under the name of a definition."""
        with self.lock:
            own = self._own.get(head.id)
            return head.named and (own is not None or self.lookup.find_by_name(head) is not None)

    def note_made(self, reference: Reference, obj: Any) -> DefinitionRecord:
        """Keep what was made here of definitions."""
        head = own_header(*reference)
        record = DefinitionRecord(obj, head.id, head.named, False)
        record.reference = reference
        record.definition = next(part for part in reference[1] if header_of(part).id == head.id)
        self._made[self.lookup.key(*reference)] = obj
        self._records[id(obj)] = record
        return record

    def settle(self, made: Sequence[DefinitionRecord]) -> None:
        """Watch what was made from now on: it is complete."""
        from pymonik.capture.definitions.by_value import is_by_value

        for record in made:
            record.watch = ObjectWatch(record.obj, is_by_value)
        for record in made:
            _, parts = record.reference
            by_id = {header_of(part).id: part for part in parts}
            objects = [
                self._made.get(self.lookup.key(name, closure(name, by_id)))
                for name in sorted(by_id)
            ]
            members = [self._records.get(id(obj)) for obj in objects if obj is not None]
            record.members = tuple(m for m in members if m is not None) or (record,)
            record.looked_at = tuple(m for m in record.members if m is record or not m.is_function)
            needs = header_of(record.definition).needs if record.definition is not None else ()
            record.needs = tuple(m for m in record.members if m.id in needs)
            if not isinstance(record.obj, type) and sum(map(len, parts)) >= LARGE:
                self.lookup.forget_versions(record)
        # Only now: those that need each other may be more than are kept otherwise.
        most = max(MAX_RECORDS, len(made))
        while len(self._made) > most:
            self._made.popitem(last=False)
        self.lookup.forget_some(most)


TABLE = Definitions(RECORDS)


@pickled
def defined(id: str, parts: Sequence[Any]) -> Any:
    """Return what a reference in a pickle means."""
    return TABLE.resolve(id, tuple(map(_definition, parts)))


def _definition(part: Any) -> Definition:
    return part if type(part) is Definition else Definition(part)
