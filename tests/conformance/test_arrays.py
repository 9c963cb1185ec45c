"""Arrays of every kind: their memory travels once, and is given to a call as its own."""

from __future__ import annotations

import array
import io
import mmap
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pymonik import Pymonik, task
from pymonik.capture.freeze import content_of
from pymonik.capture.pickling.pickler import Pickler
from pymonik.system import memory_file

from .programs import identity

# Of np.matrix and np.char.chararray, which are still in use.
pytestmark = [
    pytest.mark.filterwarnings("ignore::PendingDeprecationWarning"),
    pytest.mark.filterwarnings("ignore:The chararray class:DeprecationWarning"),
]
SHAPE = (60, 1000)
SIZE = 8 * SHAPE[0] * SHAPE[1]


class Tagged(np.ndarray):
    tag: str

    def __array_finalize__(self, other: Any) -> None:
        self.tag = getattr(other, "tag", "new")


class Kept(Tagged):
    """Pickles itself, as arrays with units do."""

    def __reduce__(self) -> Any:
        make, parts, state = super().__reduce__()  # type: ignore[misc]
        return make, parts, (*state, self.tag)

    def __setstate__(self, state: Any) -> None:
        super().__setstate__(state[:-1])
        self.tag = state[-1]


def numbers() -> Any:
    return np.random.default_rng(0).random(SHAPE)


def tagged(kind: Any) -> Any:
    made = numbers().view(kind)
    made.tag = "mine"
    return made


def mapped(folder: Path, mode: Any) -> Any:
    file = folder / "numbers"
    made = np.memmap(file, dtype="f8", mode="w+", shape=SHAPE)
    made[:] = numbers()
    made.flush()
    return np.memmap(file, dtype="f8", mode=mode, shape=SHAPE)


KINDS: dict[str, Callable[[Path], Any]] = {
    "plain": lambda folder: numbers(),
    "in the order of Fortran": lambda folder: np.asfortranarray(numbers()),
    "with gaps": lambda folder: np.repeat(numbers(), 2, axis=1)[:, ::2],
    "of dates": lambda folder: np.arange(SIZE // 8).astype("M8[s]"),
    "memmap": lambda folder: mapped(folder, "r+"),
    "memmap for reading": lambda folder: mapped(folder, "r"),
    "transposed memmap": lambda folder: mapped(folder, "r").T,
    "masked": lambda folder: np.ma.masked_array(numbers(), numbers() > 0.5, fill_value=7),
    "without a mask": lambda folder: np.ma.masked_array(numbers()),
    "matrix": lambda folder: np.matrix(numbers()),
    "records": lambda folder: np.rec.fromarrays([np.arange(9000), np.ones(9000)], names="a,b"),
    "of another byte order": lambda folder: numbers().astype(">f8").view(np.matrix),
    "subclass": lambda folder: tagged(Tagged),
    "subclass that pickles itself": lambda folder: tagged(Kept),
    "texts": lambda folder: np.array(["ab"] * 9000).view(np.char.chararray),
}


@task
def look(array: Any, row: int) -> Any:
    array[row] = array[row]  # it may be written
    return type(array), getattr(array, "tag", None), np.asarray(array)[row].tolist()


@pytest.mark.parametrize("kind", KINDS)
def test_many_calls_share_an_array(client: Pymonik, tmp_path: Path, kind: str) -> None:
    array = KINDS[kind](tmp_path)
    calls = look.map_invoke([(array, row) for row in range(20)])
    size = client.plan().size
    tag = "mine" if kind.startswith("subclass") else None
    for row, found in enumerate(calls.get()):
        assert found == (type(array), tag, np.asarray(array)[row].tolist())
    mask = array.size if isinstance(array, np.ma.MaskedArray) else 0
    assert size <= 1.2 * (array.nbytes + mask) + 40_000


@pytest.mark.parametrize("is_large", [False, True])
@pytest.mark.parametrize("kind", KINDS)
def test_its_memory_travels_beside_the_pickle(
    tmp_path: Path, kind: str, is_large: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if is_large:  # mapped where huge pages may be
        monkeypatch.setattr(memory_file, "_LARGE", SIZE)
    array = KINDS[kind](tmp_path)
    content = content_of(array)
    assert len(content.data) < 1000
    again = content.load()
    assert type(again) is type(array)
    assert again.flags.writeable
    assert (again.shape, again.dtype) == (array.shape, array.dtype)
    assert np.asarray(again).tolist() == np.asarray(array).tolist()
    if isinstance(array, np.ma.MaskedArray):
        assert (again.mask == array.mask).all()
        assert again.fill_value == array.fill_value


def test_a_loaded_array_lies_in_the_memory_that_came(tmp_path: Path) -> None:
    memory = [kind for kind in KINDS if not kind.endswith("itself")]
    for kind in memory:
        array = content_of(KINDS[kind](tmp_path)).load()
        while isinstance(array, np.ndarray):
            assert not array.flags.owndata, kind
            array = array.base
        assert isinstance(memoryview(array).obj, (bytearray, mmap.mmap)), kind


def test_of_a_masked_array_only_its_memory_is_pickled_not_its_two_arrays() -> None:
    asked: list[type] = []

    class Asked(Pickler):
        def reducer_override(self, obj: Any) -> Any:
            asked.append(type(obj))
            return super().reducer_override(obj)

    given = np.ma.masked_array(numbers(), numbers() > 0.5)
    pickler = Asked(io.BytesIO())
    pickler.dump(given)
    # The array, what makes it, its class and the type of its numbers.
    assert len(asked) <= 5
    assert np.ndarray not in asked
    assert [view.nbytes for view in pickler.raw] == [given.data.nbytes, given.mask.nbytes]
    # What shares memory with it is found by them.
    assert [np.shares_memory(given.data, met) for met in pickler.arrays] == [True, True, False]
    assert np.shares_memory(given.mask, pickler.arrays[2])


@pytest.mark.parametrize("part", ["data", "mask"])
def test_a_masked_array_that_may_not_be_written_arrives_so(part: str) -> None:
    data, mask = numbers(), numbers() > 0.5
    {"data": data, "mask": mask}[part].flags.writeable = False
    back = content_of(np.ma.masked_array(data, mask)).load()
    assert back.data.flags.writeable == (part == "mask")
    assert back.mask.flags.writeable == (part == "data")
    assert (back.data == data).all()
    assert (back.mask == mask).all()


SMALL = np.array([1.0, 2.0])
OBJECTS = np.array([None, "text"], dtype=object)

HARD: dict[str, Callable[[], Any]] = {
    "small": lambda: np.ma.masked_array(SMALL, [True, False], hard_mask=True),
    "large": lambda: np.ma.masked_array(numbers(), numbers() > 0.5, hard_mask=True, fill_value=7),
    "objects": lambda: np.ma.masked_array(OBJECTS, [True, False], hard_mask=True),
}


@task
def unmasked(values: Any) -> Any:
    values[values.mask] = 5  # refused, silently, by a hard mask
    return values.hardmask, values.count(), values


@pytest.mark.parametrize("kind", HARD)
def test_a_hard_mask_stays_hard(client: Pymonik, kind: str) -> None:
    given = HARD[kind]()
    is_hard, count, back = unmasked.invoke(given).get()
    assert (is_hard, count) == (True, given.count())
    assert (back.hardmask, back.fill_value) == (True, given.fill_value)
    assert back.mask.tolist() == given.mask.tolist()


@task
def is_without_mask(values: Any) -> bool:
    return values.mask is np.ma.nomask


@pytest.mark.parametrize("given", [np.ma.masked_array(SMALL), np.ma.masked_array(numbers())])
def test_a_masked_array_without_a_mask_arrives_without(client: Pymonik, given: Any) -> None:
    assert is_without_mask.invoke(given).get()
    assert identity.invoke(given).get().mask is np.ma.nomask


class Labelled(np.ma.MaskedArray):
    """Takes other arguments than NumPy's class."""

    label: str

    def __new__(cls, data: Any, label: str, mask: Any) -> Any:
        made = np.ma.MaskedArray.__new__(cls, data, mask=mask)
        made.label = label
        return made

    def __array_finalize__(self, other: Any) -> None:
        super().__array_finalize__(other)
        self.label = getattr(other, "label", "new")


@task
def label_of(values: Any) -> Any:
    return type(values).__name__, getattr(values, "label", None), getattr(values, "tag", None)


def test_arrays_of_subclasses_keep_their_attributes(client: Pymonik) -> None:
    whole = tagged(Tagged)
    objects = OBJECTS.view(Tagged)
    objects.tag = "mine"
    mask = numbers() > 0.5
    for given in (whole, whole[:1, :2], whole[::2, ::3], objects):
        assert label_of.invoke(given).get() == ("Tagged", None, "mine")
        assert identity.invoke(given).get().tag == "mine"
    for values in (numbers(), numbers()[:1]):
        labelled = Labelled(values, "mine", mask[: len(values)])
        assert label_of.invoke(labelled).get() == ("Labelled", "mine", None)
    together = identity.invoke([whole, whole[1:]]).get()
    assert [view.tag for view in together] == ["mine", "mine"]
    assert np.shares_memory(*together)


def test_a_class_of_a_module_that_is_not_imported_yet_goes_by_name(
    client: Pymonik, monkeypatch: pytest.MonkeyPatch
) -> None:
    records = np.array([(1, 2.5)], dtype=[("a", "i4"), ("b", "f8")]).view(np.recarray)
    monkeypatch.delitem(sys.modules, "numpy.rec", raising=False)
    back = identity.invoke(records).get()
    assert type(back) is np.recarray
    assert back[0].a == first_of.invoke(records).get() == 1


@task
def first_of(records: Any) -> int:
    return int(records[0].a)


@pytest.mark.parametrize("kind", ["C", "F", "strided", "mixed", "records", "hard", "a subclass"])
def test_masked_arrays_of_every_layout_arrive_as_they_are(kind: str) -> None:
    data, mask = numbers(), numbers() > 0.5
    given = {
        "C": lambda: np.ma.masked_array(data, mask),
        "F": lambda: np.ma.masked_array(np.asfortranarray(data), np.asfortranarray(mask)),
        "strided": lambda: np.ma.masked_array(data, mask)[::2, 1::3],
        "mixed": lambda: np.ma.masked_array(np.asfortranarray(data), mask, fill_value=3),
        "records": lambda: np.ma.masked_array(
            data.astype([("x", "f8")]), mask.astype([("x", "?")])
        ),
        "hard": lambda: np.ma.masked_array(data.astype(">f4"), mask, hard_mask=True),
        "a subclass": lambda: np.ma.masked_array(np.asmatrix(data), np.asmatrix(mask)),
    }[kind]()
    back = content_of(given).load()
    assert (type(back), back.dtype, back.shape) == (type(given), given.dtype, given.shape)
    assert (type(back.data), type(back.mask)) == (type(given.data), type(given.mask))
    assert back.data.tobytes() == given.data.tobytes()
    assert back.mask.tobytes() == given.mask.tobytes()
    assert back.fill_value == given.fill_value
    assert back.hardmask == given.hardmask
    back[0] = np.ma.masked
    assert not (given.mask[0] == back.mask[0]).all()


# ----- views of memory

VIEWS: dict[str, Callable[[], memoryview]] = {
    "of bytes": lambda: memoryview(b"abc"),
    "of a bytearray": lambda: memoryview(bytearray(b"abc")),
    "of much": lambda: memoryview(bytearray(100_000)),
    "empty": lambda: memoryview(b""),
    "numbers": lambda: memoryview(array.array("d", [1.5, 2.5])),
    "no numbers": lambda: memoryview(array.array("i")),
    "with a shape": lambda: np.arange(6.0).reshape(2, 3).data,
    "column by column": lambda: np.asfortranarray(np.arange(6.0).reshape(2, 3)).data,
    "with gaps": lambda: memoryview(b"abcdef")[::2],
    "of one number": lambda: np.array(3.5).data,
    "of nothing, with a shape": lambda: np.zeros((0, 3)).data,
    "of another order": lambda: np.arange(3, dtype=">f8").data,
    "of records": lambda: np.zeros(3, "f4,i4").data,
    "of complex numbers": lambda: np.full((200, 50), 1 + 2j).data,
}


@task
def seen_of(view: Any) -> Any:
    return type(view).__name__, view.format, view.shape, view.readonly, np.asarray(view).tolist()


@pytest.mark.parametrize("kind", VIEWS)
def test_a_view_of_memory_keeps_its_format_and_its_shape(client: Pymonik, kind: str) -> None:
    view = VIEWS[kind]()
    seen = "memoryview", view.format, view.shape, view.readonly, np.asarray(view).tolist()
    assert seen_of.invoke(view).get() == seen
    back = identity.invoke(view).get()
    assert (type(back), back.format, back.shape) == (memoryview, view.format, view.shape)
    assert np.asarray(back).tolist() == np.asarray(view).tolist()


FOREIGN: dict[str, Callable[[], Any]] = {
    "every second": lambda: np.arange(6, dtype=">f8")[::2],
    "dates": lambda: np.array(["2024-02-29"], dtype=">M8[D]"),
    "a number": lambda: np.array(3, dtype=">i4"),
    "masked": lambda: np.ma.array(np.arange(6, dtype=">i2"), mask=[False, True] * 3)[::2],
    "none": lambda: np.zeros((0, 4), ">f4")[:, ::2],
}


@pytest.mark.parametrize("kind", FOREIGN)
def test_small_arrays_keep_their_order_of_bytes(kind: str) -> None:
    given = FOREIGN[kind]()
    back = content_of(given).load()
    assert (type(back), back.dtype, back.shape) == (type(given), given.dtype, given.shape)
    assert back.tobytes() == given.tobytes()
