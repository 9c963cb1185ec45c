"""Credentials: the PEM and P12 files with which TLS is spoken to a control plane.

Enters: paths of files. Leaves: what gRPC takes. Files are read and checked here, before anything
connects: gRPC takes whatever it is given, and reports a failed handshake much later.
"""

from __future__ import annotations

import os
import ssl
from datetime import datetime, timezone
from pathlib import Path

import grpc

from pymonik.errors import BackendError

# Where Debian, Fedora, openSUSE, CentOS and Alpine keep the authorities that they trust. gRPC
# brings authorities of its own, which know nothing of those that a company has added here.
_BUNDLES = (
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
    "/etc/ssl/cert.pem",
)


def channel_credentials(
    authority_path: str, certificate_path: str, key_path: str
) -> grpc.ChannelCredentials:
    """Return the credentials of a channel; raises BackendError for a file that does not fit."""
    authority = authorities(authority_path)
    certificate = _read("client_certificate", certificate_path)
    key = _read("client_key", key_path)
    if key and not certificate:
        raise BackendError("client_key is given without client_certificate: a pair is needed")
    if certificate and not key:
        certificate, key = _pair(certificate_path, certificate)
    _check_pem("client_certificate", certificate_path, certificate, b"CERTIFICATE")
    _check_pem("client_key", key_path, key, b"PRIVATE KEY")
    _check_match(certificate_path, certificate, key_path, key)
    return grpc.ssl_channel_credentials(authority, key, certificate)


def authorities(path: str) -> bytes | None:
    """Return the certificates that are trusted; None leaves the choice to gRPC."""
    given = _read("certificate_authority", path)
    _check_pem("certificate_authority", path, given, b"CERTIFICATE")
    if given is not None:
        try:
            ssl.create_default_context(cadata=given.decode())
        except (ssl.SSLError, UnicodeDecodeError) as error:
            raise BackendError(f"certificate_authority {path!r} cannot be read: {error}") from error
    return given or _system_bundle()


def expiry_of(path: str) -> str:
    """Return when a client's own certificate expired; "" when it has not, or there is none."""
    data = _read("client_certificate", path)
    if not data:
        return ""
    # Only for who has a certificate: it takes a tenth of a second to import.
    from cryptography.x509 import load_pem_x509_certificate

    certificate, _ = _pair(path, data)
    end = load_pem_x509_certificate(certificate).not_valid_after_utc
    return f"{end:%Y-%m-%d %H:%M} UTC" if end < datetime.now(timezone.utc) else ""


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
    if data is not None and kind + b"-----" not in data:
        name = path or "the file of client_certificate"
        raise BackendError(f"{what}: {name!r} holds no PEM {kind.decode().lower()}")


def _check_match(
    certificate_path: str, certificate: bytes | None, key_path: str, key: bytes | None
) -> None:
    if certificate is None or key is None:
        return
    from cryptography.hazmat.primitives.serialization import load_pem_private_key
    from cryptography.x509 import load_pem_x509_certificate

    try:
        ours = load_pem_private_key(key, None).public_key()
        theirs = load_pem_x509_certificate(certificate).public_key()
    except (ValueError, TypeError) as error:
        raise BackendError(
            f"client_certificate {certificate_path!r} or its key cannot be read: {error}"
        ) from error
    if ours != theirs:
        raise BackendError(
            f"client_key {key_path!r} is not the key of client_certificate {certificate_path!r}"
        )


def _system_bundle() -> bytes | None:
    """Return the authorities that this machine trusts; None leaves the choice to gRPC."""
    for path in _BUNDLES:
        if os.path.exists(path):
            return Path(path).read_bytes()
    return None
