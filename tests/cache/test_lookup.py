"""What a client knows of values, while threads, and finalizers, keep what has come."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

from pymonik.cache.lookup import CacheLookup
from pymonik.values.location import known_at
from tests.interruption import TakenAgain


class _Store:
    """Keeps values in memory."""

    def __init__(self) -> None:
        self.values: dict[str, Any] = {}

    def put(self, key: str, content: Any, about: Any) -> None:
        self.values[key] = content.load()

    def prune(self) -> None:
        """Keep all."""


def test_a_finalizer_that_has_a_value_amid_another_one_loses_neither() -> None:
    store = _Store()
    lookup = CacheLookup(cast(Any, store))
    keys: Any = SimpleNamespace(code_of=lambda spec: {}, arguments_of=lambda node, index: [])
    lookup._keys = keys
    spec = SimpleNamespace(name="f")
    nodes = [SimpleNamespace(location=known_at(n), offset=0, spec=spec) for n in (1, 2)]
    first, second = ((f"key {node}", (node, 0), None) for node in nodes)
    cut: Any = SimpleNamespace(misses=[first])
    lookup.expect(cut)
    lookup._lock = cast(Any, TakenAgain(lookup._lock, lookup.keep))
    cut.misses = [second]
    lookup.expect(cut)
    lookup.keep()
    assert sorted(store.values.values()) == [1, 2]
