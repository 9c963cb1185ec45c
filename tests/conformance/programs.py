"""Small tasks that many conformance programs share."""

from __future__ import annotations

import os
from typing import Any

from pymonik import task


@task
def add(a: Any, b: Any) -> Any:
    return a + b


@task
def square(x: Any) -> Any:
    return x * x


@task
def inc(x: int) -> int:
    return x + 1


@task
def identity(x: Any) -> Any:
    return x


@task
def total(xs: Any) -> Any:
    return sum(xs)


@task
def divide(a: float, b: float) -> float:
    return a / b


@task
def note(path: str, line: Any, value: Any = None) -> Any:
    """Append a line to the ledger at `path`: the effect shows that this body ran."""
    with open(path, "a") as ledger:
        ledger.write(f"{line}\n")
    return value


@task
def attempt(path: str) -> int:
    """Note one more attempt and return how many there have been."""
    with open(path, "a") as ledger:
        ledger.write("attempt\n")
    with open(path) as ledger:
        return len(ledger.readlines())


@task
def pass_gate(path: str, value: Any = None) -> Any:
    """Block until the gate at `path` is opened."""
    with open(path) as gate:
        gate.read()
    return value


@task
def process_id(_: Any = None) -> int:
    return os.getpid()


@task
def pair(a: Any, b: Any) -> tuple[Any, Any]:
    return a, b
