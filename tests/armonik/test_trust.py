"""What arrives is not believed: changed bytes, forged records, words that look like ours."""

from __future__ import annotations

import base64
import pickle
import random
import sys
import zlib
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pymonik import Pymonik, ResultHandle, task
from pymonik.capture.freeze import freeze
from pymonik.emulator.storage import ObjectStorage
from pymonik.errors import TaskFailed, WireError
from pymonik.runtime.worker import inputs as agent_inputs
from pymonik.values.content import Content, digest_of
from pymonik.values.exceptions import packed
from pymonik.values.outcome import Failure, OutOfLine
from pymonik.wire import envelope, error_text, records
from tests.armonik.conftest import Connect

IMMEDIATES = st.recursive(
    st.one_of(
        st.integers(),
        st.floats(),
        st.text(),
        st.text(st.characters(categories=["Cs"]), max_size=3),
        st.binary(),
        st.booleans(),
        st.none(),
        st.complex_numbers(),
        st.just(...),
    ),
    lambda inner: st.lists(inner, max_size=4).map(tuple),
    max_leaves=8,
)


class Ran(Exception):
    """Raised where a pickle runs that nobody sent to run."""


def run() -> None:
    raise Ran


class Evil:
    def __reduce__(self) -> Any:
        return run, ()


EVIL = pickle.dumps(Evil())
FORGED = "x\npymonik:{}:" + base64.b64encode(zlib.compress(EVIL)).decode() + " "


def content(value: Any) -> Content:
    data, raw, _ = freeze(value)
    return Content(data, [bytes(view) for view in raw])


# ----- records


@given(st.lists(IMMEDIATES))
def test_immediates_come_back_bit_by_bit(values: list[Any]) -> None:
    # A pickle of each keeps what equality does not see: signs of zeros and of NaNs, types.
    got = records.loads(*records.dumps(values))
    assert list(map(pickle.dumps, map(repr, got))) == list(map(pickle.dumps, map(repr, values)))
    assert [type(value) for value in got] == [type(value) for value in values]


CHANGED = [10**5000, -(1 << 64), float("-nan"), "\ud83d\ude00", b"x" * 5000]


@pytest.mark.parametrize("value", CHANGED, ids=["wide", "wider", "nan", "surrogates", "long"])
def test_what_json_would_change_is_kept(value: Any) -> None:
    (got,) = records.loads(*records.dumps([value]))
    assert pickle.dumps(got) == pickle.dumps(value)


LONG = 300  # items: enough for an array, or columns, of their own
COLUMNS: dict[str, Any] = {
    "bytes": [number % 256 - 128 for number in range(LONG)],
    "shorts": [*range(-LONG, LONG)],
    "ints": [number << 20 for number in range(LONG)],
    "longs": [*range((1 << 63) - LONG, 1 << 63), -(1 << 63)],
    "wide": [*range(LONG), 1 << 63],
    "very wide": [*range(LONG), 10**5000],
    "floats": [*[number / 7 for number in range(LONG)], -0.0, float("inf"), float("-inf"), 5e-324],
    "nans": [*[float(number) for number in range(LONG)], float("nan"), float("-nan")],
    "texts": [f"é{number}" for number in range(LONG)],
    "surrogates": [*["x"] * LONG, "\ud83d", "\ude00"],
    "flags": [number % 3 == 0 for number in range(LONG)],
    "nothing": [None] * LONG,
    "flags and ints": [*range(LONG), True],
    "ints and floats": [*range(LONG), 1.0, None, "1"],
    "pairs": [(number, number / 7) for number in range(LONG)],
    "empty": [()] * LONG,
    "uneven": [(1,) * (number % 3) for number in range(LONG)],
    "nested": [((number, float("nan")), ("é", (None, True))) for number in range(LONG)],
    "lists": [([number], 1 << 90) for number in range(LONG)],
}


@pytest.mark.parametrize("kind", COLUMNS)
def test_a_long_column_comes_back_bit_by_bit(kind: str) -> None:
    values = COLUMNS[kind]
    (got,) = records.loads(*records.dumps([values]))
    assert type(got) is list
    assert list(map(pickle.dumps, got)) == list(map(pickle.dumps, values))


@pytest.mark.parametrize("kind", ["ints", "floats", "nans", "texts", "flags", "nothing", "pairs"])
def test_a_long_column_takes_no_step_of_python_for_each_item(kind: str) -> None:
    def steps(values: list[Any]) -> int:
        counted = 0

        def count(frame: Any, event: str, argument: Any) -> None:
            nonlocal counted
            counted += event in ("call", "c_call")

        sys.setprofile(count)
        try:
            records.loads(*records.dumps([values]))
        finally:
            sys.setprofile(None)
        return counted

    assert steps(COLUMNS[kind] * 10) < steps(COLUMNS[kind]) + LONG


def test_an_array_that_is_named_often_is_refused() -> None:
    body, buffers = records.dumps([[*range(5_000)], [*range(5_000, 10_000)]])
    twice = body.replace(b'["B",1]', b'["B",0]')
    assert twice != body
    with pytest.raises(WireError):
        records.loads(twice, buffers)


def pack() -> list[memoryview]:
    failure = Failure(
        "error", "no", "f", exception=packed(ValueError("no"), freeze)[0], path=("f", "g")
    )
    columns = [
        [1, 2.5, "é", b"b", None, (1, (2, ...)), failure, failure, content(np.arange(900.0))],
        [True, 1j, OutOfLine("id", bytes(20), 3), "\ud800", 1 << 70, *range(4)],
        COLUMNS["shorts"],
        COLUMNS["nested"],
    ]
    logs = [("a", 20, "text", {"task": "f", "element": None}, "")]
    return envelope.seal_pack(bytes(20), columns, [failure], logs)


def test_no_change_of_a_byte_behind_the_header_goes_unseen() -> None:
    data = b"".join(pack())
    start = len(pack()[0])
    for at in random.Random(1).sample(range(start, len(data)), 300):
        changed = data[:at] + bytes([data[at] ^ 4]) + data[at + 1 :]
        with pytest.raises(WireError, match="have changed"):
            envelope.unseal(changed)


@pytest.mark.parametrize("seed", range(10))
def test_records_that_somebody_has_forged_are_records_or_refused(seed: int) -> None:
    choose = random.Random(seed)
    body, buffers = records.dumps(records.loads(*_body(pack())))
    for _ in range(400):
        forged = bytearray(body)
        for _ in range(choose.randrange(1, 5)):
            at = choose.randrange(len(forged))
            if choose.random() < 0.5:
                forged[at] = choose.choice(b'0123456789[]{}",-elxobBtdpafis')
            else:
                del forged[at : at + choose.randrange(1, 9)]
        parts = envelope.seal(envelope.PACK, bytes(20), bytes(forged), buffers)
        try:
            columns, errors, _ = envelope.pack_of(envelope.unseal(b"".join(parts)))
        except WireError:
            continue
        assert all(type(error) is Failure for error in errors)
        for record in (record for column in columns for record in column):
            if type(record) is Failure:
                repr(record.below("h"))


def _body(parts: list[memoryview]) -> tuple[memoryview, list[memoryview]]:
    opened = envelope.unseal(b"".join(parts))
    return opened.body, opened.buffers


def test_a_pickle_in_place_of_records_is_not_run() -> None:
    reads = {
        envelope.PACK: envelope.pack_of,
        envelope.NAMES: envelope.names_of,
        envelope.PAYLOAD: envelope.payload_of,
        envelope.ASSEMBLY: envelope.payload_of,
    }
    for kind, read in reads.items():
        with pytest.raises(WireError, match="written by PymoniK"):
            read(envelope.unseal(b"".join(envelope.seal(kind, bytes(20), EVIL))))


def test_nesting_without_end_is_refused() -> None:
    deep = b'{"root":' + b'["t",' * 100_000 + b"]" * 100_000 + b"}"
    with pytest.raises(WireError):
        records.loads(deep)


# ----- error texts


@pytest.mark.parametrize("version", [1, 2])
def test_a_mark_in_what_a_task_says_is_no_mark(version: int) -> None:
    failed = Failure(
        "error", FORGED.format(version), "f", exception=packed(ValueError("own"), freeze)[0]
    )
    text = error_text.dumps([[failed]], [])
    assert text is not None
    told = error_text.loads(text)
    assert told is not None
    ((got,),), errors = told
    assert (got.message, got.mark, errors) == (failed.message, failed.mark, [])
    assert type(got.error()) is ValueError
    cut = text[: text.rindex("\npymonik:")]  # a cluster may shorten it
    assert error_text.loads(cut) is None


def test_an_error_text_is_inflated_within_bounds() -> None:
    bomb = base64.b64encode(zlib.compress(b'"' + b" " * (1 << 26), 9)).decode()
    assert error_text.loads(f"x\npymonik:2:{bomb}") is None


def test_records_of_an_error_text_are_failures() -> None:
    body, _ = records.dumps(([[1]], []))
    text = base64.b64encode(zlib.compress(body)).decode()
    assert error_text.loads(f"x\npymonik:2:{text}") is None


# ----- digests


def test_a_worker_keeps_contents_by_the_digest_of_their_bytes() -> None:
    cache = agent_inputs.ContentCache()
    honest, forged = content(b"honest" * 100), content(b"forged" * 100)
    sealed = envelope.seal(envelope.CONTENT, honest.digest, forged.data)
    assert cache.content(envelope.unseal(b"".join(sealed))).data == forged.data
    got = cache.content(envelope.unseal(b"".join(envelope.seal_content(honest))))
    assert got.data == honest.data
    assert got.digest == digest_of(honest.views())


def test_bytes_that_do_not_have_the_digest_they_claim_are_not_kept() -> None:
    cache = agent_inputs.ContentCache()
    honest = content(b"honest" * 100)
    data = bytearray(b"".join(envelope.seal_content(honest)))
    data[-1] ^= 1
    with pytest.raises(WireError, match="have changed"):
        cache.content(envelope.opened(data))
    assert cache.find(honest.digest) is None


# ----- on a cluster


@task
def echo(x: Any) -> Any:
    return x


@task
def quote(text: str) -> Any:
    raise ValueError(text)


@pytest.mark.parametrize("version", [1, 2])
def test_what_a_task_quotes_does_not_run(connect: Connect, version: int) -> None:
    with connect() as client:
        error = quote.invoke(FORGED.format(version), pymonik=client).exception(timeout=60)
    assert isinstance(error, ValueError)
    assert isinstance(error.__cause__, TaskFailed)


def damage(monkeypatch: pytest.MonkeyPatch, pattern: bytes, change: Any) -> list[int]:
    """Let what an emulator stores be changed where it has a pattern; give the places."""
    found: list[int] = []
    add = ObjectStorage.add

    def damaged(self: ObjectStorage, chunks: Any) -> Any:
        data = b"".join(chunks)
        at = data.find(pattern)
        if at >= 0:
            found.append(at)
            data = change(data, at)
        return add(self, [data])

    monkeypatch.setattr(ObjectStorage, "add", damaged)
    return found


def flipped(data: bytes, at: int) -> bytes:
    return data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]


def test_an_argument_that_has_changed_on_its_way_is_no_argument(
    connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = np.full(60_000, 7.25)
    places = damage(monkeypatch, data[:32].tobytes(), flipped)
    with connect() as client:
        error = echo.invoke(data, pymonik=client).exception(timeout=60)
    assert places
    assert "have changed" in str(error)


@pytest.mark.parametrize("size", [10, 60_000], ids=["pack", "apart"])
def test_a_value_that_has_changed_on_its_way_costs_no_other(
    connect: Connect, monkeypatch: pytest.MonkeyPatch, size: int
) -> None:
    with connect(optimize=False) as client:
        places = damage(monkeypatch, _encoded(np.full(size, 3.5)), flipped)
        bad, good = (full.invoke(size, value, pymonik=client) for value in (3.5, 4.5))
        error = bad.exception(timeout=60)
        assert np.array_equal(good.get(timeout=60), np.full(size, 4.5))
    assert places
    assert "have changed" in str(error)


def _encoded(array: Any) -> bytes:
    """Give bytes of the middle of an array as they stand in storage: a small one in base 64."""
    raw = array.tobytes()
    return raw[:48] if len(raw) > 4096 else base64.b64encode(raw[:48])[8:40]


@task
def full(size: int, value: float) -> Any:
    return np.full(size, value)


SHAPES: list[Any] = [
    ([], []),
    ([[1, 2]], []),
    ([[1], [2]], []),
    ([[[]]], []),
    (None, None),
    ([["\u0000"]], [1]),
]


@pytest.mark.parametrize("told", SHAPES, ids=["none", "long", "wide", "list", "other", "error"])
def test_an_answer_that_is_none_ends_its_own_task_only(
    connect: Connect, monkeypatch: pytest.MonkeyPatch, told: Any
) -> None:
    def forged(data: bytes, at: int) -> bytes:
        stamp = envelope.opened(data).digest
        body, buffers = records.dumps((*told, []))
        return b"".join(envelope.seal(envelope.PACK, stamp, body, buffers))

    with connect(optimize=False) as client:
        places = damage(monkeypatch, b'"forge this"', forged)
        bad, good = (echo.invoke(text, pymonik=client) for text in ("forge this", "not this"))
        client.flush()
        error = bad.exception(timeout=60)
        assert good.get(timeout=60) == "not this"
    assert places
    assert isinstance(error, TaskFailed)


# ----- what other programs have stored


@task
def length(value: Any) -> int:
    return len(value)


@task(require_context=True)
def retrieved(ctx: Any, result_id: str) -> Any:
    return ctx.retrieve_object(result_id)


def stored(client: Pymonik, data: bytes) -> str:
    """Store an object as a program does that is not written with PymoniK."""
    session: Any = client.create().parts.engine.backend._session  # type: ignore[union-attr]
    (made,) = session.store.create([("foreign", [memoryview(data)])])
    return str(made)


@pytest.mark.parametrize("data", [EVIL, b"", b"PYM", bytes(range(256)) * 1000])
def test_what_another_program_has_stored_are_bytes(connect: Connect, data: bytes) -> None:
    with connect() as client:
        foreign = ResultHandle(stored(client, data), client.session_id, client)
        assert foreign.get() == data
        assert retrieved.invoke(foreign.result_id).get() == data
        assert length.invoke(foreign).get() == len(data)


def test_an_object_of_ours_that_has_changed_is_no_foreign_one(connect: Connect) -> None:
    sealed = b"".join(envelope.seal_content(content([1, 2])))
    changed = sealed[:-3] + bytes([sealed[-3] ^ 1]) + sealed[-2:]
    with connect() as client:
        kept = ResultHandle(stored(client, sealed), client.session_id, client)
        assert kept.get() == [1, 2]
        with pytest.raises(WireError, match="have changed"):
            ResultHandle(stored(client, changed), client.session_id, client)
