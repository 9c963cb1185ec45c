"""The database of past runs: SQLite in the user's data folder.

Enters: records of runs, durations by fingerprint. Leaves: the same, later. Several processes write
at once: each in one short transaction, and who cannot get the lock for a second gives up.
"""

from __future__ import annotations

import json
import sqlite3
import time
import zlib
from collections.abc import Iterable
from contextlib import closing
from dataclasses import asdict
from pathlib import Path

from pymonik.errors import RunNotFound
from pymonik.runs.record import OFF, Record
from pymonik.settings import steering

_KEPT = 200
_PATIENCE = 1.0
# Kept as columns, so that lists need not unpack the rest.
_COLUMNS = (
    *("id", "started", "script", "backend", "workers", "seconds"),
    *("submissions", "calls", "units", "failed", "unfinished"),
)
_SCHEMA = f"""
BEGIN IMMEDIATE;
CREATE TABLE IF NOT EXISTS runs ({", ".join(_COLUMNS)}, detail BLOB, PRIMARY KEY (id));
CREATE INDEX IF NOT EXISTS by_time ON runs (started);
CREATE TABLE IF NOT EXISTS durations (
    fingerprint TEXT PRIMARY KEY, task TEXT, seconds REAL, calls INTEGER, updated REAL
);
PRAGMA user_version = 2;
COMMIT;
"""
_SECOND = """
BEGIN IMMEDIATE;
ALTER TABLE runs ADD COLUMN unfinished DEFAULT 0;
PRAGMA user_version = 2;
COMMIT;
"""


class Store:
    """An open database."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._db = sqlite3.connect(path, timeout=_PATIENCE, isolation_level=None)
        # What is lost when the machine loses its power may be lost.
        self._db.execute("PRAGMA synchronous = OFF")
        # With the journal that SQLite has by itself: changing it to another is refused at once, not
        # waited for, while somebody else opens a new database, too.
        version = self._version()
        if version == 0:
            self._db.executescript(_SCHEMA)
        elif version == 1:
            self._add_column()

    def _version(self) -> int:
        return int(self._db.execute("PRAGMA user_version").fetchone()[0])

    def _add_column(self) -> None:
        """Take a database of an earlier version over; another program may do so just now."""
        try:
            self._db.executescript(_SECOND)
        except sqlite3.OperationalError:
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")
            if self._version() == 1:
                raise

    @classmethod
    def open(cls) -> Store:
        """Open the database of this user, and make it if there is none."""
        return cls(folder() / "runs.sqlite")

    @classmethod
    def existing(cls) -> Store:
        """Open the database of this user; raises RunNotFound when there is none, or it is broken.

        Made for who only reads: nothing is created.
        """
        path = folder() / "runs.sqlite"
        if not path.exists():
            raise RunNotFound(f"no run was recorded yet: there is no {path}")
        try:
            return cls(path)
        except (sqlite3.Error, OSError) as error:
            raise RunNotFound(f"{path} cannot be read: {error}") from error

    def __enter__(self) -> Store:
        return self

    def __exit__(self, *error: object) -> None:
        self._db.close()

    def keep(self, record: Record, durations: Iterable[tuple[str, str, float, int]] = ()) -> None:
        """Write a run and what its calls took, and drop the oldest runs."""
        row = asdict(record)
        detail = {key: row.pop(key) for key in list(row) if key not in _COLUMNS}
        packed = zlib.compress(json.dumps(detail, default=str).encode(), 1)
        names = ", ".join(_COLUMNS)
        marks = ", ".join("?" * (len(_COLUMNS) + 1))
        values = [*(row[name] for name in _COLUMNS), packed]
        insert = f"INSERT OR REPLACE INTO runs ({names}, detail) VALUES ({marks})"
        with closing(self._db.cursor()) as cursor:
            cursor.execute("BEGIN IMMEDIATE")
            cursor.execute(insert, values)
            for fingerprint, task, seconds, calls in durations:
                # The newest run counts half: inputs grow, machines change.
                cursor.execute(
                    "INSERT INTO durations VALUES (?, ?, ?, ?, ?) ON CONFLICT (fingerprint) DO "
                    "UPDATE SET seconds = (seconds + excluded.seconds) / 2, "
                    "calls = calls + excluded.calls, updated = excluded.updated",
                    (fingerprint, task, seconds, calls, time.time()),
                )
            cursor.execute(
                "DELETE FROM runs WHERE id NOT IN "
                "(SELECT id FROM runs ORDER BY started DESC LIMIT ?)",
                (_KEPT,),
            )
            cursor.execute("COMMIT")

    def list(self, most: int) -> list[Record]:
        """Give the newest runs without their details."""
        names = ", ".join(_COLUMNS)
        rows = self._db.execute(f"SELECT {names} FROM runs ORDER BY started DESC LIMIT ?", (most,))
        return [Record(**dict(zip(_COLUMNS, row))) for row in rows]

    def find(self, name: str) -> Record:
        """Give a run by its id, the beginning of it, or "last"; raises RunNotFound."""
        names = ", ".join((*_COLUMNS, "detail"))
        query, values = "WHERE substr(id, 1, ?) = ? LIMIT 2", [len(name), name]
        if name == "last":
            query, values = "ORDER BY started DESC LIMIT 1", []
        rows = self._db.execute(f"SELECT {names} FROM runs {query}", values).fetchall()
        if len(rows) != 1:
            told = "there are several runs" if rows else "there is no run"
            raise RunNotFound(f"{told} {name!r}: `pymonik runs list` names them")
        row = dict(zip((*_COLUMNS, "detail"), rows[0]))
        detail = json.loads(zlib.decompress(row.pop("detail")))
        return Record(**row, **detail)

    def seconds(self, fingerprint: str) -> float | None:
        """Give what a call took in earlier runs, None if nothing is known."""
        query = "SELECT seconds FROM durations WHERE fingerprint = ?"
        row = self._db.execute(query, (fingerprint,)).fetchone()
        return None if row is None else float(row[0])


def folder() -> Path:
    """Give the folder of this user's runs: `PYMONIK_RUNS`, else where data belongs here."""
    given = steering("runs")
    if given and given != OFF:
        return Path(given)
    from platformdirs import user_data_path

    return user_data_path("pymonik", appauthor=False)
