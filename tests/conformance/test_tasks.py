"""How a task is made: decorator, class, partial, lambda, other decorators, builtins."""

from __future__ import annotations

import functools
import os
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from pymonik import Pymonik, Task, task
from pymonik.errors import PymonikError, TaskDefinitionError

from .programs import add


def test_a_bare_decorator_makes_a_task(client: Pymonik) -> None:
    assert isinstance(add, Task)
    assert add.invoke("Hello", " World!").wait().get() == "Hello World!"


def test_a_decorator_with_arguments_makes_a_task(client: Pymonik) -> None:
    @task(max_retries=2, priority=1)
    def triple(x: int) -> int:
        return 3 * x

    assert triple.invoke(2).get() == 6


def test_a_decorator_without_arguments_but_with_parentheses_makes_a_task(client: Pymonik) -> None:
    @task()
    def triple(x: int) -> int:
        return 3 * x

    assert triple.invoke(2).get() == 6


def test_a_function_name_can_be_chosen() -> None:
    @task(function_name="tripled")
    def triple(x: int) -> int:
        return 3 * x

    assert "tripled" in repr(triple)


def test_a_task_over_another_decorator_runs_the_decorated_function(client: Pymonik) -> None:
    def doubled(function: Callable[..., int]) -> Callable[..., int]:
        @functools.wraps(function)
        def wrapper(*args: Any) -> int:
            return 2 * function(*args)

        return wrapper

    @task
    @doubled
    def plus(a: int, b: int) -> int:
        return a + b

    assert plus.invoke(1, 2).get() == 6
    assert plus(1, 2) == 6


def test_a_cached_function_can_be_a_task(client: Pymonik) -> None:
    @task
    @functools.lru_cache
    def slow(x: int) -> int:
        return x + 1

    assert slow.map_invoke([1, 1, 2]).get() == [2, 2, 3]


def test_a_plain_call_runs_here_without_a_client() -> None:
    assert add(1, b=2) == 3


def test_a_task_keeps_name_and_documentation_of_its_function() -> None:
    @task
    def documented() -> None:
        """Say something."""

    assert documented.__name__ == "documented"
    assert documented.__doc__ == "Say something."


def test_a_library_function_becomes_a_task(client: Pymonik) -> None:
    numpy_sum = Task(np.sum)
    assert numpy_sum.invoke(np.arange(10)).get() == 45
    assert numpy_sum.invoke(np.ones((2, 3)), axis=0).get().tolist() == [2.0, 2.0, 2.0]


@pytest.mark.parametrize(
    ("function", "argument", "expected"),
    [(max, [1, 3, 2], 3), (len, "abc", 3), (sorted, (2, 1), [1, 2]), (dict, [("a", 1)], {"a": 1})],
)
def test_a_builtin_becomes_a_task(
    client: Pymonik, function: Callable[..., Any], argument: Any, expected: Any
) -> None:
    assert Task(function).invoke(argument).get() == expected


def test_a_ufunc_becomes_a_task(client: Pymonik) -> None:
    assert Task(np.add, func_name="add").invoke(1, 2).get() == 3


def test_a_bound_method_becomes_a_task(client: Pymonik) -> None:
    joined = Task(", ".join, func_name="join")
    assert joined.invoke(["a", "b"]).get() == "a, b"


class Scaler:
    def __init__(self, factor: int) -> None:
        self.factor = factor

    def __call__(self, x: int) -> int:
        return self.factor * x

    def scale(self, x: int) -> int:
        return self.factor * x


def test_a_callable_object_becomes_a_task(client: Pymonik) -> None:
    assert Task(Scaler(3), func_name="scale").invoke(2).get() == 6
    assert Task(Scaler(4).scale).invoke(2).get() == 8


def test_a_class_becomes_a_task(client: Pymonik) -> None:
    assert Task(Scaler).invoke(3).get().factor == 3


def test_a_partial_becomes_a_named_task(client: Pymonik) -> None:
    add_ten = Task(functools.partial(lambda a, b: a + b, 10), func_name="add_ten")
    assert add_ten.invoke(5).get() == 15
    assert "add_ten" in repr(add_ten)


def test_a_partial_keeps_its_keywords(client: Pymonik) -> None:
    base_two = Task(functools.partial(int, base=2), func_name="base_two")
    assert base_two.map_invoke(["10", "11"]).get() == [2, 3]


def test_a_named_lambda_becomes_a_task(client: Pymonik) -> None:
    add_task = Task(lambda a, b: a + b, func_name="add")
    assert add_task.map_invoke([(1, 2), (1, 3)]).get() == [3, 4]


@pytest.mark.parametrize("make", [Task, task])
def test_a_lambda_without_a_name_is_refused_with_the_way_out(make: Callable[..., Any]) -> None:
    with pytest.raises(PymonikError, match="func_name"):
        make(lambda x: x)


def test_two_lambdas_of_one_name_stay_two_functions(client: Pymonik) -> None:
    double, triple = Task(lambda x: 2 * x, func_name="g"), Task(lambda x: 3 * x, func_name="g")
    handles = [f.invoke(5) for f in (double, triple, double)]
    assert [h.get() for h in handles] == [10, 15, 10]


def test_what_cannot_be_called_cannot_be_a_task() -> None:
    with pytest.raises(TypeError, match="call"):
        Task(3)  # type: ignore[arg-type]


def test_closures_of_one_function_stay_apart(client: Pymonik) -> None:
    def make(factor: int) -> Task[..., int]:
        return Task(lambda x: factor * x, func_name="scale")

    assert [make(n).invoke(10).get() for n in range(4)] == [0, 10, 20, 30]


def test_closures_over_large_arrays_stay_apart(client: Pymonik) -> None:
    def make(array: Any) -> Task[..., int]:
        return Task(lambda i: int(array[i]), func_name="at")

    handles = [make(np.full(100_000, n)).invoke(-1) for n in range(6)]
    assert [h.get() for h in handles] == list(range(6))
    assert [make(np.full(2_000, n)).invoke(-1).get() for n in range(6)] == list(range(6))


def test_a_task_that_calls_a_task_plainly_runs_it_in_place(client: Pymonik) -> None:
    @task
    def twice(x: int) -> int:
        return add(x, x)

    assert twice.invoke(4).get() == 8
    assert client.stats.calls == 1


def test_a_recursive_plain_function_works(client: Pymonik) -> None:
    @task
    def factorial(n: int) -> int:
        return 1 if n == 0 else n * factorial(n - 1)

    assert factorial.invoke(10).get() == 3628800


def test_an_async_function_is_refused_or_awaited_never_returned_as_a_coroutine(
    client: Pymonik,
) -> None:
    async def later(x: int) -> int:
        return x

    try:
        value = Task(later).invoke(1).get()
    except TypeError:
        return
    assert value == 1


class Asking:
    @task(environment={"env_variables": {"PYMONIK_TEST_ASKED": "yes"}})
    def asked(self) -> str | None:
        return os.environ.get("PYMONIK_TEST_ASKED")


def test_a_method_that_is_a_task_has_the_environment_of_its_decorator(client: Pymonik) -> None:
    assert Asking().asked.invoke().get() == "yes"


def test_the_name_of_a_task_is_a_text() -> None:
    with pytest.raises(TaskDefinitionError, match="name of a task is a text, not 3"):
        Task(len, func_name=3)  # type: ignore[arg-type]


@task
def recursion_limit(wanted: int = 0) -> int:
    if wanted:
        sys.setrecursionlimit(wanted)
    return sys.getrecursionlimit()


@pytest.mark.asynchronous
def test_the_recursion_limit_is_put_back(client: Pymonik) -> None:
    before = recursion_limit.invoke().get()
    assert recursion_limit.invoke(before + 1000).get() == before + 1000
    assert recursion_limit.invoke().get() == before
