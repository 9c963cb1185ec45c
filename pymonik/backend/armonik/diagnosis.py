"""Diagnosis: why nothing answers at an endpoint.

gRPC says little, and the same of a closed port, a missing certificate and a proxy. Enters: a
connection, and the first request over it. Leaves: its answer; where it fails, a sentence that says
what stands in the way, and what to do. Looks at the other end with a plain socket, for a few
seconds at most.
"""

from __future__ import annotations

import os
import socket
import ssl
from collections.abc import Callable
from typing import TypeVar

from pymonik.backend.armonik.connection import Connection
from pymonik.backend.armonik.credentials import authorities, expiry_of
from pymonik.errors import ClusterError, ClusterUnreachable
from pymonik.values.foreign import redacted, storable

Answer = TypeVar("Answer")

# For a plain socket: a cluster that is there takes the connection in milliseconds.
_SECONDS = 2.0
# Bytes of a name that nobody has.
_SHOWN = 200
_PROXIES = ("grpc_proxy", "https_proxy", "http_proxy")
_BYPASSES = ("no_grpc_proxy", "no_proxy")


def first_answer(connection: Connection, ask: Callable[[], Answer]) -> Answer:
    """Ask for the first time over a connection; when nothing answers, find out why."""
    endpoint = redacted(connection.endpoint)
    try:
        return ask()
    except ClusterUnreachable as error:
        if error.http_status:  # a proxy has said why
            raise
        why = diagnose(connection)
        raise ClusterUnreachable(f"control plane {endpoint} cannot be reached: {why}") from None
    except ClusterError as error:
        if error.http_status == 400 and connection.client_certificate:
            why = untaken_certificate(connection)
            text = f"control plane {endpoint}: a proxy on the way refuses the request"
            error.args = (f"{text}: {why} (HTTP 400)",)
        raise


def diagnose(connection: Connection) -> str:
    """Return why the control plane of a connection cannot be reached."""
    target, is_secure = connection.target
    if target.startswith("unix:"):
        path = target.removeprefix("unix:")
        return "nothing listens there" if os.path.exists(path) else f"there is no socket {path!r}"
    host, _, port = target.rpartition(":")
    host = host.strip("[]")
    proxy = _proxy(host)
    if proxy:
        return f"{proxy} does not lead there; set no_proxy={host} to go without it"
    try:
        with socket.create_connection((host, int(port)), _SECONDS) as plain:
            return _secured(connection, plain, host) if is_secure else _unsecured(plain, target)
    except socket.gaierror as error:
        return f"there is no host {host!r} ({error.strerror})"
    except UnicodeError:  # a part of a name has at most 63 characters, and at least one
        return f"{storable(host, _SHOWN)!r} cannot be the name of a host"
    except ConnectionRefusedError:
        is_given = connection.endpoint.rstrip("/").endswith(f":{port}")
        return "nothing listens there" + ("" if is_given else f" (port {port}: write host:port)")
    except TimeoutError:
        return f"no answer within {_SECONDS:g} s: is it the right host, or is a firewall between?"
    except OSError as error:
        return str(error)


def _proxy(host: str) -> str:
    """Name the proxy that gRPC takes to a host, as its environment says."""
    bypass = next((os.environ[name] for name in _BYPASSES if os.environ.get(name)), "")
    if any(part.strip() and host.endswith(part.strip()) for part in bypass.split(",")):
        return ""
    name = next((name for name in _PROXIES if os.environ.get(name)), "")
    return f"the proxy {redacted(os.environ[name])} of {name}" if name else ""


def _secured(connection: Connection, plain: socket.socket, host: str) -> str:
    authority = authorities(connection.file("certificate_authority"))
    context = ssl.create_default_context(cadata=authority.decode() if authority else None)
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT  # gRPC is less strict
    context.set_alpn_protocols(["h2"])
    name = connection.target_name or host
    try:
        with context.wrap_socket(plain, server_hostname=name) as line:
            # A server that misses a certificate says so, or hangs up, after the handshake.
            if line.recv(1) and not connection.client_certificate:
                return _NO_CLUSTER
    except ssl.SSLCertVerificationError as error:
        if error.verify_code in _WRONG_NAME:
            return f"its certificate is not for {name!r} ({error.verify_message})"
        if error.verify_code in _OUT_OF_TIME:
            return (
                f"its certificate {_OUT_OF_TIME[error.verify_code]} ({error.verify_message}): it "
                "has to be renewed there, or the clock of this machine is wrong"
            )
        trusted = connection.certificate_authority or "this machine's authorities"
        return (
            f"its certificate is not signed by {trusted} ({error.verify_message}): "
            "give its authority with certificate_authority="
        )
    except ssl.SSLError as error:
        if "ALERT" not in (error.reason or ""):
            return "the server does not speak TLS: write http:// if that is meant"
    except TimeoutError:
        return _NO_CLUSTER
    except OSError:  # it hung up
        pass
    if connection.client_certificate:
        return untaken_certificate(connection)
    return "the server asks for a client certificate: give client_certificate= and client_key="


def untaken_certificate(connection: Connection) -> str:
    """Return why the certificate that we have shown was not taken: the likely cause."""
    end = expiry_of(connection.file("client_certificate"))
    if end:
        name = connection.client_certificate
        return f"the client_certificate {name!r} has expired, on {end}: renew it"
    return (
        f"the server rejects the client_certificate {connection.client_certificate!r}: sign it "
        "by an authority that the server trusts"
    )


_NO_CLUSTER = "a server listens there, but does not answer as a control plane does"
# X509_V_ERR_HOSTNAME_MISMATCH and X509_V_ERR_IP_ADDRESS_MISMATCH of OpenSSL.
_WRONG_NAME = {62, 64}
# X509_V_ERR_CERT_NOT_YET_VALID and X509_V_ERR_CERT_HAS_EXPIRED.
_OUT_OF_TIME = {9: "is not valid yet", 10: "has expired"}


def _unsecured(plain: socket.socket, target: str) -> str:
    context = ssl._create_unverified_context()
    context.set_alpn_protocols(["h2"])
    try:
        context.wrap_socket(plain).close()
    except ssl.SSLError as error:
        if "ALERT" not in (error.reason or ""):
            return _NO_CLUSTER
    except OSError:
        return _NO_CLUSTER
    return f"the server speaks TLS: write https://{target}"
