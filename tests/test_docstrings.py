"""The examples in the docstrings of public names run, and print what stands below them."""

from __future__ import annotations

import doctest
import inspect
import tempfile
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest

import pymonik
from pymonik.environment.parse import parse

PUBLIC = {name: getattr(pymonik, name) for name in pymonik.__all__}
# What an example may use without importing it. Tasks of an example travel by value, as those of a
# script do.
NAMES = {
    **PUBLIC,
    "__name__": "__main__",
    "parse": parse,
    "tempfile": tempfile,
    "timedelta": timedelta,
}


def _documented() -> Iterator[tuple[str, Any]]:
    yield "parse", parse
    for name, obj in PUBLIC.items():
        yield name, obj
        for attribute in dir(obj) if inspect.isclass(obj) else ():
            member = inspect.getattr_static(obj, attribute)
            if not attribute.startswith("_") and hasattr(member, "__doc__"):
                yield f"{name}.{attribute}", member


DOCUMENTED = dict(_documented())
EXAMPLES = [
    example
    for name, obj in DOCUMENTED.items()
    for example in doctest.DocTestFinder(recurse=False).find(obj, name, module=False, globs=NAMES)
    if example.examples
]


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example.name)
def test_an_example_prints_what_stands_below_it(
    example: doctest.DocTest, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYMONIK_BACKEND", "inline")
    printed: list[str] = []
    result = doctest.DocTestRunner().run(example, out=printed.append)
    assert result.failed == 0, "".join(printed)


def test_each_public_function_and_class_has_an_example() -> None:
    # A worker serves until it is stopped; a `Materialize` is made by `materialize`.
    others = {"run_pymonik_worker", "Materialize"}
    assert set(PUBLIC) - {example.name for example in EXAMPLES} == others


def test_each_public_function_says_what_it_does() -> None:
    kinds = (property, classmethod, staticmethod)
    functions = {
        name: obj
        for name, obj in DOCUMENTED.items()
        if inspect.isroutine(obj) or type(obj) in kinds
    }
    assert [name for name, obj in functions.items() if not inspect.getdoc(obj)] == []
