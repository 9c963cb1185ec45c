"""The line to a control plane: one place where gRPC's statuses become our errors.

Enters: a stub's method and a request. Leaves: the response, or a `ClusterError` that says what was
asked, where, and what to do. Reads are tried again for a while; what changes something is not: the
caller knows best whether it may be repeated.
"""

from __future__ import annotations

import logging
import random
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import grpc

from pymonik.errors import ClusterError, ClusterUnreachable
from pymonik.settings import settings

logger = logging.getLogger("pymonik.armonik")

# The first request of a client finds out whether anybody is there: in seconds.
FIRST = 5.0
_LONGEST_PAUSE = 5.0
# Pauses longer than that come after some seconds without an answer.
SILENCE = 2.0
_PASSING = {"UNAVAILABLE", "DEADLINE_EXCEEDED", "RESOURCE_EXHAUSTED", "ABORTED"}
_ADVICE = {
    "UNAVAILABLE": "it cannot be reached: is the endpoint right, and does something listen there?",
    "DEADLINE_EXCEEDED": "it does not answer in time",
    "UNAUTHENTICATED": "it does not know who we are: give a client certificate and its key",
    "PERMISSION_DENIED": "this user may not do that: ask for the permission",
    "NOT_FOUND": "it does not know what was asked for",
    "INVALID_ARGUMENT": "it refuses the request",
    "FAILED_PRECONDITION": "it refuses the request now",
    "UNIMPLEMENTED": "it does not know this request: is it an ArmoniK control plane?",
}


class Line:
    """Calls methods of one control plane."""

    def __init__(self, endpoint: str) -> None:
        self.endpoint = endpoint
        self.closing = threading.Event()
        self._is_silent = False

    def once(self, method: Any, request: Any, timeout: float | None = 60.0) -> Any:
        """Call once."""
        try:
            return method(request, timeout=timeout)
        except grpc.RpcError as error:
            raise self.explain(method, error) from None

    def again(self, method: Any, request: Any, patience: float | None = None) -> Any:
        """Call, and call again while the trouble may pass: for what can be repeated."""
        patience = settings().patience if patience is None else patience
        for pause in self.pauses(patience):
            try:
                answer = method(request, timeout=max(10.0, patience / 2))
                self._is_silent = False
                return answer
            except grpc.RpcError as error:
                if not is_passing(error) or pause is None:
                    raise self.explain(method, error) from None
                logger.debug("%s: %s, trying again", name_of(method), code_of(error))
            if self.closing.wait(pause):
                raise ClusterError(f"{self.endpoint}: closed while {name_of(method)} was tried")
        raise AssertionError("pauses end with None")

    def explain(self, method: Any, error: Any) -> ClusterError:
        """Make our error of gRPC's."""
        code = code_of(error)
        text = f"control plane {self.endpoint}, {name_of(method)}: {_ADVICE.get(code, 'it failed')}"
        kind = _KINDS.get(code, ClusterError)
        told = kind(f"{text} ({code}: {error.details() or 'no details'})")
        told.code = code
        return told

    def pauses(self, patience: float) -> Iterator[float | None]:
        """Give pauses between tries; whoever waits is told, once, what they are waiting for."""
        for pause in pauses(patience):
            if (pause or 0) > SILENCE and patience > FIRST and not self._is_silent:
                self._is_silent = True
                text = "control plane %s does not answer: asking again, for up to %g s"
                logger.warning(text, self.endpoint, patience)
            yield pause


class StaleError(ClusterError):
    """What was asked for is gone, or is not in the state it should be in."""


_KINDS: dict[str, type[ClusterError]] = {
    "NOT_FOUND": StaleError,
    "FAILED_PRECONDITION": StaleError,
    "UNAVAILABLE": ClusterUnreachable,
    "DEADLINE_EXCEEDED": ClusterUnreachable,
}
# A request that ended so may have had its effect, or not.
_UNSURE = {"UNAVAILABLE", "DEADLINE_EXCEEDED", "UNKNOWN", "CANCELLED", "INTERNAL"}


def pauses(patience: float) -> Iterator[float | None]:
    """Give pauses between tries, longer and longer, and None for the last try."""
    end = time.monotonic() + patience
    pause = 0.05
    while time.monotonic() + pause < end:
        yield pause * random.uniform(0.7, 1.3)
        pause = min(2 * pause, _LONGEST_PAUSE)
    yield None


def is_passing(error: Any) -> bool:
    """Tell whether a call may do better later."""
    return code_of(error) in _PASSING


def is_unsure(error: ClusterError) -> bool:
    """Tell whether a request that failed may have had its effect all the same."""
    return error.code in _UNSURE


def may_help(error: ClusterError) -> bool:
    """Tell whether sending again can help: not when the server itself failed at it."""
    return error.code in {"UNAVAILABLE", "DEADLINE_EXCEEDED", "CANCELLED"}


def code_of(error: Any) -> str:
    """Give the name of a status."""
    code = error.code()
    return code.name if code is not None else "UNKNOWN"


def name_of(method: Callable[..., Any]) -> str:
    """Give the name of a stub's method."""
    path = getattr(method, "_method", b"")
    text = path.decode() if isinstance(path, bytes) else str(path)
    return text.rpartition("/")[2] or "a request"
