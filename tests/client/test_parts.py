"""A client and its parts: these do not hold it, and what users and old programs read is there."""

from __future__ import annotations

import gc
import weakref
from typing import Any

import pytest

from pymonik import Pymonik
from pymonik.client.callbacks import ENDINGS
from pymonik.client.parts import ClientParts
from pymonik.errors import BackendError
from tests.conformance.programs import square


def test_no_part_holds_the_client() -> None:
    gc.collect()
    gc.disable()  # what counts is that nobody needs a collector of circles
    try:
        client = Pymonik(backend="inline")
        named = square.invoke(2, pymonik=client, pmk_name="four")
        assert square.map_invoke([named, client.put(3)], pymonik=client).get() == [16, 9]
        assert client.lookup("four").get(timeout=60) == 4
        held = weakref.ref(client)
        client.recorder.names.clear()  # a value that has a name is kept, and so is its client
        del named, client
        assert held() is None
    finally:
        gc.enable()
    ENDINGS.drain()


def test_what_a_finalizer_records_while_a_client_is_put_together_is_kept(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It runs in this very thread: there is one recorder, that which it has used."""
    client, early = Pymonik(backend="inline"), []
    make = ClientParts.__init__

    def record_and_make(self: ClientParts, *args: Any) -> None:
        monkeypatch.setattr(ClientParts, "__init__", make)
        early.append(square.invoke(3, pymonik=client))
        make(self, *args)

    monkeypatch.setattr(ClientParts, "__init__", record_and_make)
    late = square.invoke(4, pymonik=client)
    assert (late.get(), early[0].get()) == (16, 9)


def test_settings_are_attributes() -> None:
    client = Pymonik(backend="inline", partition=["a", "b"], seed=5, detach=True)
    assert (client.partitions, client.seed, client.detach) == (["a", "b"], 5, True)
    client.detach = False
    assert client.settings.detach is False
    assert client.task_options.partition_id == "a"


def test_the_endpoint_can_be_changed_until_the_backend_is_open() -> None:
    client = Pymonik()
    client._endpoint = "127.0.0.1:1"
    assert (client.endpoint, client.parts.engine.name) == ("127.0.0.1:1", "armonik")
    client._endpoint = None
    with client, pytest.raises(BackendError, match="connected already"):
        client._endpoint = "127.0.0.1:1"
