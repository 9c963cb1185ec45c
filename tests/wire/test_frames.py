"""Frames: messages of any size through a socket that takes and gives bytes as it likes."""

from __future__ import annotations

import gc
import os
import pickle
import socket
import struct
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pymonik.errors import WireError
from pymonik.settings import settings as settings_of
from pymonik.system.memory_file import MemoryFile
from pymonik.values.content import Content
from pymonik.values.outcome import Failure
from pymonik.wire.frames import Decoder, Encoder, Outbox, receive
from tests.conformance.seams import Other

PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=9) | st.binary(max_size=200),
    lambda inner: st.lists(inner, max_size=4) | st.tuples(inner, inner),
    max_leaves=8,
)


def frames_of(messages: list[Any], remember: bool = False) -> tuple[bytes, list[int]]:
    encoder = Encoder(remember)
    data, fds = b"", []
    for message in messages:
        frame, files = encoder.encode(message)
        data += frame
        fds += [os.dup(file.fd) for file in files]
    return data, fds


def memory_file(data: bytes) -> MemoryFile:
    return MemoryFile.copy_of(memoryview(data))


def file_of(fd: int) -> tuple[int, int] | None:
    """Return which file a descriptor is of: its number may be another's as soon as it is closed."""
    try:
        status = os.fstat(fd)
    except OSError:
        return None
    return status.st_dev, status.st_ino


@settings(max_examples=100, deadline=None)
@given(messages=st.lists(PLAIN, max_size=5), cuts=st.lists(st.integers(1, 50), max_size=40))
def test_messages_arrive_whole_however_their_bytes_are_cut(
    messages: list[Any], cuts: list[int]
) -> None:
    data, _ = frames_of(messages)
    decoder, got, at = Decoder(), [], 0
    for size in [*cuts, len(data)]:
        got += decoder.feed(data[at : at + size], [])
        at += size
    assert got == messages


def test_a_message_arrives_byte_by_byte() -> None:
    message = ("run", [1, 2.5, None], Failure("error", "no", "f"))
    data, _ = frames_of([message, "next"])
    decoder = Decoder()
    got = [(at, made) for at, byte in enumerate(data) for made in decoder.feed(bytes([byte]), [])]
    assert [made for _, made in got] == [message, "next"]
    assert got[-1][0] == len(data) - 1


@pytest.mark.parametrize(
    "garbage",
    [b"\0" * 16, b"GET / HTTP/1.1\r\n\r\n", struct.pack("<QII", 4, 0, 0xDEADBEEF) + b"\0" * 4],
)
def test_garbage_is_refused_and_not_unpickled(garbage: bytes) -> None:
    with pytest.raises(WireError, match="not a frame"):
        Decoder().feed(garbage, [])


def test_garbage_behind_a_good_frame_is_refused_too() -> None:
    data, _ = frames_of(["fine"])
    with pytest.raises(WireError):
        Decoder().feed(data + b"x" * 16, [])


def test_a_pickle_that_is_no_frame_does_not_run() -> None:
    class Bomb:
        def __reduce__(self) -> Any:
            return (pytest.fail, ("it was unpickled",))

    with pytest.raises(WireError):
        Decoder().feed(pickle.dumps(Bomb()), [])


def test_buffers_travel_as_descriptors_and_arrive_writable() -> None:
    first, second = memory_file(b"first" * 1000), memory_file(b"second")
    sent = ("take", [Content(b"\x80\x05N.", (first, b"small")), second])
    data, fds = frames_of([sent])
    assert len(data) < 500
    ((_, (content, other)),) = Decoder().feed(data, fds)
    ours = content.buffers[0].map()
    assert (bytes(ours), content.buffers[1]) == (b"first" * 1000, b"small")
    ours[:5] = b"mine!"
    assert bytes(first.map()[:5]) == b"first", "mapped privately"
    assert bytes(other.map()) == b"second"


def test_a_frame_waits_for_its_descriptors() -> None:
    data, fds = frames_of([[memory_file(b"a"), memory_file(b"b")]])
    decoder = Decoder()
    assert decoder.feed(data, fds[:1]) == []
    ((a, b),) = decoder.feed(b"", fds[1:])
    assert [bytes(file.map()) for file in (a, b)] == [b"a", b"b"]


def test_descriptors_are_closed_with_what_they_came_for() -> None:
    data, fds = frames_of([[memory_file(b"a") for _ in range(20)]])
    got = Decoder().feed(data, fds)
    opened = [file_of(fd) for fd in fds]
    assert None not in opened
    del got
    gc.collect()
    assert not {file_of(fd) for fd in fds} & {*opened}


# ----- contents


def large_content() -> Content:
    return Content(pickle.dumps(list(range(20_000))))


def test_a_file_is_closed_with_its_content_once_its_frame_is_gone() -> None:
    encoder = Encoder(remember=True)
    content = Content(b"", [memory_file(bytes(1 << 20))])
    _, files = encoder.encode(content)
    fd = files[0].fd
    file = file_of(fd)
    assert file is not None
    del content, files, _
    gc.collect()
    assert file_of(fd) != file


def test_a_large_content_is_sent_once_to_each_receiver() -> None:
    large = large_content()
    encoder, decoder = Encoder(remember=True), Decoder()
    sizes = []
    for _ in range(3):
        frame, _ = encoder.encode(("use", large))
        sizes.append(len(frame))
        ((_, got),) = decoder.feed(frame, [])
        assert got.data == large.data
    assert sizes[0] > large.size
    assert sizes[1] == sizes[2] < 200
    frame, _ = Encoder(remember=True).encode(("use", large))
    assert len(frame) > large.size, "another receiver has not seen it"


def test_small_contents_are_simply_sent() -> None:
    small = Content(b"x" * settings_of().blob_size)
    encoder = Encoder(remember=True)
    assert len(encoder.encode(small)[0]) == len(encoder.encode(small)[0]) > small.size


def test_without_memory_a_content_is_sent_each_time() -> None:
    large = large_content()
    encoder = Encoder(remember=False)
    assert all(len(encoder.encode(large)[0]) > large.size for _ in range(2))


def test_a_content_that_died_is_forgotten_on_both_sides() -> None:
    large = large_content()
    encoder, decoder = Encoder(remember=True), Decoder()
    decoder.feed(encoder.encode(large)[0], [])
    assert len(decoder._contents) == 1
    del large
    gc.collect()
    assert decoder.feed(encoder.encode("anything")[0], []) == ["anything"]
    assert decoder._contents == {}


def test_a_content_at_the_place_of_a_dead_one_is_another() -> None:
    """Objects are told apart by their address: a new one may get the address of one that died."""
    encoder, decoder = Encoder(remember=True), Decoder()
    for number in range(50):
        content = Content(bytes([number]) * 20_000)
        ((got),) = decoder.feed(encoder.encode(content)[0], [])
        assert got.data == content.data
        del content, got
    assert len(decoder._contents) <= 1


def test_what_dies_while_its_message_is_under_way_still_arrives() -> None:
    large = large_content()
    encoder, decoder = Encoder(remember=True), Decoder()
    first, _ = encoder.encode(("first", large))
    second, _ = encoder.encode(("second", large))
    data = large.data
    del large
    gc.collect()
    third, _ = encoder.encode("third")
    got = decoder.feed(first + second + third, [])
    assert [got[0][1].data, got[1][1].data, got[2]] == [data, data, "third"]
    assert decoder._contents == {}


# ----- through a socket


@pytest.fixture
def ends() -> Iterator[tuple[socket.socket, socket.socket]]:
    ours, theirs = socket.socketpair()
    yield ours, theirs
    ours.close()
    theirs.close()


def received(sock: socket.socket, count: int) -> list[Any]:
    decoder, got = Decoder(), []
    while len(got) < count:
        data, fds = receive(sock)
        assert data, "the other side has closed"
        got += decoder.feed(data, fds)
    return got


@pytest.mark.parametrize("count", [1, 200, 201, 253, 254, 700])
def test_any_number_of_descriptors_goes_with_one_message(
    ends: tuple[socket.socket, socket.socket], count: int
) -> None:
    files = [memory_file(str(i).encode()) for i in range(count)]
    frame, sent = Encoder(remember=False).encode(files)
    Outbox(ends[0]).push(frame, sent)
    (got,) = received(ends[1], 1)
    assert [int(bytes(file.map())) for file in got] == list(range(count))


def test_what_a_socket_does_not_take_is_kept_in_order(
    ends: tuple[socket.socket, socket.socket],
) -> None:
    ours, theirs = ends
    ours.setblocking(False)
    outbox, encoder = Outbox(ours), Encoder(remember=False)
    large = [bytes([i]) * 500_000 for i in range(6)]
    for i, data in enumerate(large):
        outbox.push(*encoder.encode((i, data, memory_file(str(i).encode()))))
    assert outbox.waiting, "three megabytes do not fit into a socket"
    decoder, got = Decoder(), []
    while len(got) < len(large):
        got += decoder.feed(*receive(theirs))
        outbox.flush()
    assert not outbox.waiting
    assert [(i, data) for i, data, _ in got] == list(enumerate(large))
    assert [bytes(file.map()) for _, _, file in got] == [str(i).encode() for i in range(6)]


def test_many_descriptors_and_many_bytes_go_together(
    ends: tuple[socket.socket, socket.socket],
) -> None:
    frame, files = Encoder(remember=False).encode(
        (bytes(2_000_000), [memory_file(str(i).encode()) for i in range(450)])
    )
    sender = threading.Thread(target=Outbox(ends[0]).push, args=(frame, files))
    sender.start()
    ((data, got),) = received(ends[1], 1)
    sender.join()
    assert len(data) == 2_000_000
    assert [int(bytes(file.map())) for file in got] == list(range(450))


def test_a_closed_socket_gives_no_bytes(ends: tuple[socket.socket, socket.socket]) -> None:
    ends[0].close()
    assert receive(ends[1]) == (b"", [])


AMID: list[Any] = []


class RunsAmid:
    """Runs what is in AMID where it is unpickled, as a finalizer would."""

    def __reduce__(self) -> Any:
        return _run, ()


def _run() -> str:
    AMID.pop()()
    return "ours"


def test_a_frame_may_be_read_amid_another() -> None:
    contents = [Content(bytes([n]) * 100_000) for n in range(3)]
    inner, _ = Encoder(remember=True).encode(("theirs", contents[0]))
    other, got = Decoder(), []  # type: Decoder, list[Any]
    AMID.append(lambda: got.extend(other.feed(inner, [])))
    frame, _ = Encoder(remember=True).encode([contents[1], RunsAmid(), contents[2]])
    decoder = Decoder()
    read = Other(lambda: decoder.feed(frame, []))
    ((first, text, second),) = read.value()
    assert text == "ours"
    assert [first.data, second.data] == [contents[1].data, contents[2].data]
    assert [content.data for _, content in got] == [contents[0].data]
    assert (decoder.info.items, other.info.items) == (2, 1)
