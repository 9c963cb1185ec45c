"""The control plane: which object serves which service of the protocol, and the server of them."""

from __future__ import annotations

import errno
import os
import socket
import ssl
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
from armonik.protogen.client import (
    applications_service_pb2,
    auth_service_pb2,
    events_service_pb2,
    health_checks_service_pb2,
    partitions_service_pb2,
    results_service_pb2,
    sessions_service_pb2,
    tasks_service_pb2,
    versions_service_pb2,
)

from pymonik.emulator.engine import Engine
from pymonik.emulator.interceptor import Interceptor, handlers
from pymonik.emulator.services import cluster
from pymonik.emulator.services.events import Events
from pymonik.emulator.services.results import Results
from pymonik.emulator.services.sessions import Sessions
from pymonik.emulator.services.tasks import Tasks

# Never another: what is served here asks nobody who they are.
HOST = "127.0.0.1"
# Each open event stream occupies one; they are created as needed.
THREADS = 1_000

Services = Sequence[tuple[Any, object]]


@dataclass(frozen=True, slots=True)
class Tls:
    """Paths of PEM files. With `client_ca` the TLS is mutual."""

    certificate: Path | str
    key: Path | str
    client_ca: Path | str | None = None

    def credentials(self) -> Any:
        """Read the files; raises OSError for one that does not fit: gRPC would only log."""
        pair = _read("key", self.key), _read("certificate", self.certificate)
        authority = None if self.client_ca is None else _read("client CA", self.client_ca)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        try:
            # Without a password: nobody is there to be asked for one.
            context.load_cert_chain(self.certificate, self.key, password=lambda: b"")
        except (ssl.SSLError, ValueError) as error:
            files = f"certificate {str(self.certificate)!r} and key {str(self.key)!r}"
            raise OSError(f"{files} are no PEM files of one pair") from error
        if authority is not None:
            try:
                context.load_verify_locations(cadata=authority.decode())
            except (ssl.SSLError, ValueError) as error:
                text = f"client CA {str(self.client_ca)!r} holds no PEM certificate"
                raise OSError(text) from error
        return grpc.ssl_server_credentials(
            [pair], root_certificates=authority, require_client_auth=authority is not None
        )


def _read(what: str, path: Path | str) -> bytes:
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise OSError(f"{what} {str(path)!r} cannot be read: {error.strerror}") from error


def services(
    engine: Engine,
    workers: Mapping[str, int],
    chunk_size: int,
    sleep: Callable[[float], None],
) -> Services:
    """Pair the descriptors of the services with what implements them."""
    implementations: list[tuple[Any, str, object]] = [
        (sessions_service_pb2, "Sessions", Sessions(engine)),
        (results_service_pb2, "Results", Results(engine, chunk_size)),
        (tasks_service_pb2, "Tasks", Tasks(engine, sleep)),
        (events_service_pb2, "Events", Events(engine)),
        (partitions_service_pb2, "Partitions", cluster.Partitions(workers)),
        (applications_service_pb2, "Applications", cluster.Applications(engine)),
        (versions_service_pb2, "Versions", cluster.Versions(engine.settings.generation)),
        (health_checks_service_pb2, "HealthChecksService", cluster.HealthChecks()),
        (auth_service_pb2, "Authentication", cluster.Authentication()),
    ]
    return [(m.DESCRIPTOR.services_by_name[name], served) for m, name, served in implementations]


def methods(served: Services) -> set[str]:
    """Name every method that clients can call."""
    return {
        method.name
        for service, implementation in served
        for method in service.methods
        if hasattr(implementation, method.name)
    }


def listen(
    served: Services, interceptor: Interceptor, port: int, tls: Tls | None
) -> tuple[Any, int]:
    """Make a server, not started yet, and return it with its port."""
    server = grpc.server(
        # Threads of the server: they call services, and wait in streams until these end.
        ThreadPoolExecutor(THREADS, thread_name_prefix="control plane"),
        options=(
            ("grpc.max_receive_message_length", -1),
            ("grpc.max_send_message_length", -1),
            ("grpc.so_reuseport", 0),
            # As the server of an engine, and nginx before it: pings of clients are not counted.
            ("grpc.http2.max_ping_strikes", 0),
        ),
    )
    server.add_generic_rpc_handlers(
        tuple(handlers(service, implementation, interceptor) for service, implementation in served)
    )
    credentials = None if tls is None else tls.credentials()
    address = f"{HOST}:{port}"
    try:
        socket.create_server((HOST, port)).close()  # gRPC would write its own lines to stderr
        if credentials is None:
            return server, server.add_insecure_port(address)
        return server, server.add_secure_port(address, credentials)
    except (OSError, RuntimeError) as error:
        number = getattr(error, "errno", None) or errno.EADDRINUSE
        is_taken = number == errno.EADDRINUSE
        why = "is the port taken?" if is_taken else f"{os.strerror(number)};"
        raise OSError(f"cannot listen on {address}: {why} 0 picks another") from error
