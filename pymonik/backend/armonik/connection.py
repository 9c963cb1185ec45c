"""Connections: where a control plane is, and how to speak to it.

Enters: arguments, and what `akconfig` finds beside them; the nearest wins, field by field. Leaves:
a gRPC channel with the limits lifted. Whether somebody answers there is for the first request to
find out: see `session`.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from ipaddress import IPv6Address
from typing import Any
from urllib.parse import urlsplit

import grpc

from pymonik.backend.armonik import akconfig
from pymonik.backend.armonik.credentials import GivenFile, channel_credentials
from pymonik.errors import BackendError
from pymonik.values.foreign import demand_printable, redacted

logger = logging.getLogger("pymonik.armonik")

OPTIONS: tuple[tuple[str, Any], ...] = (
    ("grpc.max_receive_message_length", -1),
    ("grpc.max_send_message_length", -1),
    # Load balancers cut connections that are silent; a server says nothing while tasks run. And a
    # server that waits for the rest of a frame that was bent on its way is found out by a ping.
    # Neither Kestrel nor nginx counts pings that are as rare.
    ("grpc.keepalive_time_ms", 30_000),
    ("grpc.keepalive_timeout_ms", 20_000),
    ("grpc.keepalive_permit_without_calls", 0),
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 5_000),
)


@dataclass(frozen=True)
class Connection:
    """Where a control plane is: a URL, and PEM or P12 files where TLS needs them."""

    endpoint: str = ""
    certificate_authority: str = ""
    client_certificate: str = ""
    client_key: str = ""
    target_name: str = ""
    # Whether an endpoint without a scheme is spoken to by TLS.
    is_secure: bool = False
    # Where settings stand that are no arguments.
    sources: Mapping[str, str] = field(default_factory=dict, compare=False)

    @classmethod
    def find(cls, **given: str | None) -> Connection:
        """Put a connection together of arguments, variables and the AKCONFIG file."""
        layers = [
            akconfig.of_file(os.environ.get("AKCONFIG")),
            akconfig.of_variables(os.environ),
            akconfig.of_arguments(given),
        ]
        values: dict[str, str] = {}
        sources: dict[str, str] = {}
        for layer in layers:
            values.update(layer.values)
            sources.update({name: layer.sources.get(name, "") for name in layer.values})
        for name, value in values.items():
            try:
                demand_printable(name, value)
            except ValueError as error:
                raise BackendError(str(error)) from None
        connection = cls(**values, is_secure=False, sources=sources)
        if not connection.endpoint.strip():
            raise BackendError(
                'no endpoint: give Pymonik(endpoint="host:port"), or set AK_ENDPOINT, or let '
                "AKCONFIG name a file with an endpoint"
            )
        return replace(connection, is_secure=_wants_tls(connection, layers))

    @property
    def target(self) -> tuple[str, bool]:
        """The target for gRPC, and whether TLS is spoken there."""
        text = self.endpoint.strip()
        if "://" not in text and not text.startswith("unix:"):
            text = ("https://" if self.is_secure else "http://") + text
        if text.startswith("unix:"):
            return "unix:" + text.removeprefix("unix://").removeprefix("unix:"), False
        try:
            url = urlsplit(text)
            if "[" in url.netloc:  # which `urlsplit` looks into since Python 3.11.4
                IPv6Address(url.hostname or "")
        except ValueError:  # brackets that are no address
            raise BackendError(
                f"endpoint {redacted(self.endpoint)!r} names no host: write host:port, or "
                "[address]:port for an IPv6 address"
            ) from None
        if url.scheme not in ("http", "https"):
            raise BackendError(
                f"endpoint {redacted(self.endpoint)!r}: its scheme is http, https or unix"
            )
        return f"{_host(self.endpoint, url)}:{_port(self.endpoint, url)}", url.scheme == "https"

    def channel(self) -> Any:
        """Open a channel; raises BackendError when a file is not there or not what it should be."""
        target, is_secure = self.target
        if not is_secure:
            return grpc.insecure_channel(target, options=OPTIONS)
        credentials = channel_credentials(*map(self.file, akconfig.FILES))
        options = list(OPTIONS)
        if self.target_name:
            options.append(("grpc.ssl_target_name_override", self.target_name))
        return grpc.secure_channel(target, credentials, options=options)

    def file(self, setting: str) -> GivenFile:
        """Return the file that a setting names."""
        return GivenFile(setting, getattr(self, setting), self.sources.get(setting, ""))


def _wants_tls(connection: Connection, layers: Sequence[akconfig.Layer]) -> bool:
    """Return whether an endpoint without a scheme is spoken to by TLS: with certificates.

    layers: the farthest first. Certificates of a farther one that names another endpoint are those
    of another cluster. Nothing that was given is left aside in silence.
    """
    endpoint = connection.endpoint.strip()
    nearest = max(number for number, layer in enumerate(layers) if "endpoint" in layer.values)
    is_plain = endpoint.startswith(("http://", "unix:"))
    is_secure, unused = False, ""
    for number, layer in enumerate(layers):
        named = layer.values.get("endpoint", endpoint)
        given = [name for name in akconfig.FILES if name in layer.values]
        is_ours = number >= nearest or _place(named) == _place(endpoint)
        if is_plain and given and number >= nearest:
            raise BackendError(
                f"{given[0]} is given, but endpoint {redacted(endpoint)!r} is used in plain "
                f"text: write https://, or leave {given[0]} out"
            )
        is_secure |= is_ours and bool(given or named.startswith("https://"))
        unused = given[0] if given else unused
    if unused and not endpoint.startswith("https://") and (is_plain or not is_secure):
        logger.warning(
            "%s is not used: endpoint %s, which comes from another source, is used in plain text",
            unused,
            redacted(endpoint),
        )
    return is_secure


def _place(endpoint: str) -> str:
    """Return the host and port that an endpoint names."""
    return endpoint.strip().partition("://")[2].strip("/").lower() or endpoint.strip("/ ").lower()


def _host(endpoint: str, url: Any) -> str:
    if not url.hostname:
        raise BackendError(f"endpoint {redacted(endpoint)!r} names no host: write host:port")
    return f"[{url.hostname}]" if ":" in url.hostname else str(url.hostname)


def _port(endpoint: str, url: Any) -> int:
    _, colon, text = url.netloc.rpartition("@")[2].rpartition("]")[2].rpartition(":")
    if not colon:
        return 443 if url.scheme == "https" else 80
    if not (text.isascii() and text.isdigit() and 0 < int(text) < 1 << 16):  # 16 bits
        raise BackendError(
            f"endpoint {redacted(endpoint)!r}: {text!r} is not a port: write host:port, with a "
            "number from 1 to 65535"
        )
    return int(text)
