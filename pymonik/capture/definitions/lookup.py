"""Look-ups by name: what this process has that is what a definition says.

Enters: a reference, or the header of a definition. Leaves: the program's own object, one of a
module that came along as its source, or one that was made here before; None if there is none.
"""

from __future__ import annotations

import sys
import types
from collections import OrderedDict
from typing import Any

from pymonik.capture import class_parts
from pymonik.capture.definitions.as_captured import are_live, is_in_unit, liveness
from pymonik.capture.definitions.function_maker import is_made_here
from pymonik.capture.definitions.functions import is_of_function, outline_of
from pymonik.capture.definitions.record import (
    MAX_RECORDS,
    SINGLE,
    DefinitionRecord,
    Header,
    found_at,
    header_of,
    own_header,
    record_of,
)
from pymonik.values.content import Definition

# Versions that are kept of a function, or what it sees, that holds much data.
_MAX_LARGE = 2


class DefinitionLookup:
    """What stands here under the names of definitions; `Definitions.lock` guards its tables."""

    def __init__(self, records: OrderedDict[int, DefinitionRecord]) -> None:
        # Of objects of this process, by their ids, and of its own by the ids of their definitions.
        self.records = records
        self.own: dict[str, DefinitionRecord] = {}
        # By what they see apart from their definitions, too: see `key`.
        self.made: OrderedDict[tuple[Any, ...], Any] = OrderedDict()
        # Of functions and variables that hold much data, the versions made last, by their ids.
        self._large: OrderedDict[str, list[tuple[Any, ...]]] = OrderedDict()
        # How many functions have been met as values: read without the lock.
        self.functions = 0

    def note(self, record: DefinitionRecord) -> None:
        """Keep the record of an object of this process."""
        self.records[id(record.obj)] = record
        if record.is_own:
            self.own[record.id] = record
        if record.is_function:
            self.functions += 1  # last: who reads it, and then the records, misses none

    def forget_some(self, most: int = MAX_RECORDS) -> None:
        """Forget the records of the objects that have been known for longest."""
        while len(self.records) > most:
            _, gone = self.records.popitem(last=False)
            if self.own.get(gone.id) is gone:
                del self.own[gone.id]

    def forget_versions(self, record: DefinitionRecord) -> None:
        """Keep few versions of what holds much data, which may change from call to call."""
        versions = self._large.setdefault(record.id, [])
        self._large.move_to_end(record.id)
        versions.append(self.key(*record.reference))
        while len(versions) > _MAX_LARGE:
            obj = self.made.pop(versions.pop(0), None)
            self.records.pop(id(obj), None)
        while len(self._large) > MAX_RECORDS:
            self._large.popitem(last=False)

    def find(self, id: str, parts: tuple[Definition, ...]) -> Any:
        """Return the object that a reference means here, if it is there."""
        own = self.own.get(id)
        can_serve = own is not None and (own.serves() or not is_in_unit())
        if (
            own is not None
            and can_serve
            and are_live(parts, self.is_as_said)
            and (not own.is_function or _is_written_so(own, own_header(id, parts)))
        ):
            return own.obj
        obj = self.made.get(self.key(id, parts))
        if is_made_here(obj) and not is_in_unit():  # of a task that ran in this process
            return self.find_by_name(own_header(id, parts)) or obj
        if obj is None or id.startswith("__main__:"):
            return obj
        return _shipped(own_header(id, parts)) or obj

    def is_as_said(self, definition: Definition) -> bool:
        """Return whether what this process has under the name of a definition is the same."""
        own = self.own.get(header_of(definition).id)
        return own is None or (own.definition == definition and own.is_current())

    def find_by_name(self, head: Header) -> Any:
        """Return what this process has under the name of a definition, if that is the same."""
        if not head.outline:  # what a class shares with functions: it is as it was there
            return None
        obj = _shipped(head)
        if obj is not None:
            return obj
        obj = found_at(head.id.partition("#")[0])
        if obj is None or record_of(obj) is not None or is_made_here(obj):
            return None
        outline = SINGLE
        if isinstance(obj, type):
            outline = class_parts.outline(obj)
        elif is_of_function(head.outline):
            if is_in_unit() or type(obj) is not types.FunctionType:
                return None
            outline = outline_of(obj)
        if outline != head.outline:
            return None
        self.note(DefinitionRecord(obj, head.id, True, True))
        return obj

    def key(self, id: str, parts: tuple[Definition, ...]) -> tuple[Any, ...]:
        """Return under what an object that is made is kept: by what it refers to.

        Which modules came along, or, in the process of the program, which objects of its own are
        what definitions say.
        """
        if is_in_unit():
            return id, parts, liveness(parts, self.is_as_said)
        importer = sys.modules.get("pymonik.capture.importer")
        return id, parts, importer.IMPORTER.token if importer is not None else None


def _is_written_so(record: DefinitionRecord, head: Header) -> bool:
    """Return whether a definition is of a function, and of no other one of that name."""
    return head.outline in record.outlines or head.outline == outline_of(record.obj)


def _shipped(head: Header) -> Any:
    """Return what a module that came along as its source has under a name, None if none has."""
    importer = sys.modules.get("pymonik.capture.importer")
    if importer is None or not (head.named and head.outline):
        return None
    module, _, qualname = head.id.partition("#")[0].partition(":")
    return None if module == "__main__" else importer.IMPORTER.lookup(module, qualname)
