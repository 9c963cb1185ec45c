"""What newcomers write: refused where it is written, in words that name the way out."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent import futures
from pathlib import Path
from typing import Any

import pytest

from pymonik import Pymonik, Task, TaskOptions, materialize, task
from pymonik.errors import (
    BackendError,
    OptionsError,
    SignatureError,
    TaskDefinitionError,
    TreeError,
)


def numbers() -> Iterator[int]:
    yield 1


async def numbers_to_come() -> AsyncIterator[int]:
    yield 1


def alone() -> None:
    """Take nothing."""


def failing(x: int) -> None:
    raise ValueError(x)


@pytest.mark.parametrize("function", [numbers, numbers_to_come])
def test_a_generator_function_is_no_task(function: Callable[[], Any]) -> None:
    with pytest.raises(TaskDefinitionError, match=r"numbers.* is a generator.*return a list"):
        task(function)


def test_the_context_needs_a_parameter() -> None:
    with pytest.raises(TaskDefinitionError, match=r"alone.* has no parameter for its context"):
        task(require_context=True)(alone)
    Task(lambda *args: args, require_context=True, func_name="any")


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: task(retires=3), "@task has no argument 'retires': did you mean 'retries'?"),  # type: ignore[call-overload]
        (lambda: task(retry=3), "@task has no argument 'retry': did you mean 'retries'?"),  # type: ignore[call-overload]
        (lambda: Pymonik(n_jobs=3), "Pymonik has no argument 'n_jobs': did you mean 'workers'?"),  # type: ignore[arg-type]
        (lambda: Pymonik(wrokers=2), "Pymonik has no argument 'wrokers': did you mean 'workers'?"),  # type: ignore[arg-type]
    ],
)
def test_an_unknown_keyword_is_told_with_the_nearest_one(
    call: Callable[[], Any], said: str
) -> None:
    with pytest.raises(TypeError) as told:
        call()
    assert str(told.value) == said


def test_an_unknown_keyword_that_is_near_to_none_is_told_with_all() -> None:
    with pytest.raises(TypeError, match=r"has no argument 'zzz': it takes endpoint, partition, "):
        Pymonik(zzz=1)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: Pymonik(cache=True), "it is an option of @task(cache=…)"),  # type: ignore[arg-type]
        (
            lambda: Pymonik(retries=2),  # type: ignore[arg-type]
            "it is an option of @task(retries=…) or task_options=TaskOptions(retries=…)",
        ),
        (
            lambda: Pymonik(max_duration=4),  # type: ignore[arg-type]
            "it is an option of @task(max_duration=…) or task_options=TaskOptions(max_duration=…)",
        ),
    ],
)
def test_an_option_of_tasks_is_told_with_its_place(call: Callable[[], Any], said: str) -> None:
    with pytest.raises(TypeError, match="Pymonik has no argument") as told:
        call()
    assert str(told.value).endswith(f": {said}")


def test_a_run_of_a_machine_cannot_be_joined() -> None:
    with Pymonik(backend="inline") as client:
        session_id = client.session_id
    for given in (session_id, "local-0123456789ab"):
        with pytest.raises(
            BackendError, match=f"{given}.* ended with it: only a session on a cluster"
        ):
            Pymonik.attach(given)


def test_what_is_tried_again_needs_a_number() -> None:
    risky = task(retry_on=ValueError)(alone)
    with Pymonik(backend="inline"):
        with pytest.raises(OptionsError, match=r"'alone' has retry_on= but no retries="):
            risky.invoke()
        assert risky.invoke(pmk_retries=1).get() is None
    with Pymonik(backend="inline", task_options=TaskOptions(retries=1)):
        assert risky.invoke().get() is None


@pytest.mark.parametrize("place", ["../x", "a/../..", ".", "a/.."])
def test_a_place_outside_of_the_folder_of_a_task_is_refused_at_once(
    tmp_path: Path, place: str
) -> None:
    (tmp_path / "data").write_text("1")
    with pytest.raises(TreeError, match="no place inside the task's own folder"):
        materialize(tmp_path / "data", place)


def test_the_end_of_a_block_tells_how_many_calls_have_failed(
    caplog: pytest.LogCaptureFixture,
) -> None:
    fail = Task(failing, func_name="fail")
    with pytest.raises(ValueError, match="0") as told, Pymonik(backend="inline"):
        handles = [fail.invoke(x) for x in range(3)]
    notes = getattr(told.value, "__notes__", [record.message for record in caplog.records])
    assert "2 other calls failed, and nothing has read their errors: fail (" in notes[-1]
    assert [str(handle.exception()) for handle in handles] == ["0", "1", "2"]


def test_the_end_of_a_block_tells_of_one_failure_alone_as_ever() -> None:
    fail = Task(failing, func_name="fail")
    with pytest.raises(ValueError, match="0") as told, Pymonik(backend="inline"):
        fail.invoke(0)
    assert sys.version_info < (3, 11) or not any(
        "other call" in note for note in getattr(told.value, "__notes__", [])
    )


@pytest.mark.parametrize(
    ("kind", "name", "said"),
    [
        ("task", "submit", ".invoke"),
        ("task", "map", ".map_invoke"),
        ("client", "map", ".map_invoke"),
        ("client", "gather", ".get()"),
        ("handle", "result", ".get().result"),
        ("handle", "_condition", "pymonik.as_completed"),
        ("handles", "results", ".get()"),
    ],
)
def test_a_name_of_other_libraries_is_told_with_ours(kind: str, name: str, said: str) -> None:
    with Pymonik(backend="dry-run") as client:
        handles = Task(failing).map_invoke([1])
        given = {"task": Task(failing), "client": client, "handles": handles, "handle": handles[0]}
        with pytest.raises(AttributeError, match=f"has no {name!r}") as told:
            getattr(given[kind], name)
        assert said in str(told.value)
        client.cancel()


@pytest.mark.parametrize("given", [Task(failing), Pymonik(backend="dry-run")])
def test_any_other_name_has_the_error_of_python(given: Any) -> None:
    with pytest.raises(AttributeError, match=f"'{type(given).__name__}' object has no attribute"):
        given.nothing  # noqa: B018


@pytest.mark.parametrize("given", [Task(failing), Pymonik(backend="dry-run")])
def test_names_of_others_are_not_offered(given: Any) -> None:
    assert not hasattr(given, "submit")
    assert "submit" not in dir(given)
    # With one, each attribute takes longer to find, in each call recorded.
    assert not hasattr(type(given), "__getattr__")


@pytest.mark.parametrize(
    "wait", [futures.wait, lambda handles: list(futures.as_completed(handles))]
)
def test_futures_are_no_handles(wait: Callable[[Any], Any]) -> None:
    with Pymonik(backend="dry-run") as client:
        with pytest.raises(AttributeError, match=r"pymonik\.as_completed\(handles\)"):
            wait(list(Task(failing).map_invoke([1, 2])))
        client.cancel()


def test_a_handle_that_is_printed_tells_of_get() -> None:
    with Pymonik(backend="dry-run") as client:
        handles = Task(failing).map_invoke([1])
        assert (
            str(handles[0]) == "<ResultHandle of failing[0], not sent yet; .get() gives its value>"
        )
        assert str(handles) == "<MultiResultHandle of 1; .get() gives a list of their values>"
        assert repr(handles) == "<MultiResultHandle of 1>"
        client.cancel()


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"timeout": 3}, r"it is pmk_max_duration="),
        ({"retries": 3}, r"it is pmk_retries="),
        ({"pmk_retry": 3}, r"did you mean pmk_retries\? There are pmk_name"),
        ({"pmk_nothing": 3}, r"there are pmk_name"),
    ],
)
def test_options_of_a_call_by_names_of_others(given: dict[str, Any], said: str) -> None:
    with Pymonik(backend="dry-run"), pytest.raises((TypeError, OptionsError), match=said):
        Task(failing).invoke(1, **given)


@pytest.mark.parametrize("wrap", [staticmethod, classmethod, property])
def test_other_decorators_of_methods_stand_above(wrap: Callable[[Any], Any]) -> None:
    with pytest.raises(TaskDefinitionError, match=f"below @{wrap.__name__}"):
        task(wrap(failing))


def test_rows_that_are_dicts_are_told_how_their_values_become_arguments() -> None:
    def key(a: int, b: int) -> str:
        return f"{a}-{b}"

    with Pymonik(backend="dry-run"), pytest.raises(SignatureError, match=r"\(row\['a'\], row"):
        Task(key).map_invoke([{"a": 1, "b": 2}])


def test_passes_that_are_chosen_later_are_taken_as_at_first() -> None:
    add = Task(lambda x, y: x + y, func_name="add")
    with Pymonik(backend="inline") as client:
        chosen: Any = ["fuse"]  # a list, which the compiler could not look plans up by
        client.optimize = chosen
        for _ in range(3):
            assert add.invoke(add.invoke(1, 2), 3).get() == 6
        chosen = ["fuze"]
        with pytest.raises(OptionsError, match="unknown pass 'fuze'"):
            client.optimize = chosen
        assert client.optimize == ("fuse",)
