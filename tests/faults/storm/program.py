"""What a user runs on a bad day: random work of which each value is known beforehand.

`python program.py SEED [ENDPOINT]`, on the embedded engine without an endpoint. Prints one line of
JSON: how many values were right, how many failed with an error of ours, and what was wrong; also
when an error ends the program itself, so that no wrong value before it is hidden.
"""

from __future__ import annotations

import faulthandler
import hashlib
import json
import os
import random
import resource
import signal
import sys
import time
import traceback
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from typing import Any

from pymonik import Pymonik, task
from pymonik.errors import PymonikError

Expected = tuple[Any, Any]  # a handle, and the value it must have or the exception type


@task
def add(a: int, b: int) -> int:
    return a + b


@task
def step(x: int, seconds: float) -> int:
    time.sleep(seconds)
    return x + 1


@task
def digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


@task
def turned(data: bytes) -> bytes:
    return data[::-1]


@task
def total(values: Any) -> int:
    return sum(values)


@task
def spread(n: int) -> Any:
    return total.invoke([add.invoke(i, i) for i in range(n)])


@task
def refuse(x: int) -> None:
    raise ValueError(f"no {x}")


@task
def take(mebibytes: int) -> int:
    return len(bytearray(mebibytes << 20))


def _maps(chance: random.Random) -> list[Expected]:
    rows = [(chance.randrange(1000), chance.randrange(1000)) for _ in range(chance.randint(1, 300))]
    return [(h, a + b) for h, (a, b) in zip(add.map_invoke(rows), rows)]


def _chains(chance: random.Random) -> list[Expected]:
    made = []
    for _ in range(chance.randint(1, 4)):
        length, handle = chance.randint(2, 12), step.invoke(0, 0.0)
        for _ in range(length - 1):
            handle = step.invoke(handle, chance.choice([0.0, 0.01, 0.05]))
        made.append((handle, length))
    return made


def _grids(chance: random.Random) -> list[Expected]:
    """Make rows of calls that need their neighbours above: executors run them together."""
    row: list[Any] = list(range(8))
    plain, seconds = list(range(8)), chance.choice([0.0, 0.0, 0.002])
    for _ in range(chance.randint(8, 20)):
        row = [add.invoke(step.invoke(row[x - 1], seconds), row[x]) for x in range(8)]
        plain = [plain[x - 1] + 1 + plain[x] for x in range(8)]
    return list(zip(row, plain))


def _slow(chance: random.Random) -> list[Expected]:
    rows = [(i, 0.03) for i in range(chance.randint(10, 40))]
    return [(h, i + 1) for h, (i, _) in zip(step.map_invoke(rows), rows)]


def _bytes(chance: random.Random) -> list[Expected]:
    made: list[Expected] = []
    for _ in range(chance.randint(1, 4)):
        data = chance.randbytes(chance.choice([100, 5_000, 70_000, 600_000, 3_000_000]))
        handle = turned.invoke(data)
        made.append((handle, data[::-1]))
        made.append((digest.invoke(handle), hashlib.sha256(data[::-1]).hexdigest()))
    return made


def _delegated(chance: random.Random) -> list[Expected]:
    sizes = [chance.randint(1, 20) for _ in range(3)]
    return [(spread.invoke(n), n * (n - 1)) for n in sizes]


def _sums(chance: random.Random) -> list[Expected]:
    n = chance.randint(5, 80)
    return [(total.invoke(add.map_invoke([(i, 1) for i in range(n)])), n * (n + 1) // 2)]


def _refused(chance: random.Random) -> list[Expected]:
    return [(refuse.invoke(i), ValueError) for i in range(chance.randint(1, 4))]


def _large(chance: random.Random) -> list[Expected]:
    sizes = [chance.choice([1, 50, 4000]) for _ in range(3)]
    return [(take.invoke(size), size << 20 if size < 1000 else MemoryError) for size in sizes]


WORK: list[Callable[[random.Random], list[Expected]]] = [
    *(_maps, _chains, _grids, _slow, _slow, _bytes, _delegated, _sums, _refused)
]


@dataclass
class Report:
    """What became of the values of one program; `clear`: how many ended with an error of ours."""

    right: int = 0
    clear: int = 0
    wrong: list[str] = field(default_factory=list)

    def judge(self, found: list[Expected]) -> None:
        """Fetch all values and compare."""
        for handle, expected in found:
            try:
                value: Any = handle.get()
            except Exception as error:
                if isinstance(expected, type) and isinstance(error, expected):
                    self.right += 1
                else:
                    self.note(error)
                continue
            if isinstance(expected, type) or value != expected:
                self.wrong.append(f"{value!r:.100} instead of {expected!r:.100}")
            else:
                self.right += 1

    def note(self, error: Exception) -> None:
        """Note an error that a value, or the program itself, has ended with."""
        # What `refuse` raised, where its own `get` could not tell: the end of the block does.
        is_late = self.clear and type(error) is ValueError and str(error).startswith("no ")
        if isinstance(error, (PymonikError, MemoryError)) or is_late:
            self.clear += 1
            return
        last = traceback.extract_tb(error.__traceback__)[-1:]
        place = "".join(f" at {frame.filename}:{frame.lineno}" for frame in last)
        self.wrong.append(f"{type(error).__name__}: {error}"[:400] + place)


def main(seed: int, endpoint: str | None) -> None:
    """Run some rounds of random work, and report what was found whatever ends them."""
    # That of the process: tests put their own in its place, which has no descriptor.
    faulthandler.register(signal.SIGUSR1, file=sys.__stderr__, all_threads=True)
    chance = random.Random(seed)
    work = list(WORK)
    if os.environ.get("STORM_MEMORY"):
        limit = int(os.environ["STORM_MEMORY"]) << 20
        resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
        work.append(_large)
    given: dict[str, Any] = (
        {"endpoint": endpoint} if endpoint else {"backend": "local", "workers": 2}
    )
    report = Report()
    try:
        with Pymonik(**given):
            print("begun", flush=True)
            for _ in range(chance.randint(1, 3)):
                report.judge([pair for make in chance.sample(work, 3) for pair in make(chance)])
    except Exception as error:
        report.note(error)
    print(json.dumps(asdict(report)), flush=True)


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2] if len(sys.argv) > 2 else None)
