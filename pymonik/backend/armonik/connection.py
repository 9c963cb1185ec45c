"""Connections: where a control plane is, and how to speak to it.

Enters: arguments, `AK_…` variables, and the YAML file that `AKCONFIG` names; the nearest wins,
field by field. Leaves: a gRPC channel with the limits lifted. Whether somebody answers there is for
the first request to find out: see `session`.
"""

from __future__ import annotations

import logging
import os
import ssl
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import grpc

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
    # Load balancers cut connections that are silent; a server says nothing while tasks run.
    ("grpc.keepalive_time_ms", 60_000),
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
        options = list(OPTIONS)
        if self.target_name:
            options.append(("grpc.ssl_target_name_override", self.target_name))
        return grpc.secure_channel(target, self._credentials(), options=options)

    def authority(self) -> bytes | None:
        """Read the certificates that are trusted; None leaves the choice to gRPC."""
        given = _read("certificate_authority", self.certificate_authority)
        _check_pem("certificate_authority", self.certificate_authority, given, b"CERTIFICATE")
        if given is not None:
            try:
                ssl.create_default_context(cadata=given.decode())
            except (ssl.SSLError, UnicodeDecodeError) as error:
                raise BackendError(
                    f"certificate_authority {self.certificate_authority!r} cannot be read: {error}"
                ) from error
        return given or _system_bundle()

    def expired(self) -> str:
        """Say when the client's own certificate expired; "" when it has not, or there is none."""
        data = _read("client_certificate", self.client_certificate)
        if not data:
            return ""
        from cryptography.x509 import load_pem_x509_certificate

        certificate, _ = _pair(self.client_certificate, data)
        end = load_pem_x509_certificate(certificate).not_valid_after_utc
        return f"{end:%Y-%m-%d %H:%M} UTC" if end < datetime.now(timezone.utc) else ""

    def _credentials(self) -> Any:
        authority = self.authority()
        certificate = _read("client_certificate", self.client_certificate)
        key = _read("client_key", self.client_key)
        if key and not certificate:
            raise BackendError("client_key is given without client_certificate: a pair is needed")
        if certificate and not key:
            certificate, key = _pair(self.client_certificate, certificate)
        _check_pem("client_certificate", self.client_certificate, certificate, b"CERTIFICATE")
        _check_pem("client_key", self.client_key, key, b"PRIVATE KEY")
        _check_match(self, certificate, key)
        return grpc.ssl_channel_credentials(authority, key, certificate)


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


def _read(what: str, path: str) -> bytes | None:
    if not path:
        return None
    try:
        return Path(path).expanduser().read_bytes()
    except OSError as error:
        raise BackendError(f"{what} is {path!r}, which cannot be read: {error}") from error


def _pair(path: str, data: bytes) -> tuple[bytes, bytes]:
    """Take certificate and key out of one file: P12 without a password, or PEM with both."""
    if b"-----BEGIN" in data:
        return data, data
    from cryptography.hazmat.primitives.serialization import (
        Encoding,
        NoEncryption,
        PrivateFormat,
        pkcs12,
    )

    try:
        bundle = pkcs12.load_pkcs12(data, b"")
    except ValueError as error:
        raise BackendError(
            f"client_certificate {path!r} is neither PEM nor P12 without a password: {error}"
        ) from error
    if bundle.cert is None or bundle.key is None:
        raise BackendError(f"client_certificate {path!r} holds no certificate with its key")
    return (
        bundle.cert.certificate.public_bytes(Encoding.PEM),
        bundle.key.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption()),
    )


def _check_pem(what: str, path: str, data: bytes | None, kind: bytes) -> None:
    # gRPC would take anything, and tell of a failed handshake much later.
    if data is not None and kind + b"-----" not in data:
        name = path or "the file of client_certificate"
        raise BackendError(f"{what}: {name!r} holds no PEM {kind.decode().lower()}")


def _check_match(connection: Connection, certificate: bytes | None, key: bytes | None) -> None:
    if certificate is None or key is None:
        return
    from cryptography.hazmat.primitives.serialization import load_pem_private_key
    from cryptography.x509 import load_pem_x509_certificate

    try:
        ours = load_pem_private_key(key, None).public_key()
        theirs = load_pem_x509_certificate(certificate).public_key()
    except (ValueError, TypeError) as error:
        raise BackendError(
            f"client_certificate {connection.client_certificate!r} or its key cannot be read: "
            f"{error}"
        ) from error
    if ours != theirs:
        raise BackendError(
            f"client_key {connection.client_key!r} is not the key of client_certificate "
            f"{connection.client_certificate!r}"
        )


_BUNDLES = (
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
    "/etc/ssl/cert.pem",
)


def _system_bundle() -> bytes | None:
    """Return the authorities that this machine trusts; None leaves the choice to gRPC."""
    for path in _BUNDLES:
        if os.path.exists(path):
            return Path(path).read_bytes()
    return None
