"""What a bad day makes of bytes: seeded changes, of a run of bytes or of one field of records."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from typing import Any

# What may come in place of a field: other types, numbers out of range, references to anything.
FORGED: list[Any] = [
    None, True, -1, 0, 1, 1 << 40, 1 << 70, 0.5, "", "x", "\udc80", [], {}, [[]], [1, 2], {"a": 1},
    ["l", 0], ["l", 1 << 30], ["l", -1], ["o", 0], ["x", 0], ["D", 0], ["B", 0], ["B", 99],
    ["b", "eA=="], ["b", "?"], ["t"], ["t", 1], ["p"], ["e"], ["a", "id", "00", 1], ["zz", 1],
    ["d", [[1, 2]]], ["d", [["l", 0]]], ["i", "0x" + "f" * 5000], ["f", "00"], ["s", "ff"],
    {"array": ["q", ["B", 0]]}, {"columns": [[1], [1, 2]]}, {"tuples": [[1], [[]]]},
]  # fmt: skip


def changed_bytes(data: bytes, chance: random.Random) -> bytes:
    """Change one run of bytes: flip, blank, drop, double or move it, or cut off what follows."""
    at = chance.randrange(len(data))
    size = chance.choice([1, 1, 1, 2, 4, 8, 20, 64])
    run, rest = data[at : at + size], data[at + size :]
    kind = chance.choice(["flip", "flip", "blank", "drop", "double", "noise", "cut", "longer"])
    if kind == "flip":
        return data[:at] + bytes([data[at] ^ (1 << chance.randrange(8))]) + data[at + 1 :]
    if kind == "blank":
        return data[:at] + bytes(len(run)) + rest
    if kind == "drop":
        return data[:at] + rest
    if kind == "double":
        return data[:at] + run + run + rest
    if kind == "noise":
        return data[:at] + chance.randbytes(len(run)) + rest
    return data[:at] if kind == "cut" else data + chance.randbytes(size)


def changed_field(body: bytes, chance: random.Random, but: tuple[str, ...] = ()) -> bytes:
    """Change one field of records, at any depth: another value, one less, one more, two alike.

    but: tables that stay as they are.
    """
    tables = json.loads(body)
    kept = {name: tables.pop(name) for name in but}
    places = list(_places(tables))
    inside, key = chance.choice(places)
    others = chance.choice(places)
    kind = chance.choice(["forge", "forge", "forge", "drop", "copy", "repeat"])
    if kind == "forge":
        inside[key] = chance.choice(FORGED)
    elif kind == "drop":
        del inside[key]
    elif kind == "copy":
        inside[key] = json.loads(json.dumps(others[0][others[1]]))
    elif isinstance(inside, list):
        inside.insert(key, inside[key])
    return json.dumps({**tables, **kept}).encode()


def _places(value: Any) -> Iterator[tuple[Any, Any]]:
    """Yield where each field is: what it is in, and under which key."""
    pairs = list(value.items()) if isinstance(value, dict) else list(enumerate(value))
    for key, inner in pairs:
        yield value, key
        if isinstance(inner, (dict, list)):
            yield from _places(inner)
