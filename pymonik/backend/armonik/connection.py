"""Connections: where a control plane is, and how to speak to it.

Enters: arguments, `AK_…` variables, and the YAML file that `AKCONFIG` names; the nearest wins,
field by field. Leaves: a gRPC channel with the limits lifted. Whether somebody answers there is for
the first request to find out: see `session`.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import grpc

from pymonik.backend.armonik.credentials import channel_credentials
from pymonik.errors import BackendError
from pymonik.foreign import demand_printable, redacted

logger = logging.getLogger("pymonik.armonik")

Layer = Mapping[str, str | None]

_VARIABLES = {
    "endpoint": ("AK_ENDPOINT", "GrpcClient__Endpoint"),
    "certificate_authority": ("AK_CERTIFICATE_AUTHORITY", "GrpcClient__CaCert"),
    "client_certificate": (
        "AK_CLIENT_CERTIFICATE",
        "GrpcClient__CertPem",
        "GrpcClient__CertP12",
    ),
    "client_key": ("AK_CLIENT_KEY", "GrpcClient__KeyPem"),
    "target_name": ("AK_TARGET_NAME", "GrpcClient__OverrideTargetName"),
}
_CERTIFICATES = ("certificate_authority", "client_certificate", "client_key")
# Bytes of the file that AKCONFIG names; real ones have a few hundred.
_CONFIGURATION = 1 << 20
# What PyYAML raises besides its own errors: dates, numbers and nesting that cannot be.
_MALFORMED = (ValueError, TypeError, LookupError, AttributeError, OverflowError, RecursionError)
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

    @classmethod
    def find(cls, **given: str | None) -> Connection:
        """Put a connection together of arguments, variables and the AKCONFIG file."""
        layers = [_of_file(os.environ.get("AKCONFIG")), _of_variables(os.environ), given]
        values: dict[str, str] = {}
        for layer in layers:
            values.update({name: value for name, value in layer.items() if value})
        for name, value in values.items():
            try:
                demand_printable(name, value)
            except ValueError as error:
                raise BackendError(str(error)) from None
        found = cls(**values, is_secure=False)
        if not found.endpoint.strip():
            raise BackendError(
                'no endpoint: give Pymonik(endpoint="host:port"), or set AK_ENDPOINT, or let '
                "AKCONFIG name a file with an endpoint"
            )
        return replace(found, is_secure=_wants_tls(found, layers))

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
        except ValueError as error:  # brackets that are no address
            raise BackendError(f"endpoint {redacted(self.endpoint)!r}: {error}") from error
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
        credentials = channel_credentials(
            self.certificate_authority, self.client_certificate, self.client_key
        )
        options = list(OPTIONS)
        if self.target_name:
            options.append(("grpc.ssl_target_name_override", self.target_name))
        return grpc.secure_channel(target, credentials, options=options)


def _wants_tls(found: Connection, layers: Sequence[Layer]) -> bool:
    """Return whether an endpoint without a scheme is spoken to by TLS: with certificates.

    layers: the farthest first. Certificates of a farther one that names another endpoint are those
    of another cluster. Nothing that was given is left aside in silence.
    """
    endpoint = found.endpoint.strip()
    nearest = max(number for number, layer in enumerate(layers) if layer.get("endpoint"))
    is_plain = endpoint.startswith(("http://", "unix:"))
    is_secure, unused = False, ""
    for number, layer in enumerate(layers):
        named = layer.get("endpoint") or endpoint
        given = [name for name in _CERTIFICATES if layer.get(name)]
        is_ours = number >= nearest or _place(named) == _place(endpoint)
        if is_plain and given and number >= nearest:
            raise BackendError(
                f"{given[0]} is given, and endpoint {redacted(endpoint)!r} is spoken to in plain "
                f"text: write https://, or leave {given[0]} out"
            )
        is_secure |= is_ours and bool(given or named.startswith("https://"))
        unused = given[0] if given else unused
    if unused and not endpoint.startswith("https://") and (is_plain or not is_secure):
        logger.warning(
            "%s is not used: it is given apart from endpoint %s, which is spoken to in plain text",
            unused,
            redacted(endpoint),
        )
    return is_secure


def _place(endpoint: str) -> str:
    """Return the host and port that an endpoint names."""
    return endpoint.strip().partition("://")[2].strip("/").lower() or endpoint.strip("/ ").lower()


def _of_file(path: str | None) -> Layer:
    if not path:
        return {}
    import yaml

    try:
        text = _read_small(path)
    except OSError as error:
        raise BackendError(f"AKCONFIG names {path!r}, which cannot be read: {error}") from error
    try:
        found = yaml.safe_load(text.decode())
    except (yaml.YAMLError, *_MALFORMED) as error:
        told = str(error) or type(error).__name__
        raise BackendError(f"AKCONFIG names {path!r}, which is no YAML: {told}") from error
    if not isinstance(found, dict):
        raise BackendError(f"AKCONFIG names {path!r}, which holds no keys such as endpoint")
    # The file is shared with other tools: it may have keys of theirs.
    layer = {name: found.get(name) for name in _VARIABLES}
    for name, value in layer.items():
        if value is not None and not isinstance(value, str):
            kind = type(value).__name__
            raise BackendError(f"AKCONFIG names {path!r}: its {name} is a text, not a {kind}")
    return {name: value for name, value in layer.items() if value}


def _read_small(path: str) -> bytes:
    """Read a file of settings; raises OSError when it is none, such as a device without an end."""
    file = Path(path)
    if file.exists() and not file.is_file():
        raise OSError("it is no regular file")
    with open(file, "rb") as stream:
        data = stream.read(_CONFIGURATION + 1)
    if len(data) > _CONFIGURATION:
        raise OSError(f"it has more than {_CONFIGURATION} bytes")
    return data


def _of_variables(variables: Mapping[str, str]) -> Layer:
    found = {}
    for name, candidates in _VARIABLES.items():
        for candidate in candidates:
            if variables.get(candidate):
                found[name] = variables[candidate]
                break
    return found


def _host(endpoint: str, url: Any) -> str:
    if not url.hostname:
        raise BackendError(f"endpoint {redacted(endpoint)!r} names no host: write host:port")
    return f"[{url.hostname}]" if ":" in url.hostname else str(url.hostname)


def _port(endpoint: str, url: Any) -> int:
    try:
        port = url.port
    except ValueError as error:
        raise BackendError(f"endpoint {redacted(endpoint)!r}: {error}") from error
    if port is None:
        port = 443 if url.scheme == "https" else 80
    return int(port)
