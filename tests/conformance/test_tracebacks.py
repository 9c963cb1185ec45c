"""The story shows the user's source lines, also where the worker has never seen the files.

Each program removes its own files before any of its calls runs.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import cloudpickle
import pytest

from pymonik import Pymonik, Task
from tests.conformance.conftest import story

HEAD = "import os\nfrom pymonik import Pymonik, Task, task\n"
SHOW = """
with Pymonik():
    handles = calls()
    for file in REMOVED:
        os.remove(file)
    for handle in handles:
        error = handle.exception()
        told = [line.strip(' |') for line in error.__cause__.traceback.splitlines()]
        print(*[f"{at.split(',')[1]}: {line}" for at, line in zip(told, told[1:])
                if at.startswith('File "') and NAME in at], sep="\\n")
"""


def shown(
    run_script: Any, backend: str, source: str, name: str = "script.py", **files: str
) -> list[str]:
    removed = ["script.py", *(file.replace("__", ".") for file in files)]
    ending = SHOW.replace("REMOVED", repr(removed)).replace("NAME", repr(name))
    done = run_script(HEAD + source + ending, backend, **files)
    assert done.returncode == 0, done.stderr
    return [str(line).strip() for line in done.stdout.splitlines()]


def test_functions_lambdas_and_methods_of_a_script_that_is_gone(
    run_script: Any, backend: str
) -> None:
    source = """
class Model:
    def solve(self, x):
        return 1 / x  # in a method
@task
def solved(model, x):
    return model.solve(
        x)
def helper(x):
    return 2 / x  # in a helper
@task
def helped(x):
    def inner():
        return helper(x)
    return inner()
def calls():
    short = Task(lambda x: 3 / x, func_name="short")
    return [solved.invoke(Model(), 0), helped.invoke(0), short.invoke(0)]
"""
    assert shown(run_script, backend, source) == [
        "line 9: return model.solve(",
        "line 6: return 1 / x  # in a method",
        "line 17: return inner()",
        "line 16: return helper(x)",
        "line 12: return 2 / x  # in a helper",
        'line 19: short = Task(lambda x: 3 / x, func_name="short")',
    ]


def test_functions_of_modules_beside_the_script(run_script: Any, backend: str) -> None:
    module = "class Odd:\n    def fails(self, x):\n        return 1 / x  # the culprit\n"
    module += "def plain(x):\n    return Odd().fails(x)\n"
    source = """
import beside
from beside import plain
@task
def whole(x):
    return beside.plain(x)
def calls():
    return [whole.invoke(0), Task(plain).invoke(0)]
"""
    lines = ["line 5: return Odd().fails(x)", "line 3: return 1 / x  # the culprit"]
    assert shown(run_script, backend, source, "beside.py", beside__py=module) == 2 * lines


def test_members_of_a_group_and_what_they_were_raised_from(run_script: Any, backend: str) -> None:
    if sys.version_info < (3, 11):
        pytest.skip("exception groups came with Python 3.11")
    source = """
@task
def many(x):
    try:
        1 / x  # first
    except ZeroDivisionError as error:
        group = ExceptionGroup("many", [error])
    raise ValueError(x) from group  # second
def calls():
    return [many.invoke(0)]
"""
    lines = ["line 7: 1 / x  # first", "line 10: raise ValueError(x) from group  # second"]
    assert shown(run_script, backend, source) == lines


def test_what_has_no_file_is_shown_without_lines(client: Pymonik) -> None:
    scope: dict[str, Callable[[int], float]] = {}
    exec("def nameless(x):\n    return 1 / x\n", scope)
    text = story(Task(scope["nameless"], func_name="nameless").invoke(0)).traceback
    assert 'File "<string>", line 2, in nameless\nZeroDivisionError' in text


def test_a_notebook_cell_is_shown_with_its_line(client: Pymonik) -> None:
    import linecache

    # What a notebook does: a name that is no file, with the text of the cell beside it.
    text = "def cell(x):\n    return 1 / x  # of the cell\n"
    name = "<ipython-input-1-traceback>"
    linecache.cache[name] = (len(text), None, text.splitlines(True), name)
    scope: dict[str, Callable[[int], float]] = {}
    exec(compile(text, name, "exec"), scope)
    handle = Task(scope["cell"], func_name="cell").invoke(0)
    trace = story(handle).traceback
    assert f'File "{name}", line 2, in cell\n    return 1 / x  # of the cell\n' in trace


def test_the_file_is_told_though_cloudpickle_leaves_it_out(
    client: Pymonik, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As its releases since 3.1.3 do."""
    reduce = cloudpickle.cloudpickle._code_reduce

    def without_file(code: Any) -> Any:
        make, args = reduce(code)
        return make, tuple("<dynamic-code>" if arg == code.co_filename else arg for arg in args)

    monkeypatch.setattr(cloudpickle.cloudpickle, "_code_reduce", without_file)
    trace = story(Task(lambda x: 1 / x, func_name="lost").invoke(0)).traceback
    assert f'File "{__file__}"' in trace
    assert 'Task(lambda x: 1 / x, func_name="lost")' in trace
