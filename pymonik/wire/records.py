"""Records as bytes, without pickle: what packs, tables, payloads and error texts are made of.

Enters: plain values (immediates, tuples, lists, dicts) with records among them: contents, failures,
values apart. Leaves: one text of JSON and buffers beside it, or the values again. Reading runs
nothing, whoever wrote the bytes; a content stays what it is, bytes that are loaded when somebody
asks for its value.

    {"root": value, "lists": […], "failures": […], "contents": [[data, buffer, …], …],
     "definitions": [buffer, …]}

A number, a text without lone surrogates, true, false and null stand for themselves; everything
else is an array whose first item says what it is. Definitions are buffers that many contents have.
Lists, failures and contents are numbered, and refer to earlier ones only: what is shared is written
once, and no reference goes in a circle. A list of tuples of such values is written as {"tuples":
[[…], …]}. Of long lists, numbers of one kind are {"array": [typecode, buffer]}, little-endian, and
tuples of one length {"columns": [list, …]}: neither takes a step of Python for each element.
"""

from __future__ import annotations

import binascii
import json
import struct
from array import array
from collections.abc import Sequence
from itertools import chain
from typing import Any, NoReturn

from pymonik.errors import WireError
from pymonik.values.content import Content, Definition, freeze_buffer
from pymonik.values.outcome import KINDS, PENDING, Failure, OutOfLine
from pymonik.wire.json_values import (
    ITEM_SIZES,
    PLAIN,
    are_plain,
    array_of,
    columns_of,
    in_order,
    is_plain,
)

# Bytes up to this size stand in the text: a buffer of its own costs a length and a view.
_INLINE = 4096
# Lists of fewer items are written as they are: an array of its own would cost more.
_MANY = 256
_FAILURE = ("kind", "message", "task", "site", "element", "worker", "attempts", "traceback",
            "path", "mark", "lost", "beside")  # fmt: skip


def dumps(value: object) -> tuple[bytes, list[memoryview]]:
    """Return a value as a text and the buffers that go beside it."""
    writer = _Writer()
    root = writer.write(value)
    tables = {
        "root": root,
        "lists": writer.lists,
        "failures": writer.failures,
        "contents": writer.contents,
        "definitions": writer.definitions,
    }
    return json.dumps(tables, separators=(",", ":")).encode(), writer.buffers


def loads(body: Any, buffers: Sequence[memoryview] = ()) -> Any:
    """Return the value that `dumps` wrote; raises WireError when the bytes are something else."""
    try:
        return _Reader(json.loads(bytes(body)), buffers).root
    except (LookupError, TypeError, ValueError, AttributeError, RecursionError, struct.error) as e:
        raise WireError(f"not records written by PymoniK: {type(e).__name__}: {e}") from None


class _Writer:
    def __init__(self) -> None:
        self.lists: list[Any] = []
        self.failures: list[Any] = []
        self.contents: list[Any] = []
        self.definitions: list[Any] = []
        self._defined: dict[Definition, int] = {}
        self.buffers: list[memoryview] = []
        # Numbers of what was written, by identity; the objects are kept, so that ids stay theirs.
        self._numbers: dict[int, int] = {}
        self._kept: list[Any] = []

    def write(self, value: Any) -> Any:
        kind = type(value)
        if kind in PLAIN and is_plain((value,), {kind}):
            return value
        write = _WRITERS.get(kind)
        if write is None:
            raise TypeError(f"no record holds a {kind.__name__}")
        return write(self, value)

    def _once(self, table: list[Any], value: Any, make: Any) -> int:
        number = self._numbers.get(id(value))
        if number is None:
            made = make(value)
            number = self._numbers[id(value)] = len(table)
            table.append(made)
            self._kept.append(value)
        return number

    def _all(self, values: Sequence[Any]) -> list[Any]:
        kinds = set(map(type, values))
        return [*values] if is_plain(values, kinds) else [self.write(value) for value in values]

    def _bytes(self, value: bytes | memoryview) -> Any:
        if len(value) <= _INLINE:
            return ["b", binascii.b2a_base64(value, newline=False).decode()]
        self.buffers.append(memoryview(value))
        return ["B", len(self.buffers) - 1]

    def _list(self, value: list[Any]) -> Any:
        return ["l", self._once(self.lists, value, self._items)]

    def _items(self, value: list[Any]) -> Any:
        """Write the items of a list; many alike at the speed of C."""
        kinds = set(map(type, value))
        if len(value) >= _MANY:
            if kinds == {tuple} and (columns := columns_of(value)):
                return {"columns": [self._items(column) for column in columns]}
            if (numbers := array_of(value, kinds)) is not None:
                return {"array": [numbers.typecode, self._bytes(memoryview(numbers).cast("B"))]}
        if kinds == {tuple} and are_plain(value):
            return {"tuples": value}
        return value if is_plain(value, kinds) else [self.write(v) for v in value]

    def _content(self, value: Content) -> Any:
        return ["o", self._once(self.contents, value, self._parts)]

    def _parts(self, content: Content) -> list[Any]:
        data, *views = content.views()
        pairs = zip(content.buffers, views)
        written = [
            self._definition(b) if type(b) is Definition else self._bytes(v) for b, v in pairs
        ]
        return [self._bytes(data), *written]

    def _definition(self, value: Definition) -> Any:
        number = self._defined.setdefault(value, len(self.definitions))
        if number == len(self.definitions):
            self.definitions.append(self._bytes(memoryview(value)))
        return ["D", number]

    def _failure(self, value: Failure) -> Any:
        return ["x", self._once(self.failures, value, self._fields)]

    def _fields(self, failure: Failure) -> list[Any]:
        fields = [self.write(getattr(failure, name)) for name in _FAILURE]
        return [*fields, self.write(failure.exception)]

    def _dict(self, value: dict[Any, Any]) -> Any:
        return ["d", [[self.write(key), self.write(inner)] for key, inner in value.items()]]

    def _complex(self, value: complex) -> Any:
        return ["c", self.write(value.real), self.write(value.imag)]


_WRITERS: dict[type, Any] = {
    int: lambda w, v: ["i", hex(v)],
    float: lambda w, v: ["f", struct.pack("<d", v).hex()],
    str: lambda w, v: ["s", v.encode("utf-8", "surrogatepass").hex()],
    bytes: _Writer._bytes,
    complex: _Writer._complex,
    type(...): lambda w, v: ["e"],
    tuple: lambda w, v: ["t", *w._all(v)],
    list: _Writer._list,
    dict: _Writer._dict,
    Content: _Writer._content,
    Failure: _Writer._failure,
    OutOfLine: lambda w, v: ["a", v.id, v.digest.hex(), v.size],
    type(PENDING): lambda w, v: ["p"],
}


class _Reader:
    def __init__(self, tables: Any, buffers: Sequence[memoryview]) -> None:
        self._buffers = buffers
        defined = (self._bytes(part) for part in tables["definitions"])
        self._definitions = [freeze_buffer(memoryview(part)) for part in defined]
        self._contents = [self._make_content(parts) for parts in tables["contents"]]
        self._failures = [self._make_failure(fields) for fields in tables["failures"]]
        # Buffers that were read as arrays: one that is named often would fill the memory.
        self._read_once: set[int] = set()
        self._lists: list[list[Any]] = []
        for items in tables["lists"]:
            self._lists.append(self._items(items))
        self.root = self._read(tables["root"])

    def _read(self, value: Any) -> Any:
        if type(value) is not list:
            return value if type(value) in PLAIN else _refuse(value)
        kind, *rest = value
        return _READERS[kind](self, *rest)

    def _items(self, items: Any) -> list[Any]:
        if type(items) is not dict:
            return self._all(items)
        if "array" in items:
            return self._numbers(*items["array"])
        if "columns" in items:
            columns = [self._items(column) for column in items["columns"]]
            if len(set(map(len, columns))) != 1:
                _refuse(items)
            return [*zip(*columns)]
        tuples = [tuple(item) for item in items["tuples"]]
        if not PLAIN.issuperset(map(type, chain.from_iterable(tuples))):
            _refuse(items)
        return tuples

    def _all(self, values: Any) -> list[Any]:
        if type(values) is not list:
            _refuse(values)
        if PLAIN.issuperset(map(type, values)):
            return values
        return [v if type(v) in PLAIN else self._read(v) for v in values]

    def _numbers(self, code: Any, part: Any) -> list[Any]:
        if part[0] == "B":
            if part[1] in self._read_once:
                _refuse(part)
            self._read_once.add(part[1])
        numbers: array[Any] = array(code if code in ITEM_SIZES else _refuse(code))
        if numbers.itemsize != ITEM_SIZES[code]:
            raise ValueError(f"this machine has no numbers of {ITEM_SIZES[code]} bytes as {code!r}")
        numbers.frombytes(self._bytes(part))
        return in_order(numbers).tolist()

    def _bytes(self, value: Any) -> bytes | memoryview:
        kind, what = value
        if kind == "B":
            return self._buffers[_number(what)]
        return binascii.a2b_base64(what) if kind == "b" else _refuse(value)

    def _make_content(self, parts: Any) -> Content:
        data, *buffers = parts
        return Content(bytes(self._bytes(data)), [self._buffer(part) for part in buffers])

    def _buffer(self, part: Any) -> Any:
        if part[0] == "D":
            return self._definitions[_number(part[1])]
        return freeze_buffer(memoryview(self._bytes(part)))

    def _make_failure(self, fields: Any) -> Failure:
        *values, exception = self._all(fields)
        failure = Failure(**dict(zip(_FAILURE, values, strict=True)), exception=exception)
        texts = [getattr(failure, name) for name in _TEXTS]
        if not (
            all(type(text) is str for text in (*texts, *failure.path, *failure.beside))
            and failure.kind in KINDS
            and type(failure.path) is type(failure.beside) is tuple
            and type(failure.attempts) is int
            and type(failure.element) in (int, type(None))
            and type(exception) in (Content, type(None))
        ):
            raise ValueError("a failure with other fields")
        return failure


_TEXTS = ("kind", "message", "task", "site", "worker", "traceback", "mark", "lost")


def _number(value: Any) -> int:
    # A negative one would count from the end: to what comes later.
    return value if type(value) is int and value >= 0 else _refuse(value)


def _refuse(value: Any) -> NoReturn:
    raise ValueError(f"records hold {value!r:.80} in a place where this type is not allowed")


def _complex(reader: _Reader, *parts: Any) -> complex:
    real, imag = reader._all(list(parts))
    return complex(real, imag)


_READERS: dict[str, Any] = {
    "i": lambda r, v: int(v, 16),
    "f": lambda r, v: struct.unpack("<d", bytes.fromhex(v))[0],
    "s": lambda r, v: bytes.fromhex(v).decode("utf-8", "surrogatepass"),
    "b": lambda r, v: bytes(r._bytes(["b", v])),
    "B": lambda r, v: bytes(r._bytes(["B", v])),
    "c": _complex,
    "e": lambda r: ...,
    "t": lambda r, *items: tuple(r._all(list(items))),
    "l": lambda r, v: r._lists[_number(v)],
    "d": lambda r, pairs: {r._read(key): r._read(inner) for key, inner in pairs},
    "o": lambda r, v: r._contents[_number(v)],
    "x": lambda r, v: r._failures[_number(v)],
    "a": lambda r, id, digest, size: OutOfLine(_text(id), bytes.fromhex(digest), _number(size)),
    "p": lambda r: PENDING,
}


def _text(value: Any) -> str:
    return value if type(value) is str else _refuse(value)
