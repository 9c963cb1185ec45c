"""One object of a run on a cluster is changed on its way: it costs its own call, and no other.

The readers alone are tried in `tests/wire/test_mutations.py`, with many more changes.
"""

from __future__ import annotations

import logging
import random
import threading
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from pymonik import Pymonik, task
from pymonik.emulator import Emulator
from pymonik.emulator.storage import ObjectStorage
from pymonik.errors import PymonikError
from pymonik.wire import envelope
from tests.armonik.conftest import started
from tests.conftest import PATIENCE
from tests.rows import shortened
from tests.wire.mutations import changed_bytes, changed_field

SEEDS = shortened(range(64), 2)
CALLS = 4


@task
def scaled(n: int, array: Any) -> Any:
    return array * n


@pytest.fixture(scope="module")
def cluster() -> Iterator[Emulator]:
    with started() as emulator:
        yield emulator


class Storage:
    """Changes one of the objects that are stored: that of a number, among those of ours."""

    def __init__(self, chance: random.Random, is_forged: bool) -> None:
        self._chance = chance
        self._is_forged = is_forged
        # Orders, arguments and outcomes, in the order in which they come.
        self._left = chance.randrange(3 * CALLS)
        self._add = ObjectStorage.add
        self._lock = threading.Lock()
        self.kind = 0

    def add(self, storage: ObjectStorage, chunks: Any) -> Any:
        data = b"".join(chunks)
        with self._lock:
            if envelope.is_ours(data):
                self._left -= 1
                if self._left == -1:
                    data = self._changed(data)
        return self._add(storage, [data])

    def _changed(self, data: bytes) -> bytes:
        opened = envelope.unseal(data)
        self.kind = opened.kind
        # A forged content is another pickle: whoever may write that may have anything computed.
        if not self._is_forged or opened.kind == envelope.CONTENT:
            return changed_bytes(data, self._chance)
        but = ("contents", "definitions")
        body = changed_field(bytes(opened.body), self._chance, but)
        return b"".join(envelope.seal(opened.kind, opened.digest, body, opened.buffers))


@pytest.mark.parametrize("is_forged", [False, True], ids=["bytes", "field"])
@pytest.mark.parametrize("seed", SEEDS)
def test_a_changed_object_costs_its_own_call(
    cluster: Emulator,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    seed: int,
    is_forged: bool,
) -> None:
    caplog.set_level(logging.CRITICAL)
    storage = Storage(random.Random(f"{seed}.{is_forged}"), is_forged)
    arrays = [np.arange(5_000.0) + seed + n for n in range(CALLS)]
    with Pymonik(cluster.endpoint, optimize=False):
        # What all calls have in common is stored before: a change of it would cost all of them.
        scaled.invoke(0, np.zeros(3)).get(timeout=PATIENCE)
        with monkeypatch.context() as patched:
            patched.setattr(ObjectStorage, "add", lambda *given: storage.add(*given))
            handles = [scaled.invoke(n, array) for n, array in enumerate(arrays)]
            errors = [handle.exception(timeout=PATIENCE) for handle in handles]
        assert storage.kind, "nothing was changed"
        failed = [error for error in errors if error is not None]
        assert all(isinstance(error, PymonikError) for error in failed), failed
        assert len(failed) <= 1, failed
        right = [
            error is not None or np.array_equal(handle.get(), n * array)
            for n, (handle, error, array) in enumerate(zip(handles, errors, arrays))
        ]
        assert all(right) or (is_forged and right.count(False) == 1)
        assert np.array_equal(scaled.invoke(2, np.ones(5)).get(timeout=PATIENCE), np.full(5, 2.0))
