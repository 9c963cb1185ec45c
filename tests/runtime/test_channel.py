"""The channel of an executor: each answer comes to the thread that has asked, whoever reads it."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import pytest

from pymonik.runtime.executor.channel import HostChannel
from pymonik.wire.frames import Decoder, Encoder, receive
from tests.conformance.seams import Other, until
from tests.interruption import Interruption, is_free


class Host:
    """The other end of a channel."""

    def __init__(self) -> None:
        self.socket, theirs = socket.socketpair()
        self.channel = HostChannel(theirs)
        self._decoder, self._encoder = Decoder(), Encoder(remember=False)
        self._come: list[Any] = []

    def heard(self) -> Any:
        while not self._come:
            data, files = receive(self.socket)
            if not data:
                return None
            self._come += self._decoder.feed(data, files)
        return self._come.pop(0)

    def say(self, *message: Any) -> None:
        frame, files = self._encoder.encode(message)
        assert not files
        self.socket.sendall(frame)

    def answer_all(self) -> None:
        while (message := self.heard()) is not None:
            kind, number, result_id = message
            assert kind == "ask"
            self.say("run", result_id)
            self.say("object", (number, result_id))


@pytest.fixture
def host() -> Iterator[Host]:
    host = Host()
    yield host
    host.socket.close()
    host.channel.close()


@pytest.mark.parametrize("answers_first", [True, False])
def test_a_thread_that_a_call_has_left_behind_has_the_answer_that_the_main_thread_reads(
    host: Host, answers_first: bool
) -> None:
    channel, messages = host.channel, host.channel.messages()
    main = Other(lambda: next(messages))
    until(lambda: not is_free(channel._reading))
    asking = Other(lambda: channel.ask("id"))
    kind, number, result_id = host.heard()
    assert (kind, result_id) == ("ask", "id")
    if answers_first:
        host.say("object", (number, "found"))
        assert asking.value() == "found"
    host.say("run", 1)
    assert main.value() == ("run", 1)
    if not answers_first:  # the main thread runs a call, and reads no more
        host.say("object", (number, "found"))
        assert asking.value() == "found"
    host.say("run", 2)
    assert next(messages) == ("run", 2)


def test_what_comes_before_an_answer_is_kept_for_the_main_thread(host: Host) -> None:
    messages = host.channel.messages()
    asking = Other(lambda: host.channel.ask("id"))
    _, number, _ = host.heard()
    main = Other(lambda: [next(messages), next(messages)])
    host.say("run", 1)
    host.say("object", (number, [3]))
    host.say("run", 2)
    assert (asking.value(), main.value()) == ([3], [("run", 1), ("run", 2)])


def test_who_waits_for_an_answer_hears_that_the_host_has_ended(host: Host) -> None:
    main = Other(lambda: list(host.channel.messages()))
    until(lambda: not is_free(host.channel._reading))
    asking = Other(lambda: host.channel.ask("id"))
    host.heard()
    host.socket.shutdown(socket.SHUT_WR)
    assert main.value() == []
    with pytest.raises(LookupError, match="has ended"):
        asking.value()


def test_a_finalizer_amid_the_reading_is_refused(host: Host) -> None:
    """What it would read is behind what this thread has in hand."""
    refused: list[str] = []
    feed: Callable[..., Any] = host.channel._decoder.feed

    def fed(data: bytes, files: Any) -> Any:
        with pytest.raises(RuntimeError) as caught:
            host.channel.ask("id")
        refused.append(str(caught.value))
        return feed(data, files)

    host.channel._decoder.feed = fed  # type: ignore[method-assign]
    host.say("run", 1)
    assert next(host.channel.messages()) == ("run", 1)
    assert len(refused) == 1


def test_no_answer_is_taken_for_another_where_a_handler_raises_amid_a_question(host: Host) -> None:
    answering = Other(host.answer_all)
    place, is_through = 0, False
    while not is_through:
        place += 1
        with Interruption(place, ("pymonik.runtime.executor.channel",)) as interruption:
            assert host.channel.ask(f"first {place}") == f"first {place}"
        is_through = not interruption.has_come
        assert host.channel.ask(f"second {place}") == f"second {place}"
        assert Other(partial(is_free, host.channel._reading)).value(), place
    assert place > 5
    kept = {text for _, text in host.channel._inbox}
    host.channel.leave_open()
    host.socket.shutdown(socket.SHUT_RD)
    answering.value()
    assert kept >= {f"second {number}" for number in range(1, place + 1)}
