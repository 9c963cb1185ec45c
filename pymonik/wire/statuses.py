"""What errors of gRPC say of a request: the one table for whoever asks again, or does not.

Clients ask control planes, workers their agents; what is repeated, and for how long, is up to them.
"""

from __future__ import annotations

from enum import Enum
from typing import Any

from pymonik.system.structs import NamedTuple


class Cause(Enum):
    """What was at fault where a request ended with a status."""

    REQUEST = "what was asked"
    STATE = "what was asked for is gone, or is not in the state it should be in"
    WAY = "the way there, or nothing answers in time"
    SERVER = "the server itself, at this request or at all while its database is away"


class GrpcStatus(NamedTuple):
    """What a status says.

    is_transient: the same request may do better in a while, as others did. is_ambiguous: it may
    have had its effect all the same, so that it is repeated only where that does no harm.
    may_go_on: the server may still be at it, since nobody has waited for it.
    """

    advice: str
    cause: Cause = Cause.REQUEST
    is_transient: bool = False
    is_ambiguous: bool = False
    may_go_on: bool = False


_UNREACHABLE = "it cannot be reached: check the endpoint, and that a server listens there"
_UNKNOWN_REQUEST = "it does not know this request: check that it is an ArmoniK control plane"
_STRANGER = "it does not know this client: give a client certificate and its key"

# cause, then whether transient, and whether ambiguous. ABORTED is the one that may be repeated
# without a doubt: it says that nothing was done.
STATUSES = {
    "UNAVAILABLE": GrpcStatus(_UNREACHABLE, Cause.WAY, True, True),
    "DEADLINE_EXCEEDED": GrpcStatus(
        "it does not answer in time", Cause.WAY, True, True, may_go_on=True
    ),
    "RESOURCE_EXHAUSTED": GrpcStatus(
        "it has no room for the request now", Cause.REQUEST, True, True
    ),
    "ABORTED": GrpcStatus("it failed", Cause.REQUEST, True, False),
    "CANCELLED": GrpcStatus("it failed", Cause.REQUEST, False, True, may_go_on=True),
    "UNKNOWN": GrpcStatus("it failed", Cause.SERVER, False, True),
    "INTERNAL": GrpcStatus("it failed", Cause.SERVER, False, True),
    "NOT_FOUND": GrpcStatus("it does not have the requested object", Cause.STATE),
    "FAILED_PRECONDITION": GrpcStatus("it refuses the request now", Cause.STATE),
    "INVALID_ARGUMENT": GrpcStatus("it refuses the request"),
    "UNAUTHENTICATED": GrpcStatus(_STRANGER),
    "PERMISSION_DENIED": GrpcStatus("this user may not do that: ask for the permission"),
    "UNIMPLEMENTED": GrpcStatus(_UNKNOWN_REQUEST),
}
# The others, such as OUT_OF_RANGE, have no use that is known here: they are refusals.
_OTHER = GrpcStatus("it failed")


def status_of(name: str) -> GrpcStatus:
    """Return what a status says, by its name."""
    return STATUSES.get(name, _OTHER)


def code_of(error: Any) -> str:
    """Return the name of the status that an error of gRPC has."""
    code = error.code()
    return code.name if code is not None else "UNKNOWN"
