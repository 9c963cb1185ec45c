"""What can be known to go wrong before anything is sent."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pymonik import Pymonik, Task, task
from pymonik.analysis import check as checks
from pymonik.analysis.check import check
from pymonik.analysis.session.diff import tasks_of_plans
from pymonik.capture.dependencies import brought_by, imported
from pymonik.cli.cost import _of_partitions
from pymonik.settings import settings

Command = Callable[..., "subprocess.CompletedProcess[str]"]


@task
def read(source: Any, *more: Any) -> int:
    return len(source)


@pytest.fixture
def client() -> Iterator[Pymonik]:
    client = Pymonik(backend="dry-run", partition=["cpu", "gpu"])
    yield client
    client.cancel()


def found(client: Pymonik, **seconds: float) -> list[tuple[str, str]]:
    return [(finding.level, finding.rule) for finding in check(client.plan(), seconds)]


def test_a_sound_plan_has_no_findings(client: Pymonik) -> None:
    kept = read.invoke("a/path/that/is/not/here", [1, 2], pymonik=client)
    assert found(client) == []
    del kept


@pytest.mark.parametrize("shape", ["alone", "listed", "twice"])
def test_a_path_object_is_named_whole(client: Pymonik, shape: str) -> None:
    path = Path(__file__)
    # "/" and "tests" by themselves are there as well, and are no findings.
    hidden: Any = {"alone": path, "listed": [path.name, path], "twice": {"a": path, "b": [path]}}
    kept = read.invoke(hidden[shape], pymonik=client)
    (finding,) = check(client.plan())
    assert f"the path {str(path)!r}," in finding.text
    del kept


@pytest.mark.parametrize("shape", ["plain", "tuple", "list", "dict", "map", "each"])
def test_a_path_of_this_machine_is_found_wherever_it_hides(client: Pymonik, shape: str) -> None:
    text = str(Path(__file__))
    if shape in ("map", "each"):
        values: list[Any] = ["x", text] if shape == "map" else [["x"], [text]]
        kept: Any = read.map_invoke(values, pymonik=client)
    else:
        hidden = {"plain": text, "tuple": (1, text), "list": [text], "dict": {"file": text}}[shape]
        kept = read.invoke(hidden, pymonik=client)
    (finding,) = check(client.plan())
    assert (finding.level, finding.rule) == ("warning", "local path")
    assert repr(text) in finding.text
    assert finding.site.startswith(__file__)
    del kept


def test_a_huge_value_is_named_with_its_size(
    client: Pymonik, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checks, "_HUGE", 1000)
    kept = read.invoke("x", np.zeros(1000), pymonik=client)
    mapped = read.map_invoke([(np.zeros(1000),), ("y",)], pymonik=client)
    object = client.put(np.zeros(2000), name="curve")
    findings = check(client.plan())
    assert {finding.rule for finding in findings} == {"huge value"}
    assert [finding.text.partition(":")[0] for finding in findings] == [
        "read takes as 'more'",
        "read takes as 'source'",
        "the object put",
    ]
    del kept, mapped, object


def test_the_argument_that_is_a_path_is_named(client: Pymonik) -> None:
    kept = read.invoke("x", "y", __file__, pymonik=client)
    (finding,) = check(client.plan())
    assert finding.text.startswith(f"read is given as argument 3 the path {__file__!r}")
    del kept


def test_the_file_of_code_that_travels_is_no_path(client: Pymonik) -> None:
    class Local:
        def method(self) -> int:
            return 1

    kept = read.invoke([Local(), lambda: 1], pymonik=client)
    assert found(client) == []
    del kept


def test_a_partition_the_session_has_not_is_an_error(client: Pymonik) -> None:
    kept = read.invoke("x", pmk_partition="moon", pymonik=client)
    (finding,) = check(client.plan())
    assert (finding.level, finding.rule) == ("error", "partition")
    assert "'moon', the session has 'cpu', 'gpu'" in finding.text
    del kept


def test_a_partition_of_a_session_that_names_none_is_the_default_one() -> None:
    client = Pymonik(backend="dry-run")
    kept = read.invoke("x", pmk_partition="gpu", pymonik=client)
    (finding,) = check(client.plan())
    assert "'gpu', the session has 'pymonik'" in finding.text
    client.cancel()
    del kept


def test_durations_of_earlier_runs_count(client: Pymonik) -> None:
    kept = read.invoke("x", pmk_max_duration=60, pymonik=client)
    assert check(client.plan(), remembered=lambda spec: 59.0) == []
    (finding,) = check(client.plan(), remembered=lambda spec: 61.0)
    assert "lasted in earlier runs 61 s, and max_duration stops it after 60 s" in finding.text
    assert check(client.plan(), {"read": 1.0}, lambda spec: 61.0) == []
    del kept


def test_a_limit_below_the_expected_seconds_is_an_error(client: Pymonik) -> None:
    kept = read.invoke("x", pmk_max_duration=60, pymonik=client)
    assert found(client, read=59.0) == []
    assert found(client, read=61.0) == [("error", "max_duration")]
    del kept


def test_a_module_that_the_environment_does_not_bring_is_named(client: Pymonik) -> None:
    lacking = Task(read.func, func_name="lacking", environment={"pip": ["packaging"]})
    summed = Task(lambda x: np.sum(x), func_name="summed", environment={"pip": ["packaging"]})
    brought = Task(lambda x: np.sum(x), func_name="brought", environment={"pip": ["pandas"]})
    kept = [one.invoke("x", pymonik=client) for one in (lacking, summed, brought)]
    (finding,) = check(client.plan())
    assert (finding.level, finding.rule) == ("warning", "missing module")
    assert "summed needs the module 'numpy'" in finding.text
    del kept


def test_another_python_is_an_error(client: Pymonik) -> None:
    old = Task(read.func, func_name="old", environment={"python": "<3.5"})
    kept = old.invoke("x", pymonik=client)
    assert found(client) == [("error", "Python version")]
    del kept


def test_imports_inside_functions_and_helpers_count() -> None:
    def helper() -> Any:
        import pandas as pd

        return pd.DataFrame()

    def outer() -> Any:
        import json

        return json, helper()

    assert imported(outer) == {"pandas"}


def test_a_package_brings_what_it_needs() -> None:
    assert {"pandas", "numpy", "dateutil"} <= brought_by(["pandas>=1"])
    assert brought_by(["no-such-package"]) == {"no_such_package"}


UNPICKLABLE = """
import threading
from pymonik import Pymonik, task

@task
def add(a):
    return a

with Pymonik():
    add.invoke({"lock": threading.Lock()})
"""


def test_what_cannot_be_recorded_is_a_finding_with_its_line(pymonik_command: Command) -> None:
    done = pymonik_command("graph", "check", "-o", "json", "bad.py", bad=UNPICKLABLE)
    assert done.returncode == 1
    (finding,) = json.loads(done.stdout)["findings"]
    assert (finding["level"], finding["site"]) == ("error", "bad.py:10")
    assert "['lock']" in finding["text"]


@pytest.mark.parametrize(
    ("call", "words"),
    [
        ("add.invoke(1, pmk_priority=11)", "priority takes a whole number from 1 to 10, not 11"),
        ("add.invoke(Pymonik().put(1))", "another client"),
        ("add.invoke(add.invoke(1, pymonik=Pymonik()))", "another client"),
        ("add.invoke(1, 2)", "too many positional arguments"),
    ],
)
def test_what_a_call_refuses_is_a_finding(pymonik_command: Command, call: str, words: str) -> None:
    source = UNPICKLABLE.replace('add.invoke({"lock": threading.Lock()})', call)
    done = pymonik_command("graph", "check", "-o", "json", "bad.py", bad=source)
    assert done.returncode == 1
    (finding,) = json.loads(done.stdout)["findings"]
    assert finding["site"] == "bad.py:10"
    assert words in finding["text"]


WARNED = """
from pymonik import Pymonik, task

@task
def read(path):
    return path

with Pymonik():
    print(read.invoke(__file__ if "/" in __file__ else "./" + __file__).get())
"""


@pytest.mark.parametrize(("flags", "code"), [((), 0), (("--strict",), 1)])
def test_warnings_end_with_1_only_when_strict(
    pymonik_command: Command, flags: tuple[str, ...], code: int
) -> None:
    done = pymonik_command("graph", "check", *flags, "warned.py", warned=WARNED)
    assert done.returncode == code
    assert "warning: local path at warned.py:9" in done.stdout
    assert "1 finding" in done.stdout


def test_seconds_of_a_task_that_is_not_called_are_wrong_usage(pymonik_command: Command) -> None:
    done = pymonik_command("graph", "check", "--seconds", "reed=3", "warned.py", warned=WARNED)
    assert done.returncode == 2
    assert "no task 'reed' is called" in done.stderr


def test_a_script_that_fails_by_itself_shows_its_traceback(pymonik_command: Command) -> None:
    done = pymonik_command("graph", "check", "bad.py", bad="1 / 0\n")
    assert done.returncode == 1
    assert done.stderr.startswith("Traceback")


def test_a_partition_that_a_variable_names_is_the_default_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("PYMONIK_PARTITION", "gpu")
    settings.cache_clear()
    client = Pymonik(backend="dry-run")
    try:
        kept = [read.invoke("x", pmk_partition=name, pymonik=client) for name in ("gpu", "pymonik")]
        plan = client.plan()
        (finding,) = check(plan)
        assert "'pymonik', the session has 'gpu'" in finding.text
        facts = [dict(task.facts)["partition"] for task in tasks_of_plans([plan])]
        assert facts == ["gpu", "pymonik"]
        assert _of_partitions({"gpu": 3, "pymonik": 2}, [plan]) == {"gpu": 3, "pymonik": 2}
        nameless = read.invoke("y", pymonik=client)
        assert _of_partitions({"gpu": 3, "pymonik": 2}, [client.plan()])[""] == 3
    finally:
        client.cancel()
        settings.cache_clear()
    del kept, nameless
