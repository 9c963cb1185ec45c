"""A client and its parts: these do not hold it, and what users and old programs read is there."""

from __future__ import annotations

import gc
import weakref

import pytest

from pymonik import Pymonik
from pymonik.client.callbacks import ENDINGS
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
