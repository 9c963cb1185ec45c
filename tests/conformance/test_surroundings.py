"""A task runs in the surroundings of its call: folder, variables, paths, arguments, filters."""

from __future__ import annotations

import locale
import logging
import os
import socket
import sys
import time
import warnings
from decimal import ROUND_UP, Decimal, Inexact, localcontext
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pymonik import Task, task

from .conftest import HERE, Connect

# A cluster has surroundings of its own: these are programs for the engines on this machine.


@task
def folder() -> str:
    return os.getcwd()


@task
def variable(name: str) -> str | None:
    return os.environ.get(name)


@task
def arguments() -> list[str]:
    return sys.argv


@task
def limit() -> int:
    return sys.getrecursionlimit()


@task
def hour() -> int:
    return time.localtime(0).tm_hour


@task
def warn() -> str:
    warnings.warn("careful", FutureWarning, stacklevel=1)
    return "went on"


@task
def import_late(name: str) -> int:
    return int(__import__(name).X)


@pytest.fixture(autouse=True)
def on_this_machine(backend: str) -> None:
    if backend not in HERE:
        pytest.skip("a cluster has surroundings of its own")


def test_the_working_folder_is_that_of_the_call(
    connect: Connect, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with connect():
        before, handles = os.getcwd(), [folder.invoke()]
        for name in ("a", "b", "a"):
            (tmp_path / name).mkdir(exist_ok=True)
            monkeypatch.chdir(tmp_path / name)
            handles.append(folder.invoke())
        monkeypatch.chdir(before)
        handles.append(folder.invoke())
        found = [h.get() for h in handles]
    assert found == [before, *(str(tmp_path / name) for name in "aba"), before]


def test_variables_are_those_of_the_call(connect: Connect, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GOES", "there")
    with connect():
        handles = [variable.invoke("MODE"), variable.invoke("GOES")]
        monkeypatch.setenv("MODE", "one")
        handles.append(variable.invoke("MODE"))
        monkeypatch.setenv("MODE", "two")
        monkeypatch.delenv("GOES")
        handles += [variable.invoke("MODE"), variable.invoke("GOES")]
        monkeypatch.delenv("MODE")
        handles.append(variable.invoke("MODE"))
        assert [h.get() for h in handles] == [None, "there", "one", "two", None, None]


def test_variables_of_an_environment_go_before_those_of_the_call(
    connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    fixed = task(variable.func, environment={"env_variables": {"MODE": "fixed"}})
    with connect():
        monkeypatch.setenv("MODE", "of the call")
        assert (fixed.invoke("MODE").get(), variable.invoke("MODE").get()) == (
            "fixed",
            "of the call",
        )


def test_modules_are_found_where_the_call_would_find_them(
    connect: Connect, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with connect():
        assert isinstance(import_late.invoke("late_module").exception(), ImportError)
        (tmp_path / "late_module.py").write_text("X = 5")
        monkeypatch.syspath_prepend(str(tmp_path))
        assert import_late.invoke("late_module").get() == 5
    sys.modules.pop("late_module", None)


def test_arguments_and_the_recursion_limit_go_along(
    connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = sys.getrecursionlimit()
    with connect():
        assert arguments.invoke().get() == sys.argv
        monkeypatch.setattr(sys, "argv", ["train.py", "--rate", "0.5"])
        changed = arguments.invoke()
        sys.setrecursionlimit(before + 123)
        deeper = limit.invoke()
        sys.setrecursionlimit(before)
        assert (changed.get(), deeper.get(), limit.invoke().get()) == (
            ["train.py", "--rate", "0.5"],
            before + 123,
            before,
        )


def test_warnings_are_filtered_as_where_the_call_was_made(connect: Connect) -> None:
    with connect():
        with warnings.catch_warnings():
            warnings.simplefilter("error", FutureWarning)
            strict = warn.invoke()
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "care.*", FutureWarning)
            lenient = warn.invoke()
        assert lenient.get() == "went on"
        assert isinstance(strict.exception(), FutureWarning)


def test_the_time_zone_is_set_and_put_back(
    connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    @task
    def moves() -> int:
        os.environ["TZ"] = "XXX-5"
        time.tzset()
        return time.localtime(0).tm_hour

    with connect():
        monkeypatch.setenv("TZ", "YYY-3")
        east = hour.invoke()
        monkeypatch.setenv("TZ", "ZZZ-7")
        assert (hour.invoke().get(), east.get()) == (7, 3)
        assert (moves.invoke().get(), hour.invoke().get()) == (5, 7)
    monkeypatch.undo()
    time.tzset()


def test_sub_tasks_have_the_surroundings_of_their_parent(
    connect: Connect, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    @task
    def parent() -> Any:
        return [folder.invoke(), variable.invoke("MODE")]

    with connect():
        monkeypatch.chdir(tmp_path)
        monkeypatch.setenv("MODE", "set")
        assert parent.invoke().get() == [str(tmp_path), "set"]


def test_calls_share_a_unit_as_long_as_nothing_changes(
    connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    with connect(workers=1) as client:
        monkeypatch.setenv("MODE", "one")
        first = [variable.invoke("MODE", pmk_chunk_size=4) for _ in range(4)]
        monkeypatch.setenv("MODE", "two")
        second = [variable.invoke("MODE", pmk_chunk_size=4) for _ in range(4)]
        assert [h.get() for h in (*first, *second)] == ["one"] * 4 + ["two"] * 4
        assert client.stats.units == 2


def test_a_folder_that_is_gone_keeps_no_call_from_running(
    connect: Connect, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with connect():
        (tmp_path / "gone").mkdir()
        monkeypatch.chdir(tmp_path / "gone")
        lost = variable.invoke("MODE")
        monkeypatch.chdir(tmp_path)
        (tmp_path / "gone").rmdir()
        assert lost.get() is None


@pytest.mark.parametrize("option", ["-O", "-Wignore", "-Xdev"])
def test_options_of_the_interpreter_hold_for_tasks(
    run_script: Any, backend: str, option: str
) -> None:
    source = """
import sys
from pymonik import Pymonik, task
@task
def flags(): return sys.flags.optimize, sys.flags.dev_mode, list(sys.warnoptions), __debug__
with Pymonik(workers=1):
    print(flags.invoke().get() == flags())
"""
    done = run_script(source, backend, args=(option, "script.py"))
    assert done.stdout == "True\n", done.stderr


@task
def extend_path(how: str) -> int:
    length = len(sys.path)
    if how == "list.extend":
        list.extend(sys.path, ["/added", "/added"])
    elif how == "insert":
        sys.path.insert(0, "/added")
    elif how == "rebind":
        sys.path = ["/added"]
    elif how == "double":
        list.extend(sys.path, list(sys.path))
    elif how == "replace":
        sys.path[0] = "/added"
    return length


@task
def added(folder: str) -> bool:
    return folder in sys.path


@pytest.mark.parametrize("how", ["list.extend", "insert", "rebind", "double", "replace"])
def test_what_a_call_adds_to_the_module_path_is_gone_behind_it(connect: Connect, how: str) -> None:
    path = sys.path
    before = list(path)
    with connect(workers=1):
        lengths = extend_path.map_invoke([how] * 4).get()
        assert len(set(lengths)) == 1
        assert added.map_invoke(["/added"] * 2).get() == [False, False]
    assert sys.path is path
    assert path == before


def test_what_a_package_adds_within_itself_stays(connect: Connect) -> None:
    folder = "/packages/site-packages/name/_vendor"

    @task
    def vendored(place: int) -> bool:
        if place == 0:
            sys.path.append(folder)
        return folder in sys.path

    before = list(sys.path)
    with connect(workers=1):
        assert vendored.map_invoke(range(3), pmk_chunk_size=3).get() == [True, True, True]
    sys.path[:] = before


# ----- arithmetic


@task
def seventh() -> str:
    return str(Decimal(1) / 7)


@task
def over_zero() -> float:
    return float(np.float64(1) / np.float64(0))


def test_decimals_are_as_exact_as_where_the_call_was_made(connect: Connect) -> None:
    with connect():
        before = seventh.invoke()
        with localcontext() as context:
            context.prec = 5
            short = seventh.invoke()
            context.rounding = ROUND_UP
            up = seventh.invoke()
            context.traps[Inexact] = True
            trapped = seventh.invoke()
        found = [h.get() for h in (before, short, up, seventh.invoke())]
        assert found == [str(Decimal(1) / 7), "0.14286", "0.14286", str(Decimal(1) / 7)]
        assert isinstance(trapped.exception(), Inexact)


def test_errors_of_floats_are_handled_as_where_the_call_was_made(connect: Connect) -> None:
    with connect():
        with np.errstate(divide="ignore"):
            ignored = over_zero.invoke()
        with np.errstate(divide="raise"):
            raised = over_zero.invoke()
        assert ignored.get() == float("inf")
        assert isinstance(raised.exception(), FloatingPointError)


SETTINGS = """
from decimal import Decimal, getcontext
from pymonik import Pymonik, task

getcontext().prec = 3

@task
def third(digits=None):
    if digits:
        getcontext().prec = digits
    return str(Decimal(1) / 3)

with Pymonik(workers=1):
    values = [third.invoke(digits).get() for digits in (None, 7, None)]
print(*values, Decimal(1) / 3)
"""


def test_what_a_script_has_set_holds_for_all_of_its_calls(run_script: Any, backend: str) -> None:
    done = run_script(SETTINGS, backend)
    assert done.stdout == "0.333 0.3333333 0.333 0.333\n", done.stderr


# ----- logging


@task
def logs() -> list[bool]:
    loggers = logging.getLogger("mine.own"), logging.getLogger()
    for logger in loggers:
        logger.info("told")
    return [logger.isEnabledFor(logging.INFO) for logger in loggers]


def test_levels_of_loggers_are_those_of_the_program(
    connect: Connect, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    own, root = logging.getLogger("mine.own"), logging.getLogger()
    monkeypatch.setattr(own, "level", logging.NOTSET)  # put back at the end
    monkeypatch.setattr(root, "level", logging.WARNING)
    for _ in range(2):  # executors of the first client may serve the second
        with connect(workers=1):
            assert logs.invoke().get() == [False, False]
            own.setLevel(logging.INFO)
            assert logs.invoke().get() == [True, False]
            root.setLevel(logging.DEBUG)
            assert logs.invoke().get() == [True, True]
            own.setLevel(logging.NOTSET)
            root.setLevel(logging.WARNING)
            assert logs.invoke().get() == [False, False]
    told = [r.name for r in caplog.records if r.name in ("mine.own", "root")]
    assert told == ["mine.own", "mine.own", "root"] * 2


@task
def executor() -> int:
    return os.getpid()


def test_a_default_timeout_of_sockets_ends_no_executor(
    connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("A_VARIABLE", "of executors that start now")
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(30)
    try:
        with connect(workers=1):
            assert len({executor.invoke().get() for _ in range(4)}) == 1
    finally:
        socket.setdefaulttimeout(before)


# ----- settings of the process


@task
def settings_here() -> tuple[str, int, float | None]:
    return locale.setlocale(locale.LC_ALL), int(digits_limit()), socket.getdefaulttimeout()


def digits_limit() -> int:
    return int(getattr(sys, "get_int_max_str_digits", int)())


@task
def set_others() -> None:
    locale.setlocale(locale.LC_ALL, "C")
    socket.setdefaulttimeout(1)


def test_locale_digits_and_timeouts_are_as_where_the_call_was_made(
    connect: Connect, backend: str
) -> None:
    before = locale.setlocale(locale.LC_ALL), digits_limit(), socket.getdefaulttimeout()
    try:
        with connect(workers=1):
            assert settings_here.invoke().get() == before
            locale.setlocale(locale.LC_ALL, "POSIX" if "UTF" in before[0] else "C.UTF-8")
            locale.setlocale(locale.LC_TIME, "C")
            if hasattr(sys, "set_int_max_str_digits"):
                sys.set_int_max_str_digits(0)
            socket.setdefaulttimeout(7)
            now = locale.setlocale(locale.LC_ALL), digits_limit(), 7
            assert now != before
            assert settings_here.invoke().get() == now
            if backend == "local":  # inline, the process is the program's own
                set_others.invoke().get()
            assert settings_here.invoke().get() == now
            assert (locale.setlocale(locale.LC_ALL), socket.getdefaulttimeout()) == (now[0], 7)
    finally:
        locale.setlocale(locale.LC_ALL, before[0])
        if hasattr(sys, "set_int_max_str_digits"):
            sys.set_int_max_str_digits(before[1])
        socket.setdefaulttimeout(before[2])


@pytest.mark.skipif(np.lib.NumpyVersion(np.__version__) < "2.1.0", reason="one for all threads")
def test_arrays_are_written_as_where_the_call_was_made(connect: Connect) -> None:
    with connect(workers=1):
        write = Task(lambda: str(np.array([1 / 3])), func_name="write")
        before = write.invoke()
        with np.printoptions(precision=2):
            short = write.invoke()
        found = [handle.get() for handle in (before, short, write.invoke())]
        assert found == ["[0.33333333]", "[0.33]", "[0.33333333]"]
