"""The examples in the docstrings of public names run, and print what stands below them."""

from __future__ import annotations

import asyncio
import doctest
import inspect
import logging
import re
import sys
import tempfile
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest

import pymonik
from pymonik import Pymonik
from pymonik.client.plan_view import GraphView, PlanView
from pymonik.client.progress import Progress
from pymonik.emulator import Emulator, Faults, KillWorker
from pymonik.environment.parse import parse
from pymonik.environment.task_environment import TaskEnvironment
from pymonik.record.completed import Completed
from pymonik.record.task_logger import TaskLogger
from pymonik.system.other_names import _OtherName
from pymonik.testing import assert_requests

# What users are handed, and do not import.
HANDED = (GraphView, PlanView, Progress, TaskEnvironment)
# The same, of which the class is shown, and not each method that others have named.
WHOLE = (Completed, TaskLogger)
# What tests of users import: examples of it run on an emulator.
TESTING = {"assert_requests": assert_requests, "Emulator": Emulator, "Faults.add": Faults.add}
PUBLIC = {name: getattr(pymonik, name) for name in pymonik.__all__}
# What an example may use without importing it. Tasks of an example travel by value, as those of a
# script do.
NAMES = {
    **PUBLIC,
    "__name__": "__main__",
    "asyncio": asyncio,
    "assert_requests": assert_requests,
    "Emulator": Emulator,
    "KillWorker": KillWorker,
    "logging": logging,
    "TaskLogger": TaskLogger,
    "parse": parse,
    "Progress": Progress,
    "TaskEnvironment": TaskEnvironment,
    "sys": sys,
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
    yield from ((cls.__name__, cls) for cls in WHOLE)
    yield from TESTING.items()
    for cls in HANDED:
        own = ((name, member) for name, member in vars(cls).items() if not name.startswith("_"))
        yield from ((f"{cls.__name__}.{name}", member) for name, member in own)


DOCUMENTED = dict(_documented())
# Names of others, which raise; and the parts of a client, for handles to ask.
HIDDEN = (_OtherName, type(inspect.getattr_static(Pymonik, "parts")))
METHODS = {
    name: obj
    for name, obj in DOCUMENTED.items()
    if "." in name and (inspect.isfunction(obj) or type(obj) in (property, classmethod))
}
# What needs no example, and why.
WITHOUT = {
    "run_pymonik_worker": "serves until it is stopped",
    "Pymonik.attach": "needs a cluster: tests/conformance/test_threads.py attaches to one",
    "MultiResultHandle.of_run": "is called by recorders, with nodes",
    "GraphView.of": "is called by clients, with what they have compiled",
    "PlanView.of": "is called by clients, with what they have compiled",
    "TaskEnvironment.install": "needs an index of packages: see docs/environments.md",
    "TaskEnvironment.install_package": "needs an index of packages, too",
    "TaskEnvironment.close": "is called by executors, when a call has ended",
    "TaskEnvironment.get_python_executable": "what `python` gives, for programs of 0.2.5",
    "TaskEnvironment.get_venv_path": "for programs of 0.2.5",
    "MultiResultHandle.result_handles": "what list(handles) gives, for programs of 0.2.5",
}
# What another example shows.
SHOWN = {
    "MultiResultHandle.count": "MultiResultHandle.index",
    "MultiResultHandle.done": "MultiResultHandle.wait",
    "MultiResultHandle.extend": "MultiResultHandle.append",
    "Pymonik.create": "Pymonik.close",
    "Pymonik.pending": "Pymonik.flush",
    "Pymonik.session_id": "ResultHandle.session_id",
    "PymonikContext.get_object_path": "PymonikContext.retrieve_object",
    "PymonikContext.object_exists_locally": "PymonikContext.retrieve_object",
    "PymonikContext.seed": "PymonikContext.from_local",
    "ResultHandle.done": "ResultHandle.wait",
}
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
    if example.name not in TESTING:
        monkeypatch.setenv("PYMONIK_BACKEND", "inline")
    printed: list[str] = []
    result = doctest.DocTestRunner().run(example, out=printed.append)
    assert result.failed == 0, "".join(printed)


def test_each_public_function_class_and_method_has_an_example() -> None:
    classes = {cls.__name__ for cls in WHOLE}
    lacking = {*PUBLIC, *METHODS, *classes, *TESTING} - {example.name for example in EXAMPLES}
    assert lacking == {*WITHOUT, *SHOWN}


@pytest.mark.parametrize("name", SHOWN)
def test_what_has_no_example_of_its_own_is_used_in_another(name: str) -> None:
    (other,) = (example for example in EXAMPLES if example.name == SHOWN[name])
    method = re.compile(rf"\.{name.rpartition('.')[2]}\b")
    assert any(method.search(line.source) for line in other.examples)


def test_each_public_function_and_class_says_what_it_does() -> None:
    documented = {**PUBLIC, **METHODS}
    assert [name for name, obj in documented.items() if not inspect.getdoc(obj)] == []


def test_each_other_public_attribute_is_described_by_its_class() -> None:
    unsaid = [
        f"{name}.{attribute}"
        for name, cls in PUBLIC.items()
        for attribute in (dir(cls) if inspect.isclass(cls) else ())
        if not attribute.startswith("_")
        and f"{name}.{attribute}" not in METHODS
        and not isinstance(inspect.getattr_static(cls, attribute), HIDDEN)
        and not re.search(rf"\b{attribute}\b", inspect.getdoc(cls) or "")
    ]
    # The docstring has them in one: "the `application_…` fields".
    assert [name for name in unsaid if not name.startswith("TaskOptions.application_")] == []
