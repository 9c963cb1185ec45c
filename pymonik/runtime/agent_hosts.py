"""The hosts of a worker: one with one executor for each environment, the last few used.

Enters: orders. Leaves: the host that runs them.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import Any, NamedTuple

from pymonik.runtime.agent_emit import Emit
from pymonik.runtime.envelope import Order
from pymonik.runtime.host import Host

# Each keeps an executor, with its modules and its memory.
_MOST = 3


class Hosted(NamedTuple):
    """A host, and what its units leave behind."""

    host: Host
    emit: Emit


class Hosts:
    """Makes hosts when they are needed."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._hosts: OrderedDict[Any, Hosted] = OrderedDict()

    def host_for(self, order: Order) -> Hosted:
        """Give the host for the environment of an order."""
        key = (order.environment, order.slots, order.optimize)
        known = self._hosts.get(key)
        if known is None:
            emit = Emit()
            host = Host(1, order.slots, order.optimize, self._name, onward=emit.attach)
            known = self._hosts[key] = Hosted(host, emit)
            while len(self._hosts) > _MOST:
                self._hosts.popitem(last=False)[1].host.close()
        self._hosts.move_to_end(key)
        return known

    def close(self) -> None:
        """End all executors."""
        while self._hosts:
            self._hosts.popitem()[1].host.close()
