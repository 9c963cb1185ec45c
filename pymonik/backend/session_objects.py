"""The objects of an embedded engine that have an id: outcomes of units, and what was stored.

Enters: outputs and contents. Leaves: ids, and the objects again. What is stored stays as long as
the engine; an outcome as long as somebody has its handle.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from typing import Any
from weakref import WeakKeyDictionary, WeakSet, WeakValueDictionary

from pymonik.plan.unit import Unit, ValueLocation
from pymonik.runtime.host.observer import Observer
from pymonik.values.content import Content
from pymonik.values.outputs import Outputs, stored_in, value_id


class SessionObjects(Observer):
    """Objects by their ids."""

    def __init__(self, session_id: str) -> None:
        self.session_id = session_id
        self._outputs: WeakValueDictionary[str, Outputs] = WeakValueDictionary()
        # Told by number: the address of outputs that are gone may be that of others.
        self._names: WeakKeyDictionary[Outputs, str] = WeakKeyDictionary()
        self._numbers = itertools.count()
        self._handed_out: dict[str, Outputs] = {}
        self._contents: dict[str, Content] = {}
        # Contents that have come here, of plans or by themselves.
        self._seen: WeakSet[Content] = WeakSet()

    def result_id(self, outputs: Outputs, output: int, place: int) -> str:
        """Return the id of a value of a unit."""
        name = self._names.get(outputs)
        if name is None:
            # Two threads may ask at once: one of their numbers stays.
            name = self._names.setdefault(outputs, f"{self.session_id}-{next(self._numbers)}")
            self._outputs[name] = outputs
        return value_id(name, outputs, output, place)

    def store(self, content: Content, resend: bool = False) -> str:
        """Keep a content; return its id. Nothing travels, so that `resend` makes no difference."""
        name = f"{self.session_id}-{content.digest.hex()}"
        self._contents[name] = content
        self._seen.add(content)
        return name

    def note(self, contents: Iterable[Content]) -> None:
        """Note what a plan brings along: a cluster would have it from then on."""
        self._seen.update(contents)

    def holds(self, content: Content) -> bool:
        """Return whether a content has come here before."""
        return content in self._seen

    def made(self, unit: Unit, units: Sequence[Unit], bindings: Sequence[Any]) -> None:
        """Keep the values of sub-tasks for which ids were handed out, as long as the engine."""
        self._handed_out.update((u.result_id, u.outputs) for u in units if u.result_id is not None)

    def find(self, id: str) -> Content | Sequence[Sequence[Any]] | None:
        """Return the object of an id: a content, or the columns of a unit that ended."""
        name, output, place = stored_in(id)
        outputs = self._outputs_of(name)
        if outputs is None:
            return self._contents.get(id)
        if outputs.missing:
            return None
        return outputs.columns if output is None else [[outputs.columns[output][place]]]

    def _outputs_of(self, name: str) -> Outputs | None:
        return self._outputs.get(name) or self._handed_out.get(name)

    def located(self, result_id: str) -> ValueLocation | None:
        """Return where the value of an id is, or will be; None when there is no such id."""
        if result_id in self._contents:
            return ValueLocation(content=self._contents[result_id])
        name, output, place = stored_in(result_id)
        outputs = self._outputs_of(name)
        return (
            ValueLocation((outputs,), outputs.n, output or 0, place)
            if outputs is not None
            else None
        )

    def fetch(self, name: str) -> Content | Sequence[Sequence[Any]]:
        """Return the object of an id; raises LookupError."""
        value = self.find(name)
        if value is None:
            raise LookupError(
                f"there is no object {name!r} in this session, or it is not stored yet"
            )
        return value
