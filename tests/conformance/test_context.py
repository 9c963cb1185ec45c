"""What a task learns of its own call, and how it logs."""

from __future__ import annotations

import logging
import os
from typing import Any

import pytest

from pymonik import Pymonik, PymonikContext, Task, get_context, task
from tests.conftest import Ledger

from .programs import inc


@task(require_context=True)
def described(ctx: PymonikContext, x: int = 0) -> tuple[Any, ...]:
    return type(ctx).__name__, ctx.task_name, ctx.attempt, ctx.element, x


def test_a_task_that_requires_it_gets_the_context_first(client: Pymonik) -> None:
    assert described.invoke().get() == ("PymonikContext", "described", 1, None, 0)
    assert described.invoke(5).get()[-1] == 5
    assert described.invoke(x=6).get()[-1] == 6


def test_the_context_is_no_part_of_the_signature_of_a_call(client: Pymonik) -> None:
    with pytest.raises(TypeError):
        described.invoke(1, 2)


def test_an_element_knows_its_place(client: Pymonik) -> None:
    values = described.map_invoke([10, 20, 30]).get()
    assert [(v[3], v[4]) for v in values] == [(0, 10), (1, 20), (2, 30)]


def test_a_task_made_of_a_function_may_require_the_context(client: Pymonik) -> None:
    named = Task(lambda ctx: ctx.task_name, func_name="mine", require_context=True)
    assert named.invoke().get() == "mine"


def test_get_context_gives_the_context_of_the_running_call(client: Pymonik) -> None:
    @task
    def where(x: int) -> tuple[Any, ...]:
        ctx = get_context()
        return ctx.task_name, ctx.attempt, ctx.element, x

    assert where.invoke(1).get() == ("where", 1, None, 1)
    assert where.map_invoke([5, 6]).get() == [("where", 1, 0, 5), ("where", 1, 1, 6)]


def test_get_context_in_a_function_called_by_a_task(client: Pymonik) -> None:
    def helper() -> str:
        return get_context().task_name

    assert Task(lambda: helper(), func_name="caller").invoke().get() == "caller"


def test_get_context_outside_a_task_says_so() -> None:
    with pytest.raises(RuntimeError, match="task"):
        get_context()


def test_fused_calls_keep_their_own_names(client: Pymonik) -> None:
    def name(*_: Any) -> str:
        return get_context().task_name

    first, second = Task(name, func_name="first"), Task(name, func_name="second")
    a = first.invoke()
    b = second.invoke(a)
    assert (a.get(), b.get()) == ("first", "second")


def test_an_attempt_is_counted(client: Pymonik, ledger: Ledger) -> None:
    @task(retries=2)
    def third_time(path: str) -> int:
        attempt = get_context().attempt
        with open(path, "a") as lines:
            lines.write(f"{attempt}\n")
        if attempt < 3:
            raise RuntimeError("again")
        return attempt

    assert third_time.invoke(ledger.path).get() == 3
    assert ledger.lines() == ["1", "2", "3"]


@pytest.mark.parametrize("level", ["debug", "info", "warning", "error", "exception", "critical"])
def test_the_logger_takes_keywords(client: Pymonik, level: str) -> None:
    @task(require_context=True)
    def my_task(ctx: PymonikContext) -> str:
        getattr(ctx.logger, level)("This is a log", my_keyword="hello", count=3)
        getattr(ctx.logger, level)("as %s in %s", "usual", "Python")
        getattr(ctx.logger, level)("%s with %d%%", "both", 10, my_keyword="hello")
        return "logged"

    assert my_task.invoke().get() == "logged"


# On a cluster logs go to the worker's own output.
@pytest.mark.parametrize("engine", ["inline", "local"])
def test_what_a_task_logs_reaches_the_loggers_of_the_client(
    engine: str, caplog: pytest.LogCaptureFixture
) -> None:
    @task(require_context=True)
    def talkative(ctx: PymonikContext, x: int) -> None:
        ctx.logger.warning("careful now: %s at 10%%", "you", strike=42)
        ctx.logger.warning("100% sure", strike=42)

    caplog.set_level(logging.INFO, logger="pymonik")
    with Pymonik(backend=engine, workers=2):
        talkative.map_invoke([1, 2])
    records = [r for r in caplog.records if "careful now: you at 10%" in r.getMessage()]
    assert len(records) == 2
    assert caplog.text.count("100% sure") == 2
    assert all(r.levelno == logging.WARNING for r in records)
    assert "talkative" in caplog.text
    assert "42" in caplog.text


def test_the_context_of_a_plain_call_is_made_here() -> None:
    name, task_name, attempt, element, x = described(x=3)
    assert (name, task_name, attempt, element, x) == ("PymonikContext", "described", 1, None, 3)


@pytest.mark.shares_files
def test_the_working_directory_and_variables_are_restored_after_each_call(
    client: Pymonik, tmp_path: Any
) -> None:
    @task
    def messy(path: str) -> tuple[str, str | None]:
        before = os.getcwd(), os.environ.get("PYMONIK_TEST_MESS")
        os.chdir(path)
        os.environ["PYMONIK_TEST_MESS"] = "left"
        os.environ.pop("HOME", None)
        return before

    places = Task(lambda: (os.getcwd(), os.environ.get("HOME")), func_name="places")
    ours = os.getcwd(), os.environ.get("HOME")
    theirs = places.invoke().get()
    # Workers of a cluster may have been started elsewhere.
    assert theirs == ours or client.parts.engine.traits.is_remote
    handles = [messy.invoke(str(tmp_path)) for _ in range(3)]
    handles += list(messy.map_invoke([str(tmp_path)] * 3))
    assert [h.get() for h in handles] == [(theirs[0], None)] * 6
    assert places.invoke().get() == theirs
    assert (os.getcwd(), os.environ.get("PYMONIK_TEST_MESS")) == (ours[0], None)


def test_a_vanished_working_directory_harms_nobody(client: Pymonik, tmp_path: Any) -> None:
    @task
    def vanish(path: str) -> None:
        os.makedirs(path)
        os.chdir(path)
        os.rmdir(path)

    handles = [vanish.invoke(str(tmp_path / str(i))) for i in range(3)]
    assert [h.get() for h in handles] == [None] * 3
    assert inc.invoke(1).get() == 2


def test_a_task_called_plainly_has_a_context_that_lasts_as_long_as_the_call() -> None:
    @task
    def asks() -> tuple[str, int, bool]:
        context = get_context()
        return context.task_name, context.attempt, context is get_context()

    @task(require_context=True)
    def is_given(ctx: PymonikContext) -> bool:
        return ctx is get_context()

    assert asks() == ("asks", 1, True)
    assert is_given()  # type: ignore[call-arg]
    with pytest.raises(RuntimeError, match="no task runs here"):
        get_context()


def test_a_task_called_plainly_in_a_task_has_the_context_of_that(client: Pymonik) -> None:
    @task
    def inner() -> str:
        return get_context().task_name

    @task
    def outer() -> str:
        return inner()

    assert outer.invoke().get() == "outer"
