"""Each answer and each stored object of a real run, changed in one place, and read: it is what it
was, or one clear error of ours. Nothing is unpickled by reading, nothing hangs, nothing else is
raised. `make test` makes some hundred changes, the thorough ones ten times as many.

Between a host and its executors, frames are not protected against single bits: the kernel carries
them from one process to the other. What user code writes there is found by their heads.
"""

from __future__ import annotations

import contextlib
import logging
import pickle
import random
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pymonik import Pymonik, task
from pymonik.backend.armonik.fetch import PackLocation
from pymonik.backend.armonik.unpack import RecordReader
from pymonik.cache.store import ValueStore
from pymonik.capture.freeze import content_of
from pymonik.emulator.storage import ObjectStorage
from pymonik.errors import PymonikError, WireError
from pymonik.record.current import current_recorder
from pymonik.values.content import Content
from pymonik.values.outcome import PENDING, Failure
from pymonik.values.outputs import Outputs
from pymonik.wire import envelope, error_text
from pymonik.wire.frames import Decoder, Encoder
from pymonik.wire.journal import _NUMBERS, GONE, Journal, SharedJournal, open_page
from tests.armonik.conftest import started
from tests.wire.mutations import changed_bytes, changed_field

SEEDS = [0, *(pytest.param(seed, marks=pytest.mark.thorough) for seed in range(1, 11))]
CHANGES = 40  # of each object, with each seed


@task(require_context=True)
def made(ctx: Any, n: int, scale: Any) -> Any:
    ctx.logger.warning("made %d", n)
    return np.full(n, float(np.sum(scale)))


@task
def fails(n: int) -> Any:
    raise ValueError(f"no {n}")


@task
def parent(n: int) -> Any:
    current_recorder().put({"n": n}).named(f"object-{n}")
    return sums.invoke([made.invoke(i, 1) for i in range(n)])


@task
def sums(arrays: Any) -> list[float]:
    return [float(array.sum()) for array in arrays]


@pytest.fixture(scope="module")
def stored() -> list[bytes]:
    """All objects that a real run has stored."""
    found: list[bytes] = []
    add = ObjectStorage.add

    def noted(self: ObjectStorage, chunks: Any) -> Any:
        data = b"".join(chunks)
        found.append(data)
        return add(self, [data])

    with pytest.MonkeyPatch.context() as patched, started() as emulator:
        patched.setattr(ObjectStorage, "add", noted)
        with Pymonik(emulator.endpoint, forward_logs=True):
            handles = [made.map_invoke([(n, np.ones(n)) for n in (2, 3, 20_000)]), parent.invoke(3)]
            handles[0][0].named("first")
            failed = fails.map_invoke(range(2))
            for handle in handles:
                handle.get()
            assert all(failed.exception())
    return list(dict.fromkeys(data for data in found if envelope.is_ours(data)))


READERS: dict[int, Callable[[envelope.Envelope], Any]] = {
    envelope.PAYLOAD: envelope.payload_of,
    envelope.CONTENT: envelope.content_of,
    envelope.PACK: envelope.pack_of,
    envelope.ASSEMBLY: envelope.payload_of,
    envelope.NAMES: envelope.names_of,
}


@pytest.fixture
def unloaded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Reading is not loading."""

    def refuse(*_: Any, **__: Any) -> Any:
        raise AssertionError("reading has unpickled something")

    monkeypatch.setattr(pickle, "loads", refuse)
    monkeypatch.setattr(pickle, "load", refuse)


def plain(value: Any) -> Any:
    """Return what two readings of the same have in common."""
    if isinstance(value, Content):
        return [bytes(view) for view in value.views()]
    if isinstance(value, dict):
        return [[plain(key), plain(inner)] for key, inner in value.items()]
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    if isinstance(value, Failure):
        return plain([*vars(value).values()])
    return repr(value)


@pytest.mark.parametrize("seed", SEEDS)
def test_a_stored_object_is_what_was_written_or_is_refused(
    stored: list[bytes], unloaded: None, seed: int
) -> None:
    kinds, refused = set(), 0
    for number, data in enumerate(stored):
        opened = envelope.unseal(data)
        kinds.add(opened.kind)
        read = READERS[opened.kind]
        meant = plain(read(opened))
        chance = random.Random(f"{seed}.{number}")
        for _ in range(CHANGES):
            changed = changed_bytes(data, chance)
            try:
                found = envelope.named(envelope.unseal(changed), opened.digest)
                assert plain(read(found)) == meant
            except WireError:
                refused += 1
    assert kinds >= {envelope.PAYLOAD, envelope.CONTENT, envelope.PACK, envelope.NAMES}
    assert refused > CHANGES * len(stored) / 2


@pytest.mark.parametrize("seed", SEEDS)
def test_records_with_one_field_forged_are_records_or_refused(
    stored: list[bytes], unloaded: None, seed: int
) -> None:
    for number, data in enumerate(stored):
        opened = envelope.unseal(data)
        if opened.kind == envelope.CONTENT:
            continue
        chance = random.Random(f"{seed}.{number}")
        for _ in range(CHANGES):
            found = envelope.unseal(forged(opened, chance))
            with contextlib.suppress(WireError):
                READERS[opened.kind](found)


def forged(opened: envelope.Envelope, chance: random.Random) -> bytes:
    """Return an envelope with one field changed, and sealed as if that had been written."""
    body = changed_field(bytes(opened.body), chance)
    return b"".join(envelope.seal(opened.kind, opened.digest, body, opened.buffers))


class OneResult:
    """A session that gives one result, whatever is asked for."""

    def __init__(self, data: bytes) -> None:
        self._data = data

    def open_result(self, _: str) -> envelope.Envelope:
        return envelope.unseal(self._data)


@pytest.mark.parametrize("seed", SEEDS)
def test_a_forged_pack_costs_its_own_values_only(
    stored: list[bytes], seed: int, caplog: pytest.LogCaptureFixture
) -> None:
    """What the client does with a pack: its unit has ended then, and nobody else knows."""
    caplog.set_level(logging.CRITICAL)
    for number, data in enumerate(stored):
        opened = envelope.unseal(data)
        if opened.kind != envelope.PACK:
            continue
        columns, _, _ = envelope.pack_of(opened)
        known = {content.digest for content in contents_of(columns)}
        chance = random.Random(f"{seed}.{number}")
        for _ in range(CHANGES):
            reader: Any = RecordReader(OneResult(forged(opened, chance)))  # type: ignore[arg-type]
            cell = Outputs(len(columns[0]) if columns else 1, len(columns))
            reader._fetch(cell, PackLocation("id", opened.digest, 1, True))
            assert reader.tracker.problem is None
            for record in (record for column in cell.columns for record in column):
                if type(record) is Failure and record.exception is None:
                    assert isinstance(record.error(), PymonikError)
                elif type(record) is Content and record.digest in known:
                    record.load()
                else:
                    assert type(record) in envelope.RECORDS or record is PENDING


def contents_of(columns: list[list[Any]]) -> Iterator[Content]:
    return (record for column in columns for record in column if type(record) is Content)


@pytest.mark.parametrize("seed", SEEDS)
def test_an_error_text_tells_failures_or_words(unloaded: None, seed: int) -> None:
    failure = Failure("error", "no", "f", "s.py:3", 4, "w", 1, "Traceback …", path=("f", "g"))
    text = error_text.dumps([[failure, failure]], [failure])
    assert text is not None
    chance = random.Random(seed)
    for _ in range(10 * CHANGES):
        changed = changed_bytes(text.encode(), chance).decode(errors="replace")
        told = error_text.loads(changed)
        found = [] if told is None else [*told[0][0], *told[1]]
        assert all(type(one) is Failure for one in found)
        assert isinstance(error_text.words(changed), str)


@pytest.mark.parametrize("seed", SEEDS)
def test_a_kept_value_is_itself_or_made_anew(
    tmp_path: Path, unloaded: None, seed: int, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.CRITICAL)
    store = ValueStore(tmp_path / "values")
    content = content_of({"a": np.arange(300), "b": "text"})
    store.put("key", content, {"task": "f", "code": {"f": "x"}, "arguments": ["1"]})
    path = tmp_path / "values" / "key"
    data = path.read_bytes()
    chance = random.Random(seed)
    for _ in range(5 * CHANGES):
        path.write_bytes(changed_bytes(data, chance))
        path.chmod(0o600)
        store.entries()
        found = store.get("key")
        assert found is None or plain(found) == plain(content)


NOTED = [1, -2, 1 << 62, [2, "text"], Content(b"data", [b"buffer"]), None, (1, (2, 3)), "x" * 300]


@pytest.mark.parametrize("seed", SEEDS)
def test_a_journal_tells_what_was_noted_as_far_as_it_can_be_read(
    seed: int, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.CRITICAL)
    fd = open_page()
    with closing(SharedJournal(fd)) as page:
        page.begin(7, 3)
        for entry in NOTED:
            assert page.add(entry)
        assert [page.note((5,)), page.note(GONE)] == [True, True]
        whole = page.journal()
        assert (len(whole.entries), whole.steps) == (len(NOTED), [(5,), GONE])
        size = _NUMBERS + page._steps.end
        data = bytes(page._bytes[:size])
        chance = random.Random(seed)
        for _ in range(10 * CHANGES):
            changed = changed_bytes(data, chance)[:size].ljust(size, b"\0")
            page._bytes[:size] = changed
            found = page.journal()
            is_same = (found.unit, found.first) == (7, 3)
            assert is_same or not (found.entries or found.steps)
            assert is_part(found, whole)


def is_part(found: Journal, whole: Journal) -> bool:
    """Return whether a journal begins as another one, and says nothing else."""
    begins = plain(found.entries) == plain(whole.entries[: len(found.entries)])
    return begins and found.steps == whole.steps[: len(found.steps)]


@pytest.mark.parametrize("seed", SEEDS)
def test_what_is_written_between_frames_is_found(seed: int) -> None:
    frames = [Encoder(remember=True).encode((kind, [1, "text"]))[0] for kind in ("a", "b", "c")]
    chance = random.Random(seed)
    for _ in range(5 * CHANGES):
        at = chance.randrange(4)
        noise = chance.randbytes(chance.choice([1, 7, 16, 200]))
        data = b"".join([*frames[:at], noise, *frames[at:]])
        told: list[Any] = []
        decoder = Decoder()
        with contextlib.suppress(WireError):
            for start in range(0, len(data), 50):
                told += decoder.feed(data[start : start + 50], [])
        assert [kind for kind, _ in told] == ["a", "b", "c"][:at]
