"""The objects of an embedded engine that have an id: outcomes of units, and what was stored.

Enters: cells and contents. Leaves: ids, and the objects again. What is stored stays as long as the
engine; an outcome as long as somebody has its handle.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from typing import Any
from weakref import WeakKeyDictionary, WeakSet, WeakValueDictionary

from pymonik.content import Content
from pymonik.plan.home import Cell


class Objects:
    """Objects by their ids."""

    def __init__(self, session_id: str) -> None:
        self._session_id = session_id
        self._cells: WeakValueDictionary[str, Cell] = WeakValueDictionary()
        # Told by number: the address of a cell that is gone may be that of another one.
        self._names: WeakKeyDictionary[Cell, str] = WeakKeyDictionary()
        self._numbers = itertools.count()
        self._contents: dict[str, Content] = {}
        self._seen: WeakSet[Content] = WeakSet()

    def id_of(self, cell: Cell) -> str:
        """Give the id of the outcome of a unit."""
        name = self._names.get(cell)
        if name is None:
            name = self._names[cell] = f"{self._session_id}/{next(self._numbers)}"
            self._cells[name] = cell
        return name

    def store(self, content: Content) -> str:
        """Keep a content; give its id."""
        name = f"{self._session_id}/{content.digest.hex()}"
        self._contents[name] = content
        self._seen.add(content)
        return name

    def note(self, contents: Iterable[Content]) -> None:
        """Note what a plan brings along: a cluster would have it from then on."""
        self._seen.update(contents)

    def holds(self, content: Content) -> bool:
        """Tell whether a content has come here before."""
        return content in self._seen

    def find(self, name: str) -> Content | Sequence[Sequence[Any]] | None:
        """Give the object of an id: a content, or the columns of a unit that has ended."""
        cell = self._cells.get(name)
        if cell is not None:
            return None if cell.missing else cell.columns
        return self._contents.get(name)

    def fetch(self, name: str) -> Content | Sequence[Sequence[Any]]:
        """Give the object of an id; raises LookupError."""
        found = self.find(name)
        if found is None:
            raise LookupError(f"there is no object {name!r} here, or not yet")
        return found
