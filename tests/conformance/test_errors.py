"""Errors tell the story: type, task, call site, element, remote traceback, path."""

from __future__ import annotations

import inspect
import os
import threading
from typing import Any

import pytest

from pymonik import Pymonik, Task, task
from pymonik.errors import TaskFailed

from .conftest import story
from .programs import divide, identity, square


def here() -> int:
    frame = inspect.currentframe()
    return frame.f_back.f_lineno  # type: ignore[union-attr]


class OddError(Exception):
    """Its constructor takes what its `args` do not hold: pickle cannot rebuild it."""

    def __init__(self, left: int, right: int) -> None:
        super().__init__(f"odd pair {left} {right}")


class CodedError(Exception):
    def __init__(self, message: str, code: int) -> None:
        super().__init__(message, code)
        self.code = code


class Coded(Exception):
    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code


class OnlyKeywords(OSError):
    __slots__ = ("kind",)

    def __init__(self, *, kind: str) -> None:
        super().__init__(2, "no such thing", f"/{kind}")
        self.kind = kind


class Formatting(ValueError):
    def __init__(self, thing: object) -> None:
        super().__init__(f"bad thing: {thing}")


class HoldingError(Exception):
    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.guard = threading.Lock()


def test_get_raises_the_type_that_the_task_raised(client: Pymonik) -> None:
    with pytest.raises(ZeroDivisionError, match="division by zero"):
        divide.invoke(1, 0).get()


def test_it_is_raised_at_every_get(client: Pymonik) -> None:
    h = divide.invoke(1, 0)
    for _ in range(3):
        with pytest.raises(ZeroDivisionError) as caught:
            h.get()
        assert isinstance(caught.value.__cause__, TaskFailed)


def test_the_story_names_task_and_call_site(client: Pymonik) -> None:
    h, line = divide.invoke(1, 0), here()
    cause = story(h)
    assert cause.task == "divide"
    assert os.path.basename(__file__) in cause.site
    assert cause.site.endswith(f":{line}")
    assert cause.element is None
    assert cause.attempts == 1
    assert cause.worker
    for part in ("divide", f"{os.path.basename(__file__)}:{line}"):
        assert part in str(cause)


def test_the_story_names_the_element(client: Pymonik) -> None:
    handles, line = divide.map_invoke([(1, 1), (1, 2), (1, 0)]), here()
    cause = story(handles[2])
    assert cause.element == 2
    assert cause.site.endswith(f":{line}")


def test_calls_folded_into_one_map_keep_their_own_sites(client: Pymonik) -> None:
    first, line = divide.invoke(1, 0), here()
    second, next_line = divide.invoke(2, 0), here()
    sites = [story(h).site for h in (first, second)]
    assert [site.rsplit(":", 1)[1] for site in sites] == [str(line), str(next_line)]
    assert [story(h).element for h in (first, second)] == [None, None]


def test_an_item_knows_where_it_was_asked_for(client: Pymonik) -> None:
    whole = identity.invoke({"a": (1, 2)})
    item, line = whole["nope"], here()
    parts, next_line = whole["a"].unpack(3), here()
    assert story(item).site == f"{__file__}:{line}"
    assert {story(part).site for part in parts} == {f"{__file__}:{next_line}"}


def test_the_story_holds_the_remote_traceback(client: Pymonik) -> None:
    def inner(x: int) -> float:
        return x / 0

    h = Task(lambda x: inner(x), func_name="outer").invoke(1)
    text = story(h).traceback
    assert "ZeroDivisionError" in text
    assert "in inner" in text
    assert "return x / 0" in text


def test_the_traceback_shows_chained_errors(client: Pymonik) -> None:
    @task
    def chained() -> None:
        try:
            {}["missing"]
        except KeyError as error:
            raise ValueError("outer trouble") from error

    h = chained.invoke()
    assert isinstance(h.exception(), ValueError)
    assert "missing" in story(h).traceback
    assert "outer trouble" in story(h).traceback


def test_the_traceback_shows_the_users_frames_and_not_the_machinery(client: Pymonik) -> None:
    text = story(divide.invoke(1, 0)).traceback
    assert "programs.py" in text
    assert "executor.py" not in text


def test_arguments_and_attributes_of_an_exception_survive(client: Pymonik) -> None:
    @task
    def coded() -> None:
        raise CodedError("bad", 7)

    with pytest.raises(CodedError) as caught:
        coded.invoke().get()
    assert caught.value.code == 7
    assert caught.value.args == ("bad", 7)


@pytest.mark.parametrize(
    "make",
    [
        lambda: OddError(1, 2),
        lambda: Coded(7, "bad"),
        lambda: OnlyKeywords(kind="file"),
        lambda: Formatting(3),
    ],
    ids=["odd", "coded", "keywords", "formatting"],
)
def test_a_constructor_need_not_take_the_args_of_its_exception(client: Pymonik, make: Any) -> None:
    def fail() -> None:
        raise make()

    error, came = make(), Task(fail, func_name="fail").invoke().exception()
    assert type(came) is type(error)
    assert (came.args, str(came), vars(came)) == (error.args, str(error), vars(error))
    assert getattr(came, "kind", None) == getattr(error, "kind", None)
    assert getattr(came, "filename", None) == getattr(error, "filename", None)


@pytest.mark.parametrize(("make", "text"), [(lambda: OddError(1, 2), "odd pair 1 2"),
                                            (lambda: HoldingError("held"), "held")])  # fmt: skip
def test_an_exception_that_cannot_be_rebuilt_is_still_told(
    client: Pymonik, make: Any, text: str
) -> None:
    @task
    def fails() -> None:
        raise make()

    h, good = fails.invoke(), square.invoke(2)
    error = h.exception()
    assert isinstance(error, (TaskFailed, type(make())))
    assert text in str(error)
    assert type(make()).__name__ in story(h).traceback
    assert good.get() == 4


def test_an_exception_class_of_the_task_itself_is_raised(client: Pymonik) -> None:
    class LocalError(Exception):
        pass

    @task
    def fails() -> None:
        raise LocalError("mine")

    with pytest.raises(LocalError, match="mine"):
        fails.invoke().get()


@pytest.mark.asynchronous
def test_an_interruption_inside_a_task_is_its_failure(client: Pymonik) -> None:
    @task
    def interrupted() -> None:
        raise KeyboardInterrupt

    with pytest.raises(BaseException, match="KeyboardInterrupt") as caught:
        interrupted.invoke().get()
    assert isinstance(caught.value, TaskFailed)
    assert square.invoke(2).get() == 4


@pytest.mark.parametrize("kind", [SystemExit, GeneratorExit])
def test_a_task_cannot_end_the_client(client: Pymonik, kind: type[BaseException]) -> None:
    @task
    def leaves() -> None:
        raise kind("from a task")

    with pytest.raises(BaseException, match=kind.__name__) as caught:
        leaves.invoke().get()
    assert isinstance(caught.value, TaskFailed)
    assert square.invoke(2).get() == 4


def test_a_value_that_cannot_be_pickled_is_an_error_that_names_it(client: Pymonik) -> None:
    make = Task(lambda: {"rows": [threading.Lock()]}, func_name="make")
    with pytest.raises(TypeError) as caught:
        make.invoke().get()
    assert "['rows'][0]" in str(caught.value)
    assert "make" in str(caught.value)


def test_a_generator_is_no_value(client: Pymonik) -> None:
    @task
    def counted(n: int) -> Any:
        return (i for i in range(n))

    with pytest.raises(TypeError, match="generator"):
        counted.invoke(3).get()


def test_an_error_while_arguments_are_rebuilt_is_the_calls_own(client: Pymonik) -> None:
    class Trap:
        def __reduce__(self) -> Any:
            return divide.func, (1, 0)

    trapped, good = identity.invoke(Trap()), square.invoke(3)
    assert isinstance(trapped.exception(), ZeroDivisionError)
    assert good.get() == 9


def test_a_recursion_too_deep_is_an_ordinary_error(client: Pymonik) -> None:
    @task
    def deep(n: int) -> int:
        return deep(n + 1)

    with pytest.raises(RecursionError):
        deep.invoke(0).get()
    assert square.invoke(2).get() == 4


@pytest.mark.parametrize("text", ["a\0b", "lone \ud800", "x\0" * 4000], ids=["nul", "lone", "long"])
def test_an_error_may_say_what_stores_refuse(client: Pymonik, text: str) -> None:
    """A cluster that is told such a text as it is takes the task again, for ever."""

    def fail() -> None:
        raise ValueError(text)

    handle = Task(fail).invoke(pmk_name=f"named {text[:20]}")
    error = handle.exception()
    assert isinstance(error, ValueError)
    assert error.args == (text,)
    assert square.invoke(3).get() == 9
