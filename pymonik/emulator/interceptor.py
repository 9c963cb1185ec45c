"""What every request passes before and after its service: counts, latency, limits, faults.

`handlers` binds the methods of a plain object to a service of the protocol, by their names in its
descriptor. Methods that the object lacks answer UNIMPLEMENTED, as on a real server.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, NoReturn

import grpc
from google.protobuf.message_factory import GetMessageClass

from pymonik.emulator.counters import Count, Counters
from pymonik.emulator.database import Database
from pymonik.emulator.engine import Refused
from pymonik.emulator.faults import (
    CURRENT_FAULTS,
    Action,
    CutStream,
    Delay,
    DropAfter,
    DropBefore,
    FailUpload,
    Faults,
    SilentStream,
    SlowUpload,
)
from pymonik.emulator.health import Health
from pymonik.emulator.quirks import Quirks
from pymonik.emulator.state.world import OPAQUE

# Kestrel's default limit of a unary request body; streams are not limited.
BODY_LIMIT = 30_000_000

# All that ASP.NET says of an exception that nobody caught.
HANDLER_THREW = "Exception was thrown by handler."


@dataclass(slots=True)
class Interceptor:
    """One interceptor serves all methods of a server."""

    counters: Counters
    faults: Faults
    prefix: str = ""
    latency: float = 0.0
    body_limit: int | None = None
    health: Health | None = None
    database: Database | None = None
    quirks: Quirks = field(default_factory=Quirks)
    sleep: Callable[[float], None] = time.sleep

    def enter(self, method: str, size: int, context: Any) -> list[Action]:
        """Let a request in; return the faults it has still to meet."""
        self.counters.add(method, Count(1, size))
        actions = self.faults.take(method)
        if self.quirks.silent_streams and method == "GetEvents":
            actions.append(SilentStream())
        if self.latency:
            self.sleep(self.latency)
        for action in actions:
            if isinstance(action, Delay):
                self.sleep(action.seconds)
            elif isinstance(action, DropBefore):
                abort(context, action.code, f"{method} dropped before its effect (fault)")
        if self.database is not None and self.database.is_away:
            self.refuse(Refused("UNKNOWN", OPAQUE), context)
        if self.body_limit is not None and size > self.body_limit:
            # Kestrel refuses it, before the engine counts its faults; the number is ours.
            abort(context, "UNKNOWN", f"{HANDLER_THREW} (body of {size} > {self.body_limit} bytes)")
        return actions

    def leave(self, method: str, actions: Sequence[Action], context: Any) -> None:
        """Let an answer out, or lose it."""
        if self.health is not None:
            self.health.record_success()
        for action in actions:
            if isinstance(action, DropAfter):
                abort(context, action.code, f"{method} dropped after its effect (fault)")

    def refuse(self, refused: Refused, context: Any) -> NoReturn:
        """Answer with the status of a refusal."""
        if self.health is not None and refused.code == "UNKNOWN":
            self.health.record_error()
        abort(context, refused.code, refused.reason)

    def read(
        self, method: str, messages: Iterator[bytes], actions: Sequence[Action], context: Any
    ) -> Iterator[bytes]:
        """Pass the messages of a request stream on."""
        for number, raw in enumerate(messages):
            for action in actions:
                if isinstance(action, SlowUpload):
                    self.sleep(action.seconds)
                elif isinstance(action, FailUpload) and number >= action.after:
                    abort(context, action.code, f"{method} broken (fault)")
            self.counters.add(method, Count(request_bytes=len(raw)))
            yield raw

    def write(
        self, method: str, answers: Iterator[Any], actions: Sequence[Action], context: Any
    ) -> Iterator[bytes]:
        """Pass the messages of an answer stream on."""
        cuts = [action for action in actions if isinstance(action, CutStream)]
        silences = [action.after for action in actions if isinstance(action, SilentStream)]
        sent = 0
        while True:
            for cut in cuts:
                if sent >= cut.after:
                    if cut.code is not None:
                        abort(context, cut.code, f"{method} cut (fault)")
                    return
            for after in silences:
                if sent >= after:
                    if method == "GetEvents":
                        deque(answers, maxlen=0)  # ends with the call, or with the server
                    else:
                        _wait_for_the_end(context)
                    return
            answer = next(answers, None)
            if answer is None:
                return
            raw = answer.SerializeToString()
            self.counters.add(method, Count(response_bytes=len(raw)))
            yield raw
            sent += 1


def _wait_for_the_end(context: Any) -> None:
    """Wait until the caller gives up, or the server stops."""
    # Set by a thread of gRPC; this one, of the server, does nothing else meanwhile.
    over = threading.Event()
    if context.add_callback(over.set):
        over.wait()


def abort(context: Any, code: str, reason: str) -> NoReturn:
    """End a call with a status; grpc does it by raising."""
    context.abort(grpc.StatusCode[code], reason)
    raise AssertionError("unreachable: abort raises")


def handlers(service: Any, implementation: object, interceptor: Interceptor) -> Any:
    """Bind an object to a service descriptor."""
    methods = {
        method.name: _handler(method, getattr(implementation, method.name), interceptor)
        for method in service.methods
        if hasattr(implementation, method.name)
    }
    return grpc.method_handlers_generic_handler(service.full_name, methods)


def _handler(method: Any, behaviour: Callable[[Any, Any], Any], interceptor: Interceptor) -> Any:
    name = interceptor.prefix + method.name
    parse = GetMessageClass(method.input_type).FromString
    if method.client_streaming:
        return grpc.stream_unary_rpc_method_handler(
            _stream_unary(name, parse, behaviour, interceptor)
        )
    if method.server_streaming:
        return grpc.unary_stream_rpc_method_handler(
            _unary_stream(name, parse, behaviour, interceptor)
        )
    return grpc.unary_unary_rpc_method_handler(_unary_unary(name, parse, behaviour, interceptor))


def _unary_unary(
    name: str,
    parse: Callable[[bytes], Any],
    behaviour: Callable[[Any, Any], Any],
    interceptor: Interceptor,
) -> Callable[[bytes, Any], bytes]:
    def call(raw: bytes, context: Any) -> bytes:
        actions = interceptor.enter(name, len(raw), context)
        token = CURRENT_FAULTS.set(actions)
        try:
            return _answered(
                name, interceptor, actions, context, lambda: behaviour(parse(raw), context)
            )
        finally:
            CURRENT_FAULTS.reset(token)

    return call


def _stream_unary(
    name: str,
    parse: Callable[[bytes], Any],
    behaviour: Callable[[Any, Any], Any],
    interceptor: Interceptor,
) -> Callable[[Iterator[bytes], Any], bytes]:
    def call(messages: Iterator[bytes], context: Any) -> bytes:
        actions = interceptor.enter(name, 0, context)
        requests = map(parse, interceptor.read(name, messages, actions, context))
        return _answered(name, interceptor, actions, context, lambda: behaviour(requests, context))

    return call


def _answered(
    name: str,
    interceptor: Interceptor,
    actions: Sequence[Action],
    context: Any,
    behaviour: Callable[[], Any],
) -> bytes:
    """Return the one answer of a service, counted; its refusal ends the request."""
    try:
        answer: bytes = behaviour().SerializeToString()
    except Refused as refused:
        interceptor.refuse(refused, context)
    interceptor.counters.add(name, Count(response_bytes=len(answer)))
    interceptor.leave(name, actions, context)
    return answer


def _unary_stream(
    name: str,
    parse: Callable[[bytes], Any],
    behaviour: Callable[[Any, Any], Any],
    interceptor: Interceptor,
) -> Callable[[bytes, Any], Iterator[bytes]]:
    def call(raw: bytes, context: Any) -> Iterator[bytes]:
        actions = interceptor.enter(name, len(raw), context)
        try:
            yield from interceptor.write(name, behaviour(parse(raw), context), actions, context)
        except Refused as refused:
            interceptor.refuse(refused, context)
        interceptor.leave(name, actions, context)

    return call
