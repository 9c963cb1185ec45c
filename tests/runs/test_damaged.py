"""A database that somebody has changed: what is wrong with it is one sentence, and no memory."""

from __future__ import annotations

import copy
import json
import random
import sqlite3
import tracemalloc
import zlib
from contextlib import closing
from pathlib import Path

import pytest

from pymonik import Pymonik, task
from pymonik.analysis.file import compiled, of_brief
from pymonik.cache.store import FORMAT
from pymonik.cache.store import ValueStore as Values
from pymonik.draw.formats import FORMATS
from pymonik.errors import GraphFileError, RunNotFound
from pymonik.runs.drawing import drawing_of
from pymonik.runs.store import _COLUMNS, RunStore
from pymonik.runs.trace import chrome, timeline
from pymonik.values.content import Content
from tests.analysis.test_foreign_files import mutated
from tests.rows import shortened


@task
def plus(a: int, b: int = 1) -> int:
    return a + b


@pytest.fixture
def database(runs: Path) -> Path:
    with Pymonik(backend="inline") as client:
        total = plus.invoke(plus.invoke(1), plus.invoke(2))
        assert total.get() == 5
        assert client
    return runs / "runs.sqlite"


def look() -> None:
    with RunStore.existing() as store:
        store.list(5)
        store.seconds("x")
        record = store.find("last")
    for write in FORMATS.values():
        write(drawing_of(record))
    chrome(record)
    timeline(record)
    for graph in record.graphs:
        compiled(of_brief(graph))


@pytest.mark.parametrize("seed", shortened(range(4)))
def test_a_run_with_other_fields_is_refused_or_shown(database: Path, seed: int) -> None:
    choose = random.Random(seed)
    look()
    with closing(sqlite3.connect(database)) as db, db:
        ((packed,),) = db.execute("SELECT detail FROM runs").fetchall()
    data, refused = json.loads(zlib.decompress(packed)), 0
    for _ in range(40):
        changed = zlib.compress(json.dumps(mutated(copy.deepcopy(data), choose)).encode())
        column = choose.choice(["started", "seconds", "script", "calls", "workers"])
        value = choose.choice([None, 1e300, "x", b"\xff", -1, "\x1b[2J"]) if seed % 2 else 1
        with closing(sqlite3.connect(database)) as db, db:
            db.execute(f"UPDATE runs SET detail = ?, {column} = ?", (changed, value))
        try:
            look()
        except (RunNotFound, GraphFileError):
            refused += 1
    assert refused


@pytest.mark.parametrize("seed", shortened(range(4)))
def test_a_database_with_other_bytes_is_refused_or_shown(database: Path, seed: int) -> None:
    choose = random.Random(seed)
    data = database.read_bytes()
    for _ in range(40):
        changed = bytearray(data)
        for _ in range(choose.randrange(1, 30)):
            changed[choose.randrange(len(changed))] = choose.randrange(256)
        database.write_bytes(changed)
        try:
            look()
        except (RunNotFound, GraphFileError):
            pass


@pytest.mark.parametrize(
    "change",
    [
        "DROP TABLE runs; CREATE VIEW runs AS WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT "
        "x + 1 FROM n) SELECT " + ", ".join(f"x AS {name}" for name in _COLUMNS) + " FROM n",
        "DROP TABLE runs; CREATE TABLE runs (" + ", ".join(_COLUMNS) + ", detail AS "
        "(zeroblob(900000000))); INSERT INTO runs (id, started) VALUES ('a', 1)",
        "CREATE TRIGGER more AFTER INSERT ON runs BEGIN DELETE FROM runs; END",
        "CREATE VIRTUAL TABLE other USING rtree(id, low, high)",
    ],
    ids=["view", "column", "trigger", "virtual"],
)
def test_a_database_that_would_work_something_out_is_refused(database: Path, change: str) -> None:
    with closing(sqlite3.connect(database)) as db, db:
        db.executescript(change)
    with pytest.raises(RunNotFound, match="PymoniK does not create"):
        RunStore.existing()
    with Pymonik(backend="inline") as client:  # nor does it stop a run
        assert plus.invoke(1).get() == 2
        assert client


def test_a_failure_is_told_in_texts(database: Path) -> None:
    with closing(sqlite3.connect(database)) as db, db:
        ((packed,),) = db.execute("SELECT detail FROM runs").fetchall()
        data = json.loads(zlib.decompress(packed))
        data["failures"] = [{"task": 1, "site": "s.py:1", "text": "no"}]
        db.execute("UPDATE runs SET detail = ?", (zlib.compress(json.dumps(data).encode()),))
    with pytest.raises(RunNotFound, match="is damaged"):
        look()


def test_a_row_inflates_within_bounds(database: Path) -> None:
    bomb = zlib.compress(b" " * (200 << 20), 9)
    with closing(sqlite3.connect(database)) as db, db:
        db.execute("UPDATE runs SET detail = ?", (bomb,))
    tracemalloc.start()
    with RunStore.existing() as store, pytest.raises(RunNotFound, match="is damaged"):
        store.find("last")
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 150 << 20


@pytest.mark.parametrize("seed", shortened(range(4)))
def test_a_cached_value_with_other_bytes_is_made_anew(tmp_path: Path, seed: int) -> None:
    choose = random.Random(seed)
    store = Values(tmp_path / "values")
    content = Content(b"payload" * 50, (b"buffer" * 900,))
    for _ in range(150):
        store.put("k", content, {"task": "f", "code": {"a": "b"}, "arguments": ["x"]})
        path = tmp_path / "values" / "k"
        changed = bytearray(path.read_bytes())
        head = changed.index(b"\n") if choose.random() < 0.5 else len(changed)
        changed[choose.randrange(head)] = choose.randrange(256)
        path.write_bytes(changed)
        store.entries()
        got = store.get("k")
        assert got is None or got.equals(content.data, content.views()[1:])


@pytest.mark.parametrize(
    "line",
    ["[]", "1", "{}", '{"format": 4}', '{"format": 4, "task": 1, "made": 0}', "[" * 9999,
     '{"format": 4, "made": 0, "task": "f"}',
     *(f'{{"format": 4, "key": "k", "digest": "", "task": "f", "made": {rest}}}'
       for rest in ("1e300", "NaN", '0, "code": []', '0, "arguments": 3'))],
)  # fmt: skip
def test_what_is_told_of_a_value_is_checked(tmp_path: Path, line: str) -> None:
    assert FORMAT == 4
    store = Values(tmp_path / "values")
    store.put("k", Content(b"N."), {"task": "f"})
    (tmp_path / "values" / "k").write_text(line + "\n")
    assert store.entries() == []
    assert store.get("k") is None


def test_a_value_under_the_name_of_another_is_made_anew(tmp_path: Path) -> None:
    store = Values(tmp_path / "values")
    texts = {}
    for key in ("a", "b"):
        store.put(key, Content(b"payload of " + key.encode()), {"task": "f"})
        texts[key] = (tmp_path / "values" / key).read_bytes()
    (tmp_path / "values" / "a").write_bytes(texts["b"])
    header, body = texts["b"].split(b"\n", 1)[0], texts["a"].split(b"\n", 1)[1]
    (tmp_path / "values" / "b").write_bytes(header + b"\n" + body)
    assert (store.get("a"), store.get("b")) == (None, None)
