"""The law of known values: `python -m tests.cache.law --edits 500` in an empty folder.

Runs random programs, edits each in one place, and compares what the task gives with a store of the
values of before with what its function gives when it is just called. A program that is not edited
must find its values. Prints one line of JSON.
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import random
import shutil
import signal
import sys
import warnings
from pathlib import Path
from typing import Any

from .edits import edited
from .programs import Program, program

_EDITS_EACH = 5
_X = 3
# Of computing, which no part takes a hundredth of.
_SECONDS = 2.0


def load(source: Program) -> Any:
    """Run a program as a script in this folder; give its task."""
    for name, text in source.sources.items():
        if name != "main":
            sys.modules.pop(name, None)
            Path(f"{name}.py").write_text(text)
    importlib.invalidate_caches()
    space: dict[str, Any] = {"__name__": "__main__"}
    exec(compile(source.sources["main"], "script.py", "exec"), space)
    return space["answer"]


def called(source: Program) -> str | None:
    """Give what the function gives when it is just called; None when that is no value."""
    signal.setitimer(signal.ITIMER_VIRTUAL, _SECONDS)  # an edit may make a loop endless
    try:
        value = repr(load(source).func(_X))
        return None if " at 0x" in value else value  # an address is another one each time
    except Exception:
        return None
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)


def known(source: Program) -> tuple[str | None, int]:
    """Give what the task gives, None when it cannot be sent; and how many values were known."""
    from pymonik import Pymonik
    from pymonik.errors import CaptureError

    with Pymonik(backend="inline") as client:
        try:
            handle = load(source).invoke(_X)
        except CaptureError:
            return None, 0
        error = handle.exception()
        return (repr(handle.get()) if error is None else repr(error)), client.stats.reused


def law(edits: int, seed: int) -> dict[str, Any]:
    """Try edits that change a value; give what was found."""
    chance = random.Random(seed)
    told: dict[str, Any] = {"edits": 0, "silent": 0, "stale": [], "lost": [], "odd": []}
    while told["edits"] < edits:
        before = program(chance)
        first = called(before)
        if first is None:
            raise AssertionError("a program that was not edited fails\n" + before.sources["main"])
        os.environ["PYMONIK_VALUES_FOLDER"] = "values"
        value, _ = known(before)
        if value != first:
            told["odd"].append([value, first, before.sources])
        value, reused = known(before)
        if not reused:
            told["lost"].append(before.sources)
        for _ in range(_EDITS_EACH):
            try_edit(edited(chance, before), first, told)
        shutil.rmtree("values", ignore_errors=True)
    return told


def try_edit(after: Program, first: str, told: dict[str, Any]) -> None:
    """Compare an edited program with itself, once with the values of before."""
    expected = called(after)
    if expected is None:
        return
    value, _ = known(after)
    if value is None:
        return
    told["edits" if expected != first else "silent"] += 1
    if value != expected:
        told["stale" if value == first else "odd"].append([value, expected, after.sources])


def _give_up(*_: object) -> None:
    raise TimeoutError("this program does not end")


def main() -> None:
    """Try some edits in this folder and print what was found."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--edits", type=int, default=500)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    sys.path.insert(0, os.getcwd())
    sys.dont_write_bytecode = True
    signal.signal(signal.SIGVTALRM, _give_up)
    warnings.simplefilter("ignore")  # of edited programs, which nobody would write
    print(json.dumps(law(given.edits, given.seed)))


if __name__ == "__main__":
    main()
