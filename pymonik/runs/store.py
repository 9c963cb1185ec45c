"""The database of past runs: SQLite in the user's data folder.

Enters: records of runs, durations by fingerprint. Leaves: the same, later. Several processes write
at once: each in one short transaction, and who cannot get the lock for a second gives up.
"""

from __future__ import annotations

import contextlib
import json
import os
import sqlite3
import time
import zlib
from collections.abc import Iterable, Sequence
from contextlib import closing
from dataclasses import asdict
from pathlib import Path
from typing import Any, NoReturn

from pymonik.draw.model import Drawing
from pymonik.errors import RunNotFound
from pymonik.files import private
from pymonik.runs.record import GUEST, OFF, RunRecord
from pymonik.settings import steering
from pymonik.values.foreign import harmless

# Runs that stay, the newest.
_KEPT = 200
# Seconds to wait for another program that writes; behind that it is not recorded.
_PATIENCE = 1.0
# Bytes of the details of one run: what a row inflates to is bounded, whoever wrote it.
_INFLATED = 32 << 20
# The end of the times that a calendar has, in s since 1970.
_LAST_DAY = 2e11
_FAILURE = {"task", "site", "text"}
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
# What would be worked out as rows are read or written, without end or of any size: views, triggers,
# and expressions, which make more than the two pairs of parentheses that a table of ours has.
_FOREIGN = """
SELECT 1 FROM sqlite_master WHERE type IN ('view', 'trigger')
OR sql LIKE '%virtual%' OR sql LIKE '%(%(%(%'
"""


class RunStore:
    """An open database."""

    def __init__(self, path: Path) -> None:
        private.make_folder(path.parent)
        # SQLite gives its journals the mode of the database.
        descriptor = private.open_ours(path, os.O_RDWR | os.O_CREAT)
        os.fchmod(descriptor, private.FILE)
        os.close(descriptor)
        self._path = path
        self._db = sqlite3.connect(path, timeout=_PATIENCE, isolation_level=None)
        try:
            self._prepare()
        except BaseException:
            self._db.close()
            raise

    def _prepare(self) -> None:
        # What is lost when the machine loses its power may be lost.
        self._db.execute("PRAGMA synchronous = OFF")
        # With the journal that SQLite has by itself: changing it to another is refused at once, not
        # waited for, while somebody else opens a new database, too.
        if self._db.execute(_FOREIGN).fetchone():
            raise sqlite3.DatabaseError("it holds tables that PymoniK does not create")
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
    def open(cls) -> RunStore:
        """Open the database of this user, and make it if there is none."""
        return cls(folder() / "runs.sqlite")

    @classmethod
    def existing(cls) -> RunStore:
        """Open the database of this user; raises RunNotFound when there is none, or it is broken.

        Made for who only reads: nothing is created.
        """
        path = folder() / "runs.sqlite"
        if not path.exists():
            raise RunNotFound(f"no run was recorded yet: there is no {path}")
        try:
            return cls(path)
        except (sqlite3.Error, OSError, UnicodeError) as error:
            raise RunNotFound(f"{path} cannot be read: {harmless(str(error))}") from error

    def __enter__(self) -> RunStore:
        return self

    def __exit__(self, *error: object) -> None:
        self._db.close()

    def keep(
        self, record: RunRecord, durations: Iterable[tuple[str, str, float, int]] = ()
    ) -> None:
        """Write a run and what its calls took, and drop the oldest runs."""
        row = asdict(record)
        detail = {key: row.pop(key) for key in list(row) if key not in _COLUMNS}
        text = json.dumps(detail, default=str).encode()
        if len(text) > _INFLATED:  # nobody would read it again
            text = json.dumps({**detail, "graphs": [], "drawings": []}, default=str).encode()
        # The fastest level: the program is about to end, and somebody waits for that.
        packed = zlib.compress(text, 1)
        names = ", ".join(_COLUMNS)
        marks = ", ".join("?" * (len(_COLUMNS) + 1))
        values = [*(row[name] for name in _COLUMNS), packed]
        insert = f"INSERT OR REPLACE INTO runs ({names}, detail) VALUES ({marks})"
        with closing(self._db.cursor()) as cursor:
            # The lock for writing at once: a transaction that begins to read first may be refused
            # it later.
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

    def list(self, most: int) -> list[RunRecord]:
        """Return the newest runs without their details; those that are damaged are left out."""
        names = ", ".join(_COLUMNS)
        rows = self._rows(f"SELECT {names} FROM runs ORDER BY started DESC LIMIT ?", (most,))
        records = []
        for row in rows:
            with contextlib.suppress(ValueError):
                records.append(_record(dict(zip(_COLUMNS, row))))
        return records

    def find(self, name: str) -> RunRecord:
        """Return a run by its id, the beginning of it, or "last"; raises RunNotFound."""
        names = ", ".join((*_COLUMNS, "detail"))
        # A session stands before the runs that have joined it.
        query, values = (
            "WHERE substr(id, 1, ?) = ? AND substr(id, 1, instr(id, ?) - 1) NOT IN "
            "(SELECT id FROM runs WHERE substr(id, 1, ?) = ?) LIMIT 2",
            [len(name), name, GUEST, len(name), name],
        )
        if name == "last":
            query, values = "ORDER BY started DESC LIMIT 1", []
        # All ids begin with nothing, and nothing is what a variable of a shell holds by mistake.
        rows = self._rows(f"SELECT {names} FROM runs {query}", values) if name else []
        if len(rows) != 1:
            problem = "there are several runs" if rows else "there is no run"
            raise RunNotFound(f"{problem} {name!r}: `pymonik runs list` names them")
        row = dict(zip((*_COLUMNS, "detail"), rows[0]))
        try:
            # Bounded: a few bytes may inflate to gigabytes.
            inflated = zlib.decompressobj().decompress(row.pop("detail"), _INFLATED)
            return _record({**json.loads(inflated, parse_constant=_refuse), **row})
        except (ValueError, TypeError, RecursionError, zlib.error) as error:
            raise RunNotFound(f"the record of the run {name!r} is damaged") from error

    def seconds(self, fingerprint: str) -> float | None:
        """Return what a call took in earlier runs, None if nothing is known."""
        query = "SELECT seconds FROM durations WHERE fingerprint = ?"
        rows = self._rows(query, (fingerprint,))
        seconds = rows[0][0] if rows else None
        return (
            float(seconds)
            if isinstance(seconds, (int, float)) and 0 <= seconds < _LAST_DAY
            else None
        )

    def _rows(self, query: str, values: Sequence[Any]) -> Sequence[Any]:
        try:
            return self._db.execute(query, values).fetchall()
        except (sqlite3.Error, OverflowError, UnicodeError) as error:
            raise RunNotFound(f"{self._path} cannot be read: {harmless(str(error))}") from error


def _record(data: dict[str, Any]) -> RunRecord:
    """Return a record whose fields are what they should be; raises ValueError."""
    from pydantic import TypeAdapter

    record = TypeAdapter(RunRecord).validate_python(data)
    spans = [number for _, _, begin, seconds, _ in record.spans for number in (begin, seconds)]
    if not all(abs(number) < _LAST_DAY for number in (record.started, record.seconds, *spans)):
        raise ValueError("times that no calendar has")
    if not all(type(failure.get(name)) is str for failure in record.failures for name in _FAILURE):
        raise ValueError("failures of other fields")
    for drawing in record.drawings:
        Drawing.of(drawing)
    return record


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is no number of JSON")


def folder() -> Path:
    """Return the folder of this user's runs: `PYMONIK_RUNS`, else where data belongs here."""
    given = steering("runs")
    if given and given != OFF:
        return Path(given).expanduser()
    from platformdirs import user_data_path

    return user_data_path("pymonik", appauthor=False)
