"""`pymonik.testing`: the fixture, and `assert_requests`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from pymonik.emulator import DropBefore, Emulator
from pymonik.testing import assert_requests, emulator, running_emulator
from tests.emulator.plain_cluster import Client, plain_worker

__all__ = ["emulator", "emulator_settings", "running_emulator"]  # fixtures are found by name


@pytest.fixture(scope="session")
def emulator_settings() -> Mapping[str, Any]:
    return {"partitions": {"main": 1}, "worker": plain_worker()}


@pytest.fixture
def client(emulator: Emulator):
    with Client(emulator.endpoint) as client:
        yield client


def test_a_pipeline_runs_on_the_fixture(emulator: Emulator, client: Client) -> None:
    with assert_requests(emulator, SubmitTasks=1, CreateResults=1, DownloadResultData=1):
        assert client.value(client.run("concat", text="hello")[1]) == b"hello"


def test_counts_and_faults_begin_anew_with_each_test(emulator: Emulator) -> None:
    assert len(emulator.counters) == 0
    emulator.faults.add("CreateSession", DropBefore())


def test_a_fault_of_an_earlier_test_is_forgotten(emulator: Emulator, client: Client) -> None:
    assert emulator.counters["CreateSession"].requests == 1


def test_a_wrong_count_says_what_was_sent(emulator: Emulator, client: Client) -> None:
    expected = "2 requests CreateResults, 1 expected. Sent: CreateResults 2"
    count = assert_requests(emulator, CreateResults=1)
    count.__enter__()
    client.put(b"x")
    client.put(b"x")
    with pytest.raises(AssertionError, match=expected):
        count.__exit__(None, None, None)


def test_totals_ranges_and_bytes(emulator: Emulator, client: Client) -> None:
    with assert_requests(emulator, total=range(1, 4), max_bytes=10_000, CreateResults=range(3)):
        client.put(b"x")
    wrong = "1 request in all, 0 expected"
    with pytest.raises(AssertionError, match=wrong), assert_requests(emulator, total=0):
        client.put(b"x")
    wrong = "1 request in all, 3 to 5 expected"
    with pytest.raises(AssertionError, match=wrong), assert_requests(emulator, total=range(3, 6)):
        client.put(b"x")
    wrong = "bytes, at most 10 expected"
    with pytest.raises(AssertionError, match=wrong), assert_requests(emulator, max_bytes=10):
        client.put(b"x")


def test_an_error_of_the_pipeline_is_not_hidden_by_the_counts(
    emulator: Emulator, client: Client
) -> None:
    with pytest.raises(ZeroDivisionError), assert_requests(emulator, CreateResults=5):
        raise ZeroDivisionError


def test_a_method_that_does_not_exist_is_named(emulator: Emulator) -> None:
    wrong = "no such method: SubmitTask; there are"
    with pytest.raises(ValueError, match=wrong), assert_requests(emulator, SubmitTask=1):
        raise AssertionError("the block must not run")
