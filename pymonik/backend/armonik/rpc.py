"""The RPC client of a control plane: the one place where requests are made, timed, and repeated.

Enters: a stub's method and a request. Leaves: the response, or a `ClusterError`. What only reads is
asked again for a while, whatever the trouble; what changes something and may be repeated, too,
unless the server failed at this very request. The caller knows best which of these it is.
"""

from __future__ import annotations

import itertools
import logging
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

import grpc

from pymonik.backend.armonik.breaker import Breaker
from pymonik.backend.armonik.patience import FIRST, deadline_of, pauses
from pymonik.backend.armonik.refusals import (
    explain,
    is_fault,
    is_transient,
    name_of,
)
from pymonik.backend.armonik.stalls import StallGuard
from pymonik.errors import ClusterError, ClusterUnreachable
from pymonik.settings import settings
from pymonik.system.failed_calls import let_go

logger = logging.getLogger("pymonik.armonik")

T = TypeVar("T")

# Pauses longer than that come after some seconds without an answer; the second one is for requests
# that are given up after `FIRST`: for who waits for a first word, a second is long.
SILENCE, _FIRST_SILENCE = 2.0, 0.5
# A request that is under way for so long is logged, in seconds, beyond what its bytes may take.
QUIET = 5.0
# Bytes a second of a line that is not worth a word.
_USUAL = 4 << 20


def _called(method: Any, request: Any, timeout: float) -> Any:
    return method(request, timeout=timeout)


class RpcClient:
    """Calls methods of one control plane, from any thread."""

    def __init__(self, endpoint: str) -> None:
        self.endpoint = endpoint
        # Set once, by the thread that lets go of the session; ends all pauses of all others.
        self.closing = threading.Event()
        self._stalls = StallGuard(self.closing)
        self.breaker = Breaker()
        # A request that only reads: tells a server that is ill from one that a request makes fail.
        self.probe: Callable[[float], object] = lambda patience: None
        # How to come back to what was sent, for errors after which nothing is asked any more.
        self.way_back = ""
        # The last fault of the server, and whether it was logged that it does not answer. Written
        # by any thread, without a lock: at worst a line is logged twice, or once too seldom.
        self._fault: ClusterError | None = None
        self._is_silent = False
        # Requests of submissions that are under way, for who leaves without them.
        self._sent: set[Any] = set()
        # Set before those are cancelled, and looked at by each once it is among them.
        self._is_stopped = False
        # Requests under way: their names, and when they are to be logged. Each entry is of the
        # thread that asks; who looks through them takes a copy.
        self._under_way: dict[int, tuple[str, float]] = {}
        self._numbers = itertools.count()

    def once(
        self, method: Any, request: Any, deadline: float | None = None, end: float | None = None
    ) -> Any:
        """Return the answer of one call, which is not repeated.

        deadline: seconds for the call. end: on time.monotonic, of the patience to wait for a turn.
        Raises ClusterError, explained: which endpoint, which method, what to do.
        """
        seconds = deadline or deadline_of()
        return self._asked(
            method, end, lambda _: self._whole(method, method(request, timeout=seconds))
        )

    def gather(self, data: bytearray, method: Any, request: Any, end: float) -> None:
        """Call once, and add the data that come: it takes as long as any come."""

        def ask(number: int) -> None:
            for answer in self._stalls.answers(method(request), deadline_of()):
                data.extend(answer.data_chunk)
                self._under_way[number] = name_of(method), time.monotonic() + QUIET

        self._asked(method, end, ask)

    def read(self, method: Any, request: Any, patience: float | None = None) -> Any:
        """Return the answer of what only reads; call again while the trouble may pass.

        patience: seconds until that is given up, None for `settings().patience`.
        """
        return self._retry(method, lambda: request, patience, 0, is_read=True)

    def retry(self, method: Any, request: Any, patience: float | None = None, size: int = 0) -> Any:
        """Return the answer of what changes something, and can be repeated; as `read` does.

        size: bytes of the request, which prolong its deadline. A server that fails at this request
        alone is asked no more: the request may be what makes it fail.
        """
        return self._retry(method, lambda: request, patience, size, is_read=False)

    def send(self, method: Any, request: Callable[[], Any], size: int = 0) -> Any:
        """Send a part of a submission, as `retry` does; `stop_sending` ends it from any thread.

        request: makes the message, or a stream of them, anew for each try.
        """
        return self._retry(method, request, None, size, is_read=False, call=self._sending)

    def send_once(self, method: Any, request: Any, deadline: float) -> Any:
        """Send a part of a submission once, in `deadline` seconds; who calls tries again."""
        return self._asked(
            method, None, lambda _: self._whole(method, self._sending(method, request, deadline))
        )

    def _sending(self, method: Any, request: Any, timeout: float) -> Any:
        # A future, since only a call that is under way can be cancelled from another thread.
        call = method.future(request, timeout=timeout)
        self._sent.add(call)
        try:
            if not self._is_stopped:  # looked at only now: who stops it has the others cancelled
                return call.result()
        except grpc.FutureCancelledError:
            pass
        finally:
            self._sent.discard(call)
            call.cancel()  # nothing is waiting for it after Ctrl-C
            del call  # what is raised here keeps this frame: see `let_go`
        raise ClusterError(f"{self.endpoint}: closed while {name_of(method)} was under way")

    def stop_sending(self) -> None:
        """End what is being sent, from any thread, and let no more be sent."""
        self._is_stopped = True
        for call in list(self._sent):
            call.cancel()

    def _retry(
        self,
        method: Any,
        request: Callable[[], Any],
        patience: float | None,
        size: int,
        is_read: bool,
        call: Callable[[Any, Any, float], Any] = _called,
    ) -> Any:
        patience = settings().patience if patience is None else patience
        end = time.monotonic() + patience
        pauses = self.pauses(patience)
        refusal: ClusterError | None = None

        def ask(_: int) -> Any:
            return self._whole(method, call(method, request(), deadline_of(size, patience)))

        while True:
            try:
                return self._asked(method, end, ask, size)
            except ClusterError as error:
                pause = self._pause_after(error, pauses, end, is_read)
                if error.http_status:
                    refusal = error
                if pause is None:
                    # A connection that breaks says less than the proxy that refused before.
                    is_mute = isinstance(error, ClusterUnreachable)
                    last = refusal if refusal is not None and is_mute else error
                    raise self.given_up(last, patience) from None
                logger.debug("%s: %s, trying again", name_of(method), error.code)
            if self.closing.wait(pause):
                raise ClusterError(f"{self.endpoint}: closed while {name_of(method)} was tried")

    def _whole(self, method: Any, answer: Any) -> Any:
        """Return an answer. gRPC gives None when a status came without the message before it."""
        if answer is not None:
            return answer
        error = ClusterUnreachable(
            f"control plane {self.endpoint}, {name_of(method)}: the answer was lost on the way"
        )
        error.code = "UNAVAILABLE"
        raise error

    def _pause_after(
        self, error: ClusterError, pauses: Iterator[float | None], end: float, is_read: bool
    ) -> float | None:
        """Return how long to wait before the next try, None when there is none."""
        if not is_fault(error):
            return next(pauses) if is_transient(error) else None
        if time.monotonic() >= end or not (is_read or self.fails_at_everything(end)):
            return None
        return 0.0  # the breaker makes the pause

    def fails_at_everything(self, end: float) -> bool:
        """Find out whether a server that failed fails at everything; wait until it does not."""
        failures = self.breaker.failures
        self.probe(max(end - time.monotonic(), 0.0))
        return self.breaker.failures > failures

    def is_permanent(self, error: ClusterError, before: int) -> bool:
        """Return whether a server has failed at this request alone: it is asked no more of it.

        before: the failures when the request was made. Something else was asked since.
        """
        return is_fault(error) and self.breaker.failures <= before + 1

    def _asked(self, method: Any, end: float | None, ask: Callable[[int], T], size: int = 0) -> T:
        """Return what `ask` does, in its turn; note what comes of it. It takes its number here.

        Whatever is raised, and wherever, as by the handler of Ctrl-C: others may try then.
        """
        end = time.monotonic() + settings().patience if end is None else end
        number = next(self._numbers)
        try:
            if not self.breaker.enter(end, self.closing.is_set):
                raise self._not_tried(method)
            self._under_way[number] = name_of(method), time.monotonic() + QUIET + size / _USUAL
            answer = ask(number)
            self._is_silent = False
            self.breaker.passed()
            return answer
        except grpc.RpcError as error:
            explained = self.explain(method, error)
            self.note(explained)
            let_go(error)
        finally:
            try:
                self._leave(number)
            except BaseException:  # a handler amid it: once more
                self._leave(number)
                raise
        raise explained from None  # not above, where it would keep the call as its context

    def _leave(self, number: int) -> None:
        self._under_way.pop(number, None)
        self.breaker.gave_up()  # unless it is known what came of it

    def _not_tried(self, method: Any) -> ClusterError:
        """Make the error of a request for which there was no turn: each thread has its own."""
        text = f"control plane {self.endpoint}, {name_of(method)}: the request was not tried"
        fault = self._fault
        if fault is None:
            return ClusterError(text)
        error = ClusterError(f"{text}, since the control plane fails ({fault})")
        error.code, error.http_status = fault.code, fault.http_status
        return error

    def note(self, error: ClusterError) -> None:
        """Note what a failed request says of the server."""
        if is_transient(error):  # how the server is remains unknown
            self.breaker.gave_up()
        elif not is_fault(error):  # a refusal is an answer
            self.breaker.passed()
        else:
            self._fault = error
            self.breaker.failed()
            if self.breaker.is_lasting and not self._is_silent:
                self._is_silent = True
                logger.warning("%s; asking again", error)

    def given_up(self, error: ClusterError, patience: float) -> ClusterError:
        """Note that patience has ended, and add to the error how to come back."""
        # A server that answers meanwhile has failed at this request alone.
        if patience > FIRST and (is_transient(error) or (is_fault(error) and self.breaker.is_open)):
            if self.way_back and self.way_back not in str(error):
                error.args = (f"{error}. {self.way_back}",)
            error.is_outage = True
        return error

    def tell_silence(self) -> None:
        """Tell, once, that a request has been under way for long; called now and then."""
        now = time.monotonic()
        late = [name for name, due in list(self._under_way.values()) if now >= due]
        if late and not self._is_silent:
            self._is_silent = True
            text = "control plane %s does not answer %s: waiting for it"
            logger.warning(text, self.endpoint, ", ".join(dict.fromkeys(late)))

    def explain(self, method: Any, error: Any) -> ClusterError:
        """Make our error of gRPC's."""
        return explain(self.endpoint, method, error)

    def pauses(self, patience: float) -> Iterator[float | None]:
        """Return pauses between tries; once, log what is being waited for."""
        return self._logged(pauses(patience), patience)

    def _logged(self, pauses: Iterator[float | None], patience: float) -> Iterator[float | None]:
        silence = SILENCE if patience > FIRST else _FIRST_SILENCE
        for pause in pauses:
            if (pause or 0) > silence and not self._is_silent:
                self._is_silent = True
                text = "control plane %s does not answer: asking again, for up to %g s"
                logger.warning(text, self.endpoint, patience)
            yield pause
