"""A line that swallows all that is sent from some request on: an error soon, and few questions."""

from __future__ import annotations

import random
from collections import Counter
from typing import Any

import pytest

from pymonik import task
from pymonik.backend.armonik import opening, rpc, store
from pymonik.backend.armonik.refusals import name_of
from pymonik.backend.armonik.rpc import RpcClient
from pymonik.backend.armonik.session import Session
from pymonik.backend.armonik.stalls import StallGuard
from pymonik.emulator import Emulator
from pymonik.errors import ClusterUnreachable
from tests.armonik.conftest import Connect
from tests.conftest import Set
from tests.faults.storm.proxy import Proxy

KINDS = (
    "ListPartitions",
    "CreateSession",
    "CreateResultsMetaData",
    "CreateResults",
    "UploadResultData",
    "SubmitTasks",
    "GetEvents",
    "DownloadResultData",
    "CountTasksByStatus",
    "CloseSession",
)


@task
def turned(data: bytes) -> bytes:
    return data[::-1]


class Swallowing(Proxy):
    """A proxy whose connections stay open, though nothing comes through any more."""

    is_dead = False

    def _troubled(self, data: bytes) -> bytes:
        return b"" if self.is_dead else data


@pytest.mark.thorough
@pytest.mark.parametrize("kind", KINDS)
def test_nothing_waits_for_ever_on_a_line_that_swallows_all(
    cluster: Emulator,
    connect: Connect,
    set_settings: Set,
    monkeypatch: pytest.MonkeyPatch,
    kind: str,
) -> None:
    proxy = Swallowing(cluster.endpoint, random.Random(0))
    asked: Counter[str] = Counter()
    asking, watch, answers = RpcClient._asked, Session.watch, StallGuard.answers

    def begin(name: str) -> None:
        proxy.is_dead |= name == kind
        asked[name] += proxy.is_dead

    def noted(self: RpcClient, method: Any, *args: Any) -> Any:
        begin(name_of(method))
        return asking(self, method, *args)

    def watched(self: Session) -> Any:
        begin("GetEvents")
        return watch(self)

    # Seconds for what comes through, and a moment for what does not.
    def deadline_of(size: int = 0, patience: float | None = None) -> float:
        return 0.3 if proxy.is_dead else 60.0

    monkeypatch.setattr(rpc, "deadline_of", deadline_of)
    # Those of these two are worked out before their requests begin.
    for module, its_kind in ((opening, "CreateSession"), (store, "SubmitTasks")):
        seconds = 0.3 if kind == its_kind else 60.0
        monkeypatch.setattr(module, "deadline_of", lambda *_, long=seconds, **__: long)
    monkeypatch.setattr(RpcClient, "_asked", noted)
    monkeypatch.setattr(Session, "watch", watched)
    monkeypatch.setattr(
        StallGuard, "answers", lambda self, call, _: answers(self, call, deadline_of())
    )
    monkeypatch.setattr(rpc, "pauses", lambda patience: iter((0.05, None)))
    set_settings(patience=rpc.FIRST + 1, request_bytes=1 << 20)

    def work() -> None:
        with connect(endpoint=proxy.endpoint):
            data = random.Random(0).randbytes(3 << 20)
            assert turned.invoke(data).get() == data[::-1]

    try:
        if kind == "CloseSession":  # all was done: that the session is left open is only told
            work()
        else:
            with pytest.raises(ClusterUnreachable):
                work()
    finally:
        proxy.close()
    assert asked[kind] >= 1
    assert sum(asked.values()) <= 12, asked
