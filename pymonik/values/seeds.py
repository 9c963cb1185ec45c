"""Seeds: each call has one of its own, which depends on where the call stands in the program.

Enters: the spawn keys of calls. A key is `(root_seed, number)`: the seed of the client, or of the
call that made this one, and how many were recorded there before; the key of an element is that of
its map, and its own number. Leaves: 16 bytes a call, and generators. How calls are folded, fused,
batched, placed and tried again has no part in it.

A key may also be the 16 bytes themselves: of a call that is recorded a second time, elsewhere.
"""

from __future__ import annotations

import operator
import os
from typing import Any

from pymonik.errors import OptionsError
from pymonik.system.blake import blake2b

# Bytes: 128 bits, as the entropy of NumPy's `SeedSequence` has by default.
SIZE = 16

SpawnKey = tuple[bytes, int] | bytes
# What a step knows of the keys of its elements: one for all, one for each, or the first of a row
# and the distance between two.
SpawnKeys = SpawnKey | list[SpawnKey] | tuple[bytes, int, int] | None


def seed_given(seed: Any) -> int:
    """Check the seed of a client; fresh entropy when there is none."""
    if seed is None:
        return int.from_bytes(os.urandom(8), "big")
    try:
        whole = operator.index(seed)
    except TypeError:
        whole = -1
    if whole < 0 or isinstance(seed, bool):
        raise OptionsError(f"seed takes a whole number of at least 0, not {seed!r}")
    return whole


def root_seed_of(seed: int) -> bytes:
    """Return the root seed of all keys of a client."""
    return _hashed(b"client" + seed.to_bytes(seed.bit_length() // 8 + 1, "big"))


def of_call(root_seed: bytes, key: Any) -> SpawnKey:
    """Return the key of a call; one that is a number is that of a call of the root seed itself."""
    return (root_seed, key) if type(key) is int else key


def compressed(root_seed: bytes, keys: list[Any]) -> SpawnKeys:
    """Return the keys of calls that became one map, in few bytes where they are a row.

    Keys that are numbers are those of calls of the root seed itself.
    """
    if set(map(type, keys)) != {int}:
        keys = [of_call(root_seed, key) for key in keys]
        return keys[0] if len(keys) == 1 else keys
    first = keys[0]
    if len(keys) == 1:
        return root_seed, first
    step = keys[1] - first
    if step > 0 and keys == list(range(first, first + step * len(keys), step)):
        return root_seed, first, step
    return [(root_seed, number) for number in keys]


def cut(keys: SpawnKeys, start: int, stop: int) -> SpawnKeys:
    """Return the keys of a range of elements."""
    if type(keys) is list:
        return keys[start:stop]
    if type(keys) is tuple and len(keys) == 3:
        root_seed, first, step = keys
        return root_seed, first + start * step, step
    return keys


def seed_at(keys: SpawnKeys, index: int, element: int | None) -> bytes | None:
    """Return the seed of a call: element `index` of its unit, `element` of its map."""
    if type(keys) is list:
        key: Any = keys[index]
    elif type(keys) is tuple and len(keys) == 3:
        key = (keys[0], keys[1] + index * keys[2])
    else:
        key = keys
    if key is None or type(key) is bytes:
        return key
    root_seed, number = key
    text = root_seed + number.to_bytes(8, "big")
    return _hashed(text if element is None else text + element.to_bytes(8, "big"))


def number_of(seed: bytes) -> int:
    """Return a seed as a number that every library takes: it has 63 bits."""
    return int.from_bytes(seed[:8], "big") >> 1


def generator(seed: bytes) -> Any:
    """Return a generator of random numbers: NumPy's where NumPy is there, else Python's."""
    try:
        from numpy.random import default_rng
    except ImportError:
        from random import Random

        return Random(int.from_bytes(seed, "big"))
    return default_rng(int.from_bytes(seed, "big"))


def _hashed(text: bytes) -> bytes:
    return blake2b(text, digest_size=SIZE, person=b"pymonik seed").digest()
