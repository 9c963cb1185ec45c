"""ArmoniK clusters as a backend, over the stubs of the `armonik` package."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

# Read once, by the first `import grpc`: else gRPC prints a line for each handshake that failed, and
# what is wrong is said by one error: see `diagnosis`.
os.environ.setdefault("GRPC_VERBOSITY", "ERROR")


def open_cluster(
    optimize: Any = True,
    partitions: Sequence[str] = (),
    detach: bool = False,
    workers: int | None = None,
    session_id: str | None = None,
    forward_logs: bool = False,
    **connection: Any,
) -> Any:
    """Open a session on a cluster, or join the one of an id.

    Raises BackendError or ClusterError within seconds.
    """
    from pymonik.backend.armonik.backend import ClusterBackend
    from pymonik.backend.armonik.connection import Connection
    from pymonik.backend.armonik.session import Session, slots_of

    session = Session(Connection.find(**connection))
    try:
        reserved = session.join(session_id) if session_id else session.open(partitions)
        ends = "leave" if session_id else "stop" if detach else "end"
        return ClusterBackend(session, workers or slots_of(reserved), optimize, ends, forward_logs)
    except BaseException:
        session.give_up()
        raise
