"""The names of values: those given here, and which of them the session has been sent.

Enters: names that a recorder has noted, and questions for a name. Leaves: the names that go with a
plan, and handles of values, whichever program has named them. What a handle from elsewhere is
stands in `lookup`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from pymonik.backend import Backend
from pymonik.client.lookup import handle_of, named_value
from pymonik.graph.ir import Graph, NamedValue


class Names:
    """The names of one client, and which of them went with a plan.

    given: handles by the names of their values; another thread may name more at any time, so it is
    copied before it is walked.
    """

    def __init__(self, given: dict[str, Any], opened: Callable[[], Backend]) -> None:
        self._given = given
        self._opened = opened
        # Those that went with a plan, or came from another program.
        self._sent: set[str] = set()

    def lookup(self, owner: Any, name: str) -> Any:
        """Return the handle of a value by its name, one of `owner`. Raises KeyError."""
        if name in self._given:
            return self._given[name]
        traits = self._opened().traits
        named = traits.shared.lookup(name) if traits.shared is not None else None
        if named is None:
            raise KeyError(f"no value named {name!r} in session {traits.session_id}")
        handle = self._given[name] = handle_of(named, name, owner)
        self._sent.add(name)
        return handle

    def to_send(self, graph: Graph) -> tuple[NamedValue, ...]:
        """Return the names to send with a graph: of its values, and of values sent before."""
        unsent = self._unsent() if self._given else ()
        if not unsent:
            return ()
        sent_now = {*map(id, graph.nodes), *map(id, graph.aliases)}
        return tuple([n for n in unsent if n.node.location is not None or id(n.node) in sent_now])

    def are_late(self) -> bool:
        """Return whether values were named after they had been sent, for the next plan to send."""
        return any(named.node.location is not None for named in self._unsent())

    def mark_sent(self, names: Iterable[NamedValue]) -> None:
        """Note the names that went with a plan, which was sent."""
        self._sent.update(named.name for named in names)

    def _unsent(self) -> list[NamedValue]:
        """Return names that went with no plan yet, with the values that they are of."""
        if not self._given:  # the usual case
            return []
        # One step of Python: no thread adds a name in the middle of it.
        names = list(self._given.items())
        return [named_value(name, h) for name, h in names if name not in self._sent]
