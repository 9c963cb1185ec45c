"""The counts of an estimate are those of the run: what a cluster is sent, request by request."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from pymonik import Pymonik
from pymonik.emulator import Emulator
from tests.conformance.programs import add, inc, square, total
from tests.rows import shortened

METHODS = {
    "declare": "CreateResultsMetaData",
    "create": "CreateResults",
    "stream": "UploadResultData",
    "submit": "SubmitTasks",
}


def reduction() -> Any:
    return total.invoke(square.map_invoke(range(300)))  # more than one task takes as inputs


def stencil() -> Any:
    row: list[Any] = [inc.invoke(i) for i in range(30)]
    for _ in range(10):
        row = [add.invoke(row[i], row[i - 1]) for i in range(30)]
    return row


def tree() -> Any:
    level: Any = inc.map_invoke(range(64))
    while len(level) > 1:
        level = add.map_invoke(list(zip(level[::2], level[1::2], strict=True)))
    return level


def arrays() -> Any:
    large, small = np.ones(1 << 20), np.ones(5_000)
    return [add.invoke(large, i) for i in range(5)], add.map_invoke([(small, i) for i in range(9)])


@pytest.mark.parametrize("optimize", [True, False])
@pytest.mark.parametrize("program", shortened([stencil, arrays, reduction, tree], 2))
def test_an_estimate_counts_what_the_cluster_is_sent(
    emulated_cluster: Emulator, program: Callable[[], Any], optimize: bool
) -> None:
    with Pymonik(endpoint=emulated_cluster.endpoint, optimize=optimize) as client:
        kept = program()
        cost = client.plan().cost()
        before = {kind: emulated_cluster.counters[name] for kind, name in METHODS.items()}
        client.flush()
        sent = {
            kind: emulated_cluster.counters[name] - before[kind] for kind, name in METHODS.items()
        }
    told = {one.kind: (one.requests, one.bytes) for one in cost.figures.requests}
    assert {kind: told.get(kind, (0, 0)) for kind in METHODS} == {
        kind: (count.requests, count.request_bytes) for kind, count in sent.items()
    }
    assert cost.figures.units == client.stats.units
    del kept
