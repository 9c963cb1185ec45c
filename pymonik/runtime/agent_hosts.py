"""The hosts of a worker: one with one executor for each environment, the last few used.

Enters: orders. Leaves: the host that runs them.
"""

from __future__ import annotations

import logging
from collections import OrderedDict
from typing import Any, NamedTuple

from pymonik.environment import Environment
from pymonik.runtime.agent_emit import Emit
from pymonik.runtime.envelope import Order
from pymonik.runtime.environments import Built, Environments
from pymonik.runtime.host import Host

logger = logging.getLogger("pymonik.worker")

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
        self._environments = Environments()
        self._hosts: OrderedDict[Any, Hosted] = OrderedDict()

    def host_for(self, order: Order, folder: Any = None) -> Hosted:
        """Give the host for the environment of an order; `folder`: its archive, as a content.

        Raises EnvironmentBuildError.
        """
        key = (order.environment, order.slots, order.optimize)
        known = self._hosts.get(key)
        if known is None:
            emit = Emit()
            built = self._build(order, folder)
            host = Host(
                1, order.slots, order.optimize, self._name, emit.attach, solo=True, built=built
            )
            known = self._hosts[key] = Hosted(host, emit)
            while len(self._hosts) > _MOST:
                self._hosts.popitem(last=False)[1].host.close()
        self._hosts.move_to_end(key)
        return known

    def _build(self, order: Order, folder: Any) -> Built | None:
        if order.environment is None:
            return None
        environment = Environment.from_wire(order.environment)
        archive = folder.data if folder is not None else None
        built = self._environments.build(environment, archive)
        logger.info("%r is ready: %.1f s", environment, built.seconds)
        return built

    def close(self) -> None:
        """End all executors."""
        while self._hosts:
            self._hosts.popitem()[1].host.close()
        self._environments.close()
