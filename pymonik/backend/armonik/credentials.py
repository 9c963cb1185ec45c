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
from pymonik.files.regular import read_regular
from pymonik.system.structs import NamedTuple

# Where Debian, Fedora, openSUSE, CentOS and Alpine keep the authorities that they trust. gRPC
# brings authorities of its own, which know nothing of those that a company has added here.
_BUNDLES = (
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
    "/etc/ssl/cert.pem",
)


# Bytes of a file of certificates: the authorities of a whole system have half a megabyte.
_LIMIT = 16 << 20


class GivenFile(NamedTuple):
    """A file that a setting names. source: where it is set; "" for an argument."""

    setting: str
    path: str = ""
    source: str = ""

    def __str__(self) -> str:
        """Name it as errors do."""
        return f"{self.setting} {self.path!r}" + (f" (set by {self.source})" if self.source else "")

    def read(self) -> bytes | None:
        """Return what stands in it; None when none is given."""
        if not self.path:
            return None
        try:
            return read_regular(self.path, _LIMIT)
        except OSError as error:
            raise BackendError(f"{self} cannot be read: {error.strerror or error}") from error


def channel_credentials(
    authority: GivenFile, certificate: GivenFile, key: GivenFile
) -> grpc.ChannelCredentials:
    """Return the credentials of a channel; raises BackendError for a file that does not fit."""
    trusted = authorities(authority)
    chain, private = certificate.read(), key.read()
    if private is not None and chain is None:
        raise BackendError(f"{key} is given without client_certificate=: TLS needs both")
    if chain is not None and private is None:
        chain, private = _pair(certificate, chain)
    elif chain is not None and private is not None:
        _check_pem(certificate, chain, b"CERTIFICATE")
        _check_pem(key, private, b"PRIVATE KEY")
    if chain is not None and private is not None:
        _check_match(certificate, chain, key if key.path else certificate, private)
    return grpc.ssl_channel_credentials(trusted, private, chain)


def authorities(file: GivenFile) -> bytes | None:
    """Return the certificates that are trusted; None leaves the choice to gRPC."""
    given = file.read()
    if given is None:
        return _system_bundle()
    _check_pem(file, given, b"CERTIFICATE")
    try:
        ssl.create_default_context(cadata=given.decode())
    except (ssl.SSLError, UnicodeDecodeError) as error:
        raise BackendError(
            f"{file} is damaged: it holds no certificate that can be read"
        ) from error
    return given


def expiry_of(file: GivenFile) -> str:
    """Return when a client's own certificate expired; "" when it has not, or there is none."""
    data = file.read()
    if not data:
        return ""
    # Only for who has a certificate: it takes a tenth of a second to import.
    from cryptography.x509 import load_pem_x509_certificate

    certificate = data if _is_pem(data) else _pair(file, data)[0]
    end = load_pem_x509_certificate(certificate).not_valid_after_utc
    return f"{end:%Y-%m-%d %H:%M} UTC" if end < datetime.now(timezone.utc) else ""


def _is_pem(data: bytes) -> bool:
    return b"-----BEGIN" in data


def _pair(file: GivenFile, data: bytes) -> tuple[bytes, bytes]:
    """Take certificate and key out of one file: P12 without a password, or PEM with both."""
    if _is_pem(data):
        _check_pem(file, data, b"CERTIFICATE")
        if b"PRIVATE KEY-----" not in data:
            raise BackendError(f"{file} holds no private key: give client_key= beside it")
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
        raise BackendError(f"{file} is neither PEM nor P12 without a password: {error}") from error
    if bundle.cert is None or bundle.key is None:
        raise BackendError(f"{file} holds no certificate with its key")
    return (
        bundle.cert.certificate.public_bytes(Encoding.PEM),
        bundle.key.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption()),
    )


def _check_pem(file: GivenFile, data: bytes, kind: bytes) -> None:
    if kind + b"-----" not in data:
        hint = "" if _is_pem(data) else "; a P12 file holds its key, and goes without client_key="
        hint = hint if file.setting == "client_certificate" else ""
        raise BackendError(f"{file} holds no PEM {kind.decode().lower()}{hint}")


def _check_match(certificate: GivenFile, chain: bytes, key: GivenFile, private: bytes) -> None:
    from cryptography.hazmat.primitives.serialization import load_pem_private_key
    from cryptography.x509 import load_pem_x509_certificate

    try:
        theirs = load_pem_x509_certificate(chain).public_key()
    except ValueError as error:
        raise BackendError(
            f"{certificate} is damaged: it holds no certificate that can be read"
        ) from error
    try:
        ours = load_pem_private_key(private, None).public_key()
    except TypeError as error:
        raise BackendError(f"the key in {key} has a password: give a key without one") from error
    except ValueError as error:
        raise BackendError(f"{key} is damaged: it holds no private key that can be read") from error
    if ours != theirs:
        raise BackendError(f"{key} does not belong to the certificate {certificate}")


def _system_bundle() -> bytes | None:
    """Return the authorities that this machine trusts; None leaves the choice to gRPC."""
    for path in _BUNDLES:
        if os.path.exists(path):
            return Path(path).read_bytes()
    return None
