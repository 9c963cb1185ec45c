"""Arrays that share memory keep it in common: an array and a view of it, two views that overlap.

Enters: the arrays of one pickle. Leaves: those that overlap, each as a view of the memory that they
lie in, which travels once. `pickle` alone makes copies of them: what is written to one would not be
seen in the other. Arrays that only lie between each other, as columns do, stay apart.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from typing import Any

from pymonik._pickled import pickled
from pymonik.capture.pickling.answering import set_attributes
from pymonik.capture.pickling.arrays import attributes
from pymonik.system.structs import NamedTuple

# Pairs of arrays that are looked at closely; beyond, lying within each other is taken for sharing.
_PAIRS = 1000
# Steps that NumPy may take to find out about a pair.
_WORK = 10_000
# What lies between the arrays travels, too: where it is more than so many times theirs, and more
# than so many bytes, they travel apart.
_GAPS, _SMALL = 4, 1 << 20


class Memory(NamedTuple):
    """Memory that arrays have in common: its bytes, and where they begin."""

    whole: Any
    begin: int


class _Held:
    """Shows NumPy the memory from one address to another, of arrays that it keeps alive."""

    def __init__(self, begin: int, end: int, arrays: list[Any]) -> None:
        self.arrays = arrays
        self.__array_interface__ = {
            "version": 3,
            "shape": (end - begin,),
            "typestr": "|u1",
            "data": (begin, False),  # nothing is written: it is only pickled as what can be
        }


def shared_memory(met: list[Any]) -> dict[int, Memory]:
    """Return what arrays lie in that share memory with others, by their ids."""
    memories: dict[int, Memory] = {}
    if len(met) < 2 or all(array.base is None for array in met) or _lie_apart(met):
        return memories
    for begin, end, arrays in _overlapping(met):
        size = end - begin
        if size <= max(_SMALL, _GAPS * sum(array.nbytes for array in arrays)):
            whole = sys.modules["numpy"].asarray(_Held(begin, end, arrays))
            memories.update((id(array), Memory(whole, begin)) for array in arrays)
    return memories


def _lie_apart(met: list[Any]) -> bool:
    """Return at once, of two plain arrays such as data and a mask, whether they share nothing.

    Subclasses may answer NumPy's question as they like.
    """
    numpy: Any = sys.modules["numpy"]
    is_pair = len(met) == 2 and type(met[0]) is type(met[1]) is numpy.ndarray
    return is_pair and not numpy.may_share_memory(*met)


def do_overlap(groups: Sequence[Sequence[Any]]) -> bool:
    """Return whether arrays of several groups share memory."""
    if len(groups) < 2 or all(array.base is None for arrays in groups for array in arrays):
        return False
    owner = {id(array): number for number, arrays in enumerate(groups) for array in arrays}
    met = [array for arrays in groups for array in arrays]
    return any(len({owner[id(a)] for a in arrays}) > 1 for _, _, arrays in _overlapping(met))


def is_array(obj: Any) -> bool:
    """Return whether an object is an array of NumPy."""
    numpy = sys.modules.get("numpy")
    return numpy is not None and issubclass(type(obj), numpy.ndarray)


def knows_sharing(module: Any) -> bool:
    """Return whether objects of a module look after the memory that they share."""
    return type(module) is str and module.partition(".")[0] == "pandas"


def can_share(array: Any) -> bool:
    """Return whether an array is one that its memory and its layout tell all about."""
    kind, plain = type(array), sys.modules["numpy"].ndarray
    if kind.__reduce__ is not plain.__reduce__ or kind.__reduce_ex__ is not plain.__reduce_ex__:
        return False
    return bool(array.nbytes) and not array.dtype.hasobject


def _overlapping(arrays: list[Any]) -> Iterator[tuple[int, int, list[Any]]]:
    """Return from where to where arrays lie that share memory, one of which may be written."""
    run: list[Any] = []
    begin = end = 0
    for low, high, array in sorted(map(_bounds, arrays), key=lambda bounds: bounds[:2]):
        if run and low < end:
            end = max(end, high)
            run.append(array)
            continue
        if _do_share(run):
            yield begin, end, run
        begin, end, run = low, high, [array]
    if _do_share(run):
        yield begin, end, run


def _bounds(array: Any) -> tuple[int, int, Any]:
    low = high = array.__array_interface__["data"][0]
    for length, stride in zip(array.shape, array.strides):
        if stride < 0:
            low += (length - 1) * stride
        else:
            high += (length - 1) * stride
    return low, high + array.itemsize, array


def _do_share(run: list[Any]) -> bool:
    if len(run) < 2 or not any(array.flags.writeable for array in run):
        return False
    numpy: Any = sys.modules["numpy"]
    pairs = ((a, b) for number, a in enumerate(run) for b in run[:number])
    for count, (a, b) in enumerate(pairs):
        try:
            if count == _PAIRS or numpy.shares_memory(a, b, max_work=_WORK):
                return True
        except Exception:  # too hard to tell (its class moved with NumPy 2): taken for sharing
            return True
    return False


def reduce_view(array: Any, memory: Memory) -> Any:
    """Return how a pickle makes an array as a view of memory that travels once."""
    offset = array.__array_interface__["data"][0] - memory.begin
    layout = offset, array.shape, array.strides, array.dtype, array.flags.writeable
    own = attributes(array)
    state = (own, None, None, set_attributes) if own else ()
    return view_of, (memory.whole, type(array), layout), *state


@pickled
def view_of(whole: Any, kind: Any, layout: tuple[Any, ...]) -> Any:
    """Make an array that is a view of memory."""
    import numpy

    offset, shape, strides, dtype, is_writable = layout
    made = numpy.ndarray.__new__(kind, shape, dtype, whole, offset, strides)
    if not is_writable:
        made.flags.writeable = False
    return made
