"""What the version before has written is read, or refused by a sentence that says what to do.

A database of runs of before is taken over: see `tests/runs/test_runs.py`.
"""

from __future__ import annotations

import json
import logging
import zipfile
from pathlib import Path
from typing import Any

import pytest

from pymonik import Pymonik, task
from pymonik.analysis import encode
from pymonik.analysis.encode import brief
from pymonik.analysis.file import load, of_brief, save
from pymonik.analysis.session import file as tasks_file
from pymonik.cache import keys, store
from pymonik.cache.store import ValueStore
from pymonik.environment import value
from pymonik.environment.parse import parse
from pymonik.environment.value import Environment
from pymonik.errors import GraphFileError, WireError
from pymonik.values.content import Content
from pymonik.wire import envelope

OURS = envelope.WIRE_VERSION


@task(pure=True, cache=True)
def plus(a: int) -> int:
    return a + 1


def test_an_object_on_the_wire(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(envelope, "WIRE_VERSION", OURS - 1)
    before = b"".join(envelope.seal_content(Content(b"N.")))
    monkeypatch.undo()
    told = f"wire version {OURS - 1}, this PymoniK reads {OURS}: use the same PymoniK on the client"
    with pytest.raises(WireError, match=told):
        envelope.unseal(before)


def test_an_environment_on_the_wire(monkeypatch: pytest.MonkeyPatch) -> None:
    ours = value.ENVIRONMENT_VERSION
    monkeypatch.setattr(value, "ENVIRONMENT_VERSION", ours - 1)
    before: Any = parse({"pip": ["six"]}).to_wire()
    monkeypatch.undo()
    told = f"wire version {ours - 1}, this PymoniK reads {ours}: use the same PymoniK"
    for wire in (before, (*before, "what it had besides")):
        with pytest.raises(ValueError, match=told):
            Environment.from_wire(wire)


def test_a_saved_graph(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    client = Pymonik(backend="dry-run")
    plus.invoke(1, pymonik=client)
    monkeypatch.setattr(encode, "FORMAT", encode.FORMAT - 1)
    save(client.plan(), tmp_path / "before.pmk")
    monkeypatch.undo()
    ours = encode.FORMAT
    told = f"format {ours - 1}, this PymoniK reads {ours}: read it with the version"
    with pytest.raises(GraphFileError, match=told):
        load(tmp_path / "before.pmk")


def test_the_graph_of_a_recorded_run() -> None:
    client = Pymonik(backend="dry-run")
    plus.invoke(1, pymonik=client)
    before = {**brief(client.plan().source), "format": encode.FORMAT - 1}
    with pytest.raises(GraphFileError, match="saved by another version of PymoniK"):
        of_brief(before)


def test_the_tasks_of_a_session(tmp_path: Path) -> None:
    ours = tasks_file._FORMAT
    with zipfile.ZipFile(tmp_path / "before.pmk", "w") as file:
        file.writestr("tasks.json", json.dumps({"kind": "pymonik-tasks", "format": ours - 1}))
    told = f"format {ours - 1}, this PymoniK reads {ours}: read it with the version"
    with pytest.raises(GraphFileError, match=told):
        tasks_file.load_tasks(str(tmp_path / "before.pmk"))


@pytest.mark.parametrize("of", ["file", "key"])
def test_a_cached_value_is_not_known_and_made_anew(
    of: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("PYMONIK_VALUES_FOLDER", str(tmp_path))

    def reused() -> tuple[int, int]:
        with Pymonik(backend="inline") as client:
            return plus.invoke(1).get(), client.stats.reused

    with monkeypatch.context() as before:
        module = {"file": store, "key": keys}[of]
        before.setattr(module, "FORMAT", module.FORMAT - 1)
        assert [reused(), reused()] == [(2, 0), (2, 1)]
    assert [reused(), reused()] == [(2, 0), (2, 1)]
    # Who has a new version is to hear nothing of it; clients of earlier tests may say something.
    assert [record for record in caplog.records if record.name == "pymonik.cache"] == []


def test_a_cached_value_in_an_envelope_of_before_is_made_anew_and_logged(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    values = ValueStore(tmp_path / "values")
    with monkeypatch.context() as before:
        before.setattr(envelope, "WIRE_VERSION", OURS - 1)
        values.put("k", Content(b"N."), {"task": "f"})
    with caplog.at_level(logging.WARNING, "pymonik.cache"):
        assert values.get("k") is None
    assert f"wire version {OURS - 1}, this PymoniK reads {OURS}" in caplog.text
    assert "is computed again" in caplog.text
