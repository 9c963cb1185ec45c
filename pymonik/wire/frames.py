"""Frames: length-prefixed pickles on a socket pair, with memory files passed by descriptor.

Enters: messages of plain types, records and contents. Leaves: the same on the other side. A large
content is sent once to each receiver: after that by its number.

    frame = 8 bytes: length · 4 bytes: descriptors · 4 bytes: tag · the pickle
"""

from __future__ import annotations

# What `socket` wraps: without its enums, whose making is a fiftieth of what an executor does before
# its first call.
import _socket
import array
import io
import itertools
import os
import pickle
import struct
import threading
import weakref
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any

from pymonik.errors import WireError
from pymonik.settings import settings
from pymonik.system.memory_file import Buffer, MemoryFile, received
from pymonik.values.content import Content
from pymonik.wire.byte_cache import CacheInfo

_HEADER = struct.Struct("<QII")
# Marks a frame of ours: anything else on the socket is refused, not unpickled.
_TAG = 0x4B4D5950
# The kernel passes 253 descriptors with one message at most; few at a time, so that a receiver
# that has not many left can take over each before the next come.
_FDS_A_MESSAGE = 16
# A buffer that malloc has at hand: the kernel maps larger ones anew for each message, at 8 µs.
_CHUNK = 1 << 16
_ROOM = _socket.CMSG_SPACE(_FDS_A_MESSAGE * array.array("i").itemsize)
_CUT_OFF = _socket.MSG_CTRUNC


class _Contents(dict[int, Content]):
    """The large contents that a receiver keeps, by their numbers, and how often each was needed."""

    hits = misses = 0

    @property
    def info(self) -> CacheInfo:
        """What is kept now."""
        size = sum(content.size for content in self.values())
        return CacheInfo(len(self), size, self.hits, self.misses)


class _Arriving(threading.local):
    """What the frame that this thread unpickles refers to.

    Unpickling may collect garbage, and a finalizer of the user's may read frames of another client:
    there is no lock to wait for, and what was being read goes on behind it.
    """

    files: Sequence[Buffer] = ()
    contents = _Contents()


_ARRIVING = _Arriving()


def _received_file(number: int) -> Buffer:
    return _ARRIVING.files[number]


def _new_content(number: int, data: bytes, buffers: tuple[Any, ...]) -> Content:
    _ARRIVING.contents.misses += 1
    content = _ARRIVING.contents[number] = Content(data, buffers)
    return content


def _known_content(number: int) -> Content:
    _ARRIVING.contents.hits += 1
    return _ARRIVING.contents[number]


def _dropped_contents(numbers: list[int]) -> None:
    for number in numbers:
        del _ARRIVING.contents[number]


class _Dropped:
    """Numbers of contents that the receiver need not keep any longer."""

    def __init__(self, numbers: list[int]) -> None:
        self._numbers = numbers

    def __reduce__(self) -> Any:
        return _dropped_contents, (self._numbers,)


class Encoder:
    """Makes frames for one receiver. With `remember` a large content is sent to it only once."""

    def __init__(self, remember: bool) -> None:
        self._remember = remember
        # Contents that the receiver has, by id, and their numbers there.
        self._known: dict[int, tuple[weakref.ref[Content], int]] = {}
        self._files: list[MemoryFile] = []
        # The contents that the frame of now is the first to carry.
        self._fresh: list[int] = []
        # Numbers that it is to forget. Added to in any thread, amid anything, as contents die: each
        # is one step of Python, and no lock could be taken there.
        self._dead: list[int] = []
        self._numbers = itertools.count()
        self._table: dict[type, Callable[[Any], Any]] = {
            MemoryFile: self._file,
            Content: self._content,
        }

    def encode(self, message: object) -> tuple[bytes, list[MemoryFile]]:
        """Return the bytes of a frame and the memory files that go with it."""
        dead, self._dead = self._dead, []
        buffer = io.BytesIO()
        pickler = pickle.Pickler(buffer, 5)
        # Looked up by type, in C: `reducer_override` would be called for each object.
        pickler.dispatch_table = self._table
        self._files = []
        self._fresh = []
        try:
            # What died is dropped last: the message may have been made before it died.
            pickler.dump((message, _Dropped(dead) if dead else None))
        except BaseException:  # nothing of it is sent
            self._files = []
            self._dead += dead
            for key in self._fresh:
                self._known.pop(key, None)
            raise
        # The frame holds its files from here on: kept, they would outlive it until the next one.
        files, self._files = self._files, []
        body = buffer.getvalue()
        return _HEADER.pack(len(body), len(files), _TAG) + body, files

    def _file(self, file: MemoryFile) -> Any:
        self._files.append(file)
        return _received_file, (len(self._files) - 1,)

    def _content(self, content: Content) -> Any:
        # What is small costs less to send again than to remember on both sides.
        if not self._remember or content.size <= settings().blob_size:
            return Content, (content.data, content.buffers)
        key = id(content)
        entry = self._known.get(key)
        if entry is not None and entry[0]() is content:
            return _known_content, (entry[1],)
        number = next(self._numbers)
        self._fresh.append(key)
        self._known[key] = (weakref.ref(content, lambda ref: self._forget(key, ref)), number)
        return _new_content, (number, content.data, content.buffers)

    def _forget(self, key: int, ref: weakref.ref[Content]) -> None:
        entry = self._known.get(key)
        # Another content may have got the address, and the entry, before this was called.
        if entry is not None and entry[0] is ref:
            self._dead.append(entry[1])
            del self._known[key]


class Decoder:
    """Puts frames together out of what arrives, in pieces of any size; `take` takes files over."""

    def __init__(self, take: Callable[[int], Buffer] = received) -> None:
        self._take = take
        self._data = bytearray()
        self._files: deque[Buffer] = deque()
        self._contents = _Contents()

    @property
    def info(self) -> CacheInfo:
        """What is kept of the contents that arrived."""
        return self._contents.info

    def feed(self, data: bytes, fds: Sequence[int]) -> list[Any]:
        """Take what arrived; return the messages that are complete."""
        if fds:
            self._files.extend(map(self._take, fds))
        elif not self._data and len(data) >= _HEADER.size:
            length, files, tag = _HEADER.unpack_from(data)
            if length == len(data) - _HEADER.size and tag == _TAG and not files:
                return [self._load(memoryview(data)[_HEADER.size :], 0)]  # the usual case
        self._data += data
        messages = []
        at = 0
        while len(self._data) - at >= _HEADER.size:
            length, files, tag = _HEADER.unpack_from(self._data, at)
            if tag != _TAG:
                raise WireError("bytes that are not a frame arrived on the socket of an executor")
            end = at + _HEADER.size + length
            if len(self._data) < end or len(self._files) < files:
                break
            with memoryview(self._data) as view:
                messages.append(self._load(view[at + _HEADER.size : end], files))
            at = end
        if at:
            del self._data[:at]
        return messages

    def _load(self, body: memoryview, files: int) -> Any:
        arrived = [self._files.popleft() for _ in range(files)] if files else ()
        with body:
            outer = _ARRIVING.files, _ARRIVING.contents
            _ARRIVING.files, _ARRIVING.contents = arrived, self._contents
            try:
                return pickle.loads(body)[0]
            finally:
                _ARRIVING.files, _ARRIVING.contents = outer


def receive(sock: _socket.socket) -> tuple[bytes, list[int]]:
    """Read what there is; no bytes at all mean that the other side has closed."""
    data, ancillary, flags, _ = sock.recvmsg(_CHUNK, _ROOM)
    if not ancillary and not flags & _CUT_OFF:
        return data, []  # the usual case
    fds = array.array("i")
    for level, kind, payload in ancillary:
        if level == _socket.SOL_SOCKET and kind == _socket.SCM_RIGHTS:
            fds.frombytes(payload[: len(payload) - len(payload) % fds.itemsize])
    if flags & _CUT_OFF:  # the kernel has dropped some: their frame would never be whole
        for fd in fds:
            os.close(fd)
        raise WireError(
            "large values arrived, but this process cannot open more files to hold them: close "
            "some, or raise the limit (ulimit -n)"
        )
    return data, list(fds)


class Outbox:
    """Bytes on their way out of a socket, which may take them only in pieces."""

    def __init__(self, sock: _socket.socket) -> None:
        self._sock = sock
        # What the socket has not taken yet.
        self.waiting: deque[tuple[memoryview, list[MemoryFile]]] = deque()

    def push(self, frame: bytes, files: list[MemoryFile]) -> None:
        """Send a frame, or keep what the socket does not take now."""
        sent = 0
        if not files and not self.waiting:  # the usual case
            try:
                sent = self._sock.send(frame)
            except BlockingIOError:
                pass
            if sent == len(frame):
                return
        self.waiting.append((memoryview(frame)[sent:], files))
        self.flush()

    def flush(self) -> None:
        """Send what can be sent now."""
        while self.waiting:
            view, files = self.waiting[0]
            try:
                sent, left = send_part(self._sock, view, files)
            except BlockingIOError:
                return
            if sent == len(view):
                self.waiting.popleft()
            else:
                self.waiting[0] = (view[sent:], left)


def send_part(
    sock: _socket.socket, view: memoryview, files: list[MemoryFile]
) -> tuple[int, list[MemoryFile]]:
    """Send what the socket takes; return the number of bytes, and the files still to go."""
    if not files:
        return sock.send(view), files
    descriptors = array.array("i", [file.fd for file in files[:_FDS_A_MESSAGE]])
    left = files[_FDS_A_MESSAGE:]
    # More to come: keep bytes back for them to travel with.
    part = view[:1] if left else view
    return sock.sendmsg([part], [(_socket.SOL_SOCKET, _socket.SCM_RIGHTS, descriptors)]), left
