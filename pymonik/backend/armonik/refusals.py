"""What gRPC and the proxies on the way answer, as errors of ours: what happened, and the way out.

Enters: an error of gRPC. Leaves: a `ClusterError` that says what was asked, where, and what to do;
and whether it may be better later.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from pymonik.errors import ClusterError, ClusterUnreachable
from pymonik.foreign import harmless

_ADVICE = {
    "UNAVAILABLE": "it cannot be reached: is the endpoint right, and does something listen there?",
    "DEADLINE_EXCEEDED": "it does not answer in time",
    "UNAUTHENTICATED": "it does not know who we are: give a client certificate and its key",
    "PERMISSION_DENIED": "this user may not do that: ask for the permission",
    "NOT_FOUND": "it does not know what was asked for",
    "INVALID_ARGUMENT": "it refuses the request",
    "FAILED_PRECONDITION": "it refuses the request now",
    "RESOURCE_EXHAUSTED": "it has no room for the request now",
    "UNIMPLEMENTED": "it does not know this request: is it an ArmoniK control plane?",
}
# What a proxy between answers itself, in plain HTTP. gRPC makes codes of these that mislead: 400
# becomes INTERNAL, 413 UNKNOWN.
_PROXY_ADVICE = {
    400: "refuses the request: it wants a client certificate (give client_certificate= and "
    "client_key=), or it takes TLS where plain HTTP came, or the other way round",
    401: "does not know who we are: give a client certificate and its key",
    403: "lets us not through: does it know our client certificate, and is it allowed?",
    413: "takes no request as large: raise its limit (client_max_body_size of nginx), or set "
    "PYMONIK_REQUEST_BYTES lower",
    502: "does not reach the control plane behind it: does that run?",
    503: "has no control plane behind it now: is it starting, or are there none left?",
    504: "gets no answer from the control plane behind it in time",
}
_PROXY = re.compile(r"http2 header with status: (\d{3})")
_PASSING = {"UNAVAILABLE", "DEADLINE_EXCEEDED", "RESOURCE_EXHAUSTED", "ABORTED"}
# The server itself failed: at this request, or at all that it is asked while its database is away.
_FAULTS = {"UNKNOWN", "INTERNAL"}
# A request that ended so may have had its effect, or not.
_UNSURE = {"CANCELLED", *_PASSING, *_FAULTS} - {"ABORTED"}


class StaleError(ClusterError):
    """What was asked for is gone, or is not in the state it should be in."""


_KINDS: dict[str, type[ClusterError]] = {
    "NOT_FOUND": StaleError,
    "FAILED_PRECONDITION": StaleError,
    "UNAVAILABLE": ClusterUnreachable,
    "DEADLINE_EXCEEDED": ClusterUnreachable,
}


def explain(endpoint: str, method: Any, error: Any) -> ClusterError:
    """Make our error of gRPC's."""
    code, details = code_of(error), harmless(error.details() or "no details", lines=True)
    where = f"control plane {endpoint}, {name_of(method)}"
    status = http_status(error)
    if status in _PROXY_ADVICE:
        text = f"{where}: a proxy on the way {_PROXY_ADVICE[status]} (HTTP {status})"
    else:
        text = f"{where}: {_ADVICE.get(code, 'it failed')} ({code}: {details})"
    told = _KINDS.get(code, ClusterError)(text)
    told.code = code
    told.http_status = status
    return told


def is_transient(error: ClusterError) -> bool:
    """Return whether a call may do better later, as others did."""
    return error.code in _PASSING


def is_fault(error: ClusterError) -> bool:
    """Return whether the server itself failed; a proxy that refuses is none."""
    return error.code in _FAULTS and error.http_status not in _PROXY_ADVICE


def is_ambiguous(error: ClusterError) -> bool:
    """Return whether a request that failed may have had its effect all the same."""
    return error.code in _UNSURE and error.http_status not in (400, 413)


def code_of(error: Any) -> str:
    """Return the name of a status."""
    code = error.code()
    return code.name if code is not None else "UNKNOWN"


def http_status(error: Any) -> int:
    """Return the HTTP status that came in place of an answer, 0 when it was none."""
    found = _PROXY.search(error.details() or "")
    return int(found[1]) if found else 0


def name_of(method: Callable[..., Any]) -> str:
    """Return the name of a stub's method."""
    path = getattr(method, "_method", b"")
    text = path.decode() if isinstance(path, bytes) else str(path)
    return text.rpartition("/")[2] or "a request"
