"""Parts of a client that are put together when the first of them is asked for.

Enters: a client with its settings. Leaves: its parts, as attributes. An executor starts while all
of them are loaded, and a client that records nothing loads none.
"""

from __future__ import annotations

import atexit
import weakref
from typing import TYPE_CHECKING, Any

from pymonik.system.safe_logging import safely
from pymonik.system.waits import yielding_lock

if TYPE_CHECKING:
    from pymonik.client.parts import ClientParts

# Held while a client is put together: several threads may be the first to use it. A thread may take
# it again: a finalizer amid this may use the same client.
_ASSEMBLING = yielding_lock()
# Lifetimes of the clients assembled so far (weak).
_LIFETIMES: weakref.WeakSet[Any] = weakref.WeakSet()


# Registered when PymoniK is imported, and so called behind functions of the user's that may close
# clients, or ask for values.
@atexit.register
def _tell_unsent() -> None:
    for lifetime in list(_LIFETIMES):
        safely("what was never sent", lifetime.tell_unsent)


def part() -> Any:
    """Return what stands in the class for the part of that name, or for `parts`, all of them."""
    return _LatePart()


class _LatePart:
    """Asked once: from then on the client itself has the attribute."""

    def __set_name__(self, owner: type, name: str) -> None:
        self._name = name

    def __get__(self, client: Any, kind: type) -> Any:
        if client is None:
            return self
        parts = _assembled(client)
        asked = parts if self._name == "parts" else getattr(parts, self._name)
        vars(client)[self._name] = asked
        return asked


def _assembled(client: Any) -> ClientParts:
    with _ASSEMBLING:
        if "parts" not in vars(client):
            from pymonik.system.deferred_signals import Loading  # not for `import pymonik`

            with Loading():
                from pymonik.client.parts import ClientParts
            parts = ClientParts(client.settings, weakref.ref(client), client._surroundings)
            # Unless a finalizer of the user's, amid this, has put together others, and used them.
            vars(client).setdefault("parts", parts)
            _LIFETIMES.add(parts.lifetime)
            client.ready = vars(client)["parts"].recorder
        made: ClientParts = vars(client)["parts"]
        return made
