"""Objects made of definitions that need each other.

Enters: definitions, by `registry`. Leaves: the objects that they are of: each is made once, when
what it takes to begin it is there; skeletons stand for what is not ready.
"""

from __future__ import annotations

import pickle
import threading
from collections.abc import Sequence
from typing import Any, Protocol

from pymonik._pickled import pickled
from pymonik.capture import class_parts
from pymonik.capture.definitions.lookup import DefinitionLookup
from pymonik.capture.definitions.record import closure, header_of
from pymonik.values.content import Definition

Reference = tuple[str, tuple[Definition, ...]]


class DefinitionTable(Protocol):
    """Who keeps what is made: see `registry.Definitions`."""

    @property
    def lookup(self) -> DefinitionLookup:
        """What is there already."""

    def note_made(self, reference: Reference, obj: Any) -> Any:
        """Keep what was made; return its record."""

    def settle(self, made: Sequence[Any]) -> None:
        """Watch what was made from now on."""


class DefinitionMaker:
    """Makes objects of definitions that need each other; skeletons stand for what is not ready."""

    def __init__(self, table: DefinitionTable, parts: Sequence[Definition]) -> None:
        self.table = table
        self.by_id = {header_of(part).id: part for part in parts}
        self.skeletons: dict[str, Any] = {}
        self.made: list[Any] = []

    def make(self, id: str, parts: tuple[Definition, ...]) -> Any:
        """Make the object of an id, and what it needs."""
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
        reference = (id, closure(id, self.by_id))
        made = self.table.lookup.find(*reference)
        if made is None:
            head = header_of(self.by_id[id])
            made = self.table.lookup.find_by_name(head) if head.named else None
            if made is not None:
                return made
            for name in head.before:
                self.get(name)
            if id in self.skeletons:  # one of these needs it in turn, and has made it
                return self.skeletons[id]
            made = self.skeletons[id] = pickle.loads(head.data)
            self.made.append(self.table.note_made(reference, made))
        return made


class _Current(threading.local):
    making: DefinitionMaker | None = None


_CURRENT = _Current()


def is_making() -> bool:
    """Return whether what this thread loads is a definition, or what one needs."""
    return _CURRENT.making is not None


@pickled
def begun(id: str, make: Any, *parts: Any) -> Any:
    """Begin what a definition is of: what it needs may need it in turn, and finds it then."""
    making = _CURRENT.making
    assert making is not None
    if id not in making.skeletons:
        making.skeletons[id] = make(*parts)
    return making.skeletons[id]


@pickled
def needed(id: str) -> Any:
    """Return what a definition needs, while it is loaded."""
    making = _CURRENT.making
    assert making is not None
    return making.get(id)
