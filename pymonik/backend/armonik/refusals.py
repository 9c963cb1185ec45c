"""What gRPC and the proxies on the way answer, as errors of ours: what happened, and the way out.

Enters: an error of gRPC. Leaves: a `ClusterError` that says what was asked, where, and what to do;
and whether it may be better later. What statuses say stands in `wire.statuses`.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from pymonik.errors import ClusterError, ClusterUnreachable, StaleError
from pymonik.values.foreign import harmless
from pymonik.wire.statuses import Cause, code_of, status_of

# What a proxy between answers itself, in plain HTTP. gRPC makes codes of these that mislead: 400
# becomes INTERNAL, 413 UNKNOWN.
_PROXY_ADVICE = {
    400: "refuses the request: it wants a client certificate (give client_certificate= and "
    "client_key=), or it takes TLS where plain HTTP came, or the other way round",
    401: "does not know this client: give a client certificate and its key",
    403: (
        "does not let this client through: check that it knows the client certificate, and that "
        "this certificate is allowed"
    ),
    413: (
        "takes no request of this size: raise its limit (client_max_body_size of nginx), or set "
        "PYMONIK_REQUEST_BYTES lower"
    ),
    502: "does not reach the control plane behind it: check that the control plane runs",
    503: "has no control plane behind it now: check whether one is starting, or none is left",
    504: "gets no answer from the control plane behind it in time",
}
_PROXY = re.compile(r"http2 header with status: (\d{3})")
# What an engine says of a session that was detached, closed or cancelled.
_TAKES_NO_MORE = re.compile("client submission is closed", re.IGNORECASE)

# Other causes are a plain `ClusterError`.
_KINDS = {Cause.STATE: StaleError, Cause.WAY: ClusterUnreachable}


def explain(endpoint: str, method: Any, error: Any) -> ClusterError:
    """Make our error of gRPC's."""
    code, details = code_of(error), harmless(error.details() or "no details", lines=True)
    where = f"control plane {endpoint}, {name_of(method)}"
    status = http_status(error)
    if status in _PROXY_ADVICE:
        text = f"{where}: a proxy on the way {_PROXY_ADVICE[status]} (HTTP {status})"
    elif _TAKES_NO_MORE.search(details):
        text = (
            f"{where}: this session takes no more calls, since it was detached or has ended; "
            "looking up its values still works, and calls need a new Pymonik() "
            f"({code}: {details})"
        )
    else:
        text = f"{where}: {status_of(code).advice} ({code}: {details})"
    refusal = _KINDS.get(status_of(code).cause, ClusterError)(text)
    refusal.code = code
    refusal.http_status = status
    return refusal


def is_transient(error: ClusterError) -> bool:
    """Return whether a call may do better later, as others did."""
    return status_of(error.code).is_transient


def is_fault(error: ClusterError) -> bool:
    """Return whether the server itself failed; a proxy that refuses is none."""
    is_fault = status_of(error.code).cause is Cause.SERVER
    return is_fault and error.http_status not in _PROXY_ADVICE


def is_ambiguous(error: ClusterError) -> bool:
    """Return whether a request that failed may have had its effect all the same."""
    return status_of(error.code).is_ambiguous and error.http_status not in (400, 413)


def may_go_on(error: ClusterError) -> bool:
    """Return whether a server may still be at a request that has failed: it was not waited for."""
    # A connection that breaks is one that the server sees break: it rolls back what it had begun.
    return status_of(error.code).may_go_on or error.http_status == 504


def http_status(error: Any) -> int:
    """Return the HTTP status that came in place of an answer, 0 when it was none."""
    match = _PROXY.search(error.details() or "")
    return int(match[1]) if match else 0


def name_of(method: Callable[..., Any]) -> str:
    """Return the name of a stub's method."""
    path = getattr(method, "_method", b"")
    text = path.decode() if isinstance(path, bytes) else str(path)
    return text.rpartition("/")[2] or "a request"
