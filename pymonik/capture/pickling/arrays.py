"""Arrays of NumPy whose memory `pickle` would copy: it travels beside the pickle instead.

Enters: an array that is masked, mapped from a file, strided, of dates, or of a subclass. Leaves:
how it is made again over memory that is given to it. Of the plain ones NumPy takes care itself.
Classes that pickle themselves keep to what they do, but that their bytes lie beside the pickle.
"""

from __future__ import annotations

import mmap
import pickle
import sys
from typing import Any

from pymonik._pickled import pickled
from pymonik.capture.pickling.answering import set_attributes

# Smaller ones are pickled as their authors have it, unless that would turn the order of bytes.
_SMALL = 4096
# What a class defines that says itself how its arrays are pickled.
_PICKLING = ("__reduce__", "__reduce_ex__", "__getstate__", "__setstate__")


def reduce_array(array: Any, met: list[Any]) -> Any:
    """Return how a pickle makes an array, NotImplemented where NumPy knows as well.

    met: takes the arrays that it is made of, where only their memory travels.
    """
    numpy = sys.modules.get("numpy")
    if numpy is None or not isinstance(array, numpy.ndarray):
        return NotImplemented
    kind = type(array)
    masked: Any = sys.modules.get("numpy.ma")
    if masked is not None and _is_pickled_as(kind, masked.MaskedArray):
        if kind is masked.core.mvoid:  # a record
            return NotImplemented
        # Of any size: a pickle of NumPy's own has a soft mask, which is not the same array.
        return _reduced_masked(numpy, array, met)
    is_plain = _is_pickled_as(kind, numpy.ndarray)
    if is_plain and kind is not numpy.ndarray and (own := attributes(array)):
        make, parts = _made_of(numpy, array)
        return make, parts, own, None, None, set_attributes
    if array.dtype.hasobject or (array.nbytes < _SMALL and array.dtype.isnative):
        return NotImplemented
    if kind is numpy.ndarray and array.flags.forc and array.dtype.kind not in "mM":
        return NotImplemented
    if is_plain:
        return _reduced(numpy, array)
    if kind.__reduce_ex__ is not numpy.ndarray.__reduce_ex__:
        return NotImplemented
    return _with_bytes_apart(array.__reduce__())


def _is_pickled_as(kind: Any, base: Any) -> bool:
    """Return whether a class leaves to another one, that of NumPy, how its arrays are pickled."""
    return all(getattr(kind, name, None) is getattr(base, name, None) for name in _PICKLING)


def attributes(array: Any) -> dict[str, Any]:
    """Return what an array of a subclass holds beside its memory, which NumPy leaves behind."""
    numpy: Any = sys.modules["numpy"]
    is_mapped = isinstance(array, numpy.memmap)  # and holds the file
    return {} if is_mapped else getattr(array, "__dict__", {})


def _made_of(numpy: Any, array: Any) -> Any:
    if array.dtype.hasobject:
        return array_as, (array.view(numpy.ndarray), type(array))
    return _reduced(numpy, array)


def _reduced(numpy: Any, array: Any) -> Any:
    flat, order = _memory(numpy, array)
    return new_array, (type(array), array.shape, array.dtype, flat, order)


def _memory(numpy: Any, array: Any) -> tuple[pickle.PickleBuffer, str]:
    """Return the memory of an array as it lies there, a copy where it has gaps; and its order."""
    plain = array.view(numpy.ndarray)
    order = "F" if plain.flags.fnc else "C"
    flat = plain.ravel(order)  # a view, unless there are gaps
    return pickle.PickleBuffer(flat.view(numpy.uint8)), order


@pickled
def new_array(kind: Any, shape: Any, dtype: Any, flat: Any, order: Any) -> Any:
    """Make an array over memory that is its own."""
    import numpy

    return numpy.ndarray.__new__(kind, shape, dtype, _writable(flat), order=order)


@pickled
def array_as(array: Any, kind: Any) -> Any:
    """Return an array as one of another class."""
    return array.view(kind)


def _writable(flat: Any) -> Any:
    """Return memory that may be written: it is the array's own, whatever it was taken from."""
    view = memoryview(flat)
    if not view.readonly:
        return view
    whole = view.obj
    if not isinstance(whole, (bytearray, mmap.mmap)):
        return bytearray(view)
    if len(whole) == view.nbytes:
        return whole
    from pymonik.system.memcmp import address_of  # it loads ctypes

    start = address_of(view) - address_of(whole)
    return memoryview(whole)[start : start + view.nbytes]


def _reduced_masked(numpy: Any, array: Any, met: list[Any]) -> Any:
    mask: Any = array.mask if array.mask is not numpy.ma.nomask else None
    data = array._data.view(array.baseclass)
    fill = array._fill_value
    is_plain = type(array) is numpy.ma.MaskedArray and type(data) is numpy.ndarray
    is_usual = mask is not None and mask.dtype == bool and not array.hardmask
    is_large = data.nbytes >= _SMALL and not data.dtype.hasobject
    # What may not be written keeps its flag in a pickle of its own, and what is small is copied.
    if not (is_plain and is_usual and is_large and data.flags.writeable and mask.flags.writeable):
        hard = (True,) if array.hardmask else ()
        usual = vars(numpy.ma.MaskedArray(0))
        own = {name: value for name, value in vars(array).items() if name not in usual}
        state = (own, None, None, set_attributes) if own else ()
        return new_masked_array, (type(array), data, mask, fill, *hard), *state
    # Pickled one by one, the two arrays and their types would take thrice as long.
    met += (data, mask)
    memories = (*_memory(numpy, data), *_memory(numpy, mask))
    return masked_array_over, (type(array), data.shape, data.dtype, *memories, fill)


@pickled
def new_masked_array(kind: Any, data: Any, mask: Any, fill: Any, is_hard: bool = False) -> Any:
    """Make a masked array of its two arrays, without a copy; None: without a mask."""
    import numpy

    if mask is None:
        mask = numpy.ma.nomask
    # As `copy.deepcopy` does: a subclass may take other arguments.
    made = numpy.ma.MaskedArray.__new__(kind, data, mask=mask, hard_mask=is_hard)
    if fill is not None:
        made.fill_value = fill
    return made


@pickled
def masked_array_over(
    kind: Any,
    shape: Any,
    dtype: Any,
    flat: Any,
    order: Any,
    flat_mask: Any,
    mask_order: Any,
    fill: Any,
) -> Any:
    """Make a masked array over memory that is its own: that of the data, and that of the mask."""
    import numpy

    data = new_array(numpy.ndarray, shape, dtype, flat, order)
    mask = new_array(numpy.ndarray, shape, bool, flat_mask, mask_order)
    return new_masked_array(kind, data, mask, fill)


class _Bytes:
    """Stands in a pickle for bytes that lie beside it."""

    def __init__(self, data: bytes) -> None:
        self.data = data

    def __reduce__(self) -> Any:
        return bytes, (pickle.PickleBuffer(self.data),)


def _with_bytes_apart(reduced: Any) -> Any:
    if not isinstance(reduced, tuple) or len(reduced) != 3 or not isinstance(reduced[2], tuple):
        return reduced
    make, parts, state = reduced
    return (
        make,
        parts,
        tuple(
            _Bytes(part) if type(part) is bytes and len(part) >= _SMALL else part for part in state
        ),
    )
