"""Seeds: each call has one of its own, which depends on where the call stands in the program.

Enters: the places of calls. A place is `(root, number)`: the seed of the client, or of the call
that made this one, and how many were recorded there before; the place of an element is that of its
map, and its own number. Leaves: 16 bytes a call, and generators. How calls are folded, fused,
batched, placed and tried again has no part in it.

A place may also be the 16 bytes themselves: of a call that is recorded a second time, elsewhere.
"""

from __future__ import annotations

import operator
import os
from typing import Any

from pymonik.errors import OptionsError
from pymonik.system.blake import blake2b

# Bytes: 128 bits, as the entropy of NumPy's `SeedSequence` has by default.
SIZE = 16

Place = tuple[bytes, int] | bytes
# What a step knows of the places of its elements: one for all, one for each, or the first of a row
# and the distance between two.
Places = Place | list[Place] | tuple[bytes, int, int] | None


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


def root_of(seed: int) -> bytes:
    """Return the root of all places of a client."""
    return _hashed(b"client" + seed.to_bytes(seed.bit_length() // 8 + 1, "big"))


def of_call(root: bytes, place: Any) -> Place:
    """Return the place of a call; one that is a number is that of a call of the root itself."""
    return (root, place) if type(place) is int else place


def folded(root: bytes, places: list[Any]) -> Places:
    """Return the places of calls that became one map, in few bytes where they are a row.

    Places that are numbers are those of calls of the root itself.
    """
    if set(map(type, places)) != {int}:
        places = [of_call(root, place) for place in places]
        return places[0] if len(places) == 1 else places
    first = places[0]
    if len(places) == 1:
        return root, first
    step = places[1] - first
    if step > 0 and places == list(range(first, first + step * len(places), step)):
        return root, first, step
    return [(root, number) for number in places]


def cut(places: Places, start: int, stop: int) -> Places:
    """Return the places of a range of elements."""
    if type(places) is list:
        return places[start:stop]
    if type(places) is tuple and len(places) == 3:
        root, first, step = places
        return root, first + start * step, step
    return places


def seed_at(places: Places, index: int, element: int | None) -> bytes | None:
    """Return the seed of a call: element `index` of its unit, `element` of its map."""
    if type(places) is list:
        place: Any = places[index]
    elif type(places) is tuple and len(places) == 3:
        place = (places[0], places[1] + index * places[2])
    else:
        place = places
    if place is None or type(place) is bytes:
        return place
    root, number = place
    text = root + number.to_bytes(8, "big")
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
