"""The forms of `invoke` and `map_invoke`, and the signature, checked where the call is written."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from pymonik import MultiResultHandle, Pymonik, ResultHandle, Task, task
from pymonik.errors import NoClientError, PymonikError, SignatureError

from .programs import add, square


@task
def describe(a: int, /, b: int = 2, *rest: int, c: int = 3, **more: int) -> tuple[Any, ...]:
    return a, b, rest, c, more


@task
def hello() -> str:
    return "hello"


def test_invoke_returns_a_handle(client: Pymonik) -> None:
    assert isinstance(add.invoke(1, 2), ResultHandle)


@pytest.mark.parametrize(
    ("args", "kwargs"),
    [
        ((1,), {}),
        ((1, 5), {}),
        ((1, 5, 6, 7), {}),
        ((1,), {"b": 5}),
        ((1,), {"c": 5}),
        ((1,), {"c": 5, "d": 6, "e": 7}),
        ((1, 2, 3), {"z": 9}),
    ],
)
def test_arguments_bind_as_in_a_plain_call(client: Pymonik, args: Any, kwargs: Any) -> None:
    assert describe.invoke(*args, **kwargs).get() == describe(*args, **kwargs)


def test_a_task_without_parameters_is_invoked_without_arguments(client: Pymonik) -> None:
    assert hello.invoke().get() == "hello"


def test_keyword_only_invocations_keep_their_keywords(client: Pymonik) -> None:
    assert add.invoke(a=1, b=2).get() == 3
    assert add.invoke(b="b", a="a").get() == "ab"


@pytest.mark.recorded
@pytest.mark.parametrize(
    ("args", "kwargs", "culprit"),
    [
        ((1,), {}, "b"),
        ((), {}, "a"),
        ((1, 2, 3), {}, "argument"),
        ((1,), {"c": 2}, "b|c"),
        ((1, 2), {"a": 1}, "a"),
        ((1, 2), {"partition": "gpu"}, "as an option of the call it is pmk_partition="),
    ],
)
def test_a_wrong_signature_fails_at_the_call(
    client: Pymonik, args: Any, kwargs: Any, culprit: str
) -> None:
    with pytest.raises(SignatureError, match=culprit) as caught:
        add.invoke(*args, **kwargs)
    assert "add" in str(caught.value)
    assert isinstance(caught.value, TypeError)
    assert client.stats.submissions == 0


def test_a_wrong_element_of_a_map_is_named(client: Pymonik) -> None:
    with pytest.raises(SignatureError, match=r"2"):
        add.map_invoke([(1, 2), (3, 4), (5,), (6, 7)])


def test_a_refused_call_leaves_the_others_alone(client: Pymonik) -> None:
    first = add.invoke(1, 2)
    with pytest.raises(SignatureError):
        add.invoke(1)
    assert first.get() == 3
    assert client.stats.calls == 1


def test_a_keyword_only_parameter_must_be_given_by_name(client: Pymonik) -> None:
    @task
    def scaled(x: int, *, factor: int) -> int:
        return x * factor

    assert scaled.invoke(2, factor=3).get() == 6
    with pytest.raises(SignatureError, match="factor"):
        scaled.invoke(2)


def test_map_invoke_spreads_tuples(client: Pymonik) -> None:
    handles = add.map_invoke([(1, 2), (3, 4), (5, 6)])
    assert isinstance(handles, MultiResultHandle)
    assert handles.wait().get() == [3, 7, 11]


def test_map_invoke_takes_a_generator(client: Pymonik) -> None:
    def arguments() -> Iterator[tuple[int, int]]:
        for i in range(4):
            yield i, i

    assert add.map_invoke(arguments()).get() == [0, 2, 4, 6]


def test_map_invoke_takes_zip_and_range(client: Pymonik) -> None:
    assert add.map_invoke(zip(range(3), range(3), strict=True)).get() == [0, 2, 4]
    assert square.map_invoke(range(4)).get() == [0, 1, 4, 9]


def test_map_invoke_takes_an_array_of_argument_rows(client: Pymonik) -> None:
    assert add.map_invoke(np.array([[1, 2], [3, 4]])).get() == [3, 7]


@pytest.mark.parametrize("values", [[1, 2, 3], np.arange(3), [1.5, 2.5], (4, 5), {7}], ids=repr)
def test_map_invoke_takes_single_values(client: Pymonik, values: Any) -> None:
    assert square.map_invoke(values).get() == [v * v for v in values]


def test_map_invoke_takes_lists_and_strings_as_single_values(client: Pymonik) -> None:
    assert Task(len, func_name="size").map_invoke([[1, 2], "abc", {}]).get() == [2, 3, 0]


def test_map_invoke_takes_handles_as_single_values(client: Pymonik) -> None:
    squares = square.map_invoke([1, 2, 3])
    assert square.map_invoke(squares).get() == [1, 16, 81]
    assert square.map_invoke(list(squares)).get() == [1, 16, 81]


def test_map_invoke_takes_handles_inside_tuples(client: Pymonik) -> None:
    squares = square.map_invoke([1, 2, 3])
    assert add.map_invoke([(h, i) for i, h in enumerate(squares)]).get() == [1, 5, 11]


def test_map_invoke_takes_empty_tuples(client: Pymonik) -> None:
    assert hello.map_invoke([(), ()]).get() == ["hello", "hello"]


def test_map_invoke_fills_defaults(client: Pymonik) -> None:
    assert describe.map_invoke([(1,), (1, 5), (1, 5, 6)]).get() == [
        describe(1),
        describe(1, 5),
        describe(1, 5, 6),
    ]


def test_an_empty_map_is_an_empty_list(client: Pymonik) -> None:
    empty = square.map_invoke([])
    assert len(empty) == 0
    assert empty.wait().get() == []


def test_what_cannot_be_iterated_cannot_be_mapped(client: Pymonik) -> None:
    with pytest.raises(TypeError):
        square.map_invoke(3)  # type: ignore[arg-type]


@pytest.mark.parametrize("values", ["abc", {"a": 1}])
def test_what_is_one_value_rather_than_many_is_not_mapped(client: Pymonik, values: Any) -> None:
    with pytest.raises(SignatureError, match="map_invoke"):
        square.map_invoke(values)


def test_an_error_in_the_users_generator_reaches_the_user_and_records_nothing(
    client: Pymonik,
) -> None:
    def arguments() -> Iterator[int]:
        yield 1
        raise LookupError("out of rows")

    with pytest.raises(LookupError, match="out of rows"):
        square.map_invoke(arguments())
    client.flush()
    assert client.stats.calls == 0


def test_delegate_is_refused_outside_a_task(client: Pymonik) -> None:
    with pytest.raises(PymonikError, match="delegate"):
        add.invoke(1, 2, delegate=True)


def test_an_invoke_without_a_client_says_how_to_get_one() -> None:
    with pytest.raises(NoClientError, match="Pymonik"):
        add.invoke(1, 2)
    with pytest.raises(NoClientError, match="Pymonik"):
        add.map_invoke([(1, 2)])


def test_a_default_is_the_one_of_the_definition(client: Pymonik) -> None:
    @task
    def extend(x: int, base: list[int] = [1, 2]) -> list[int]:  # noqa: B006
        return [*base, x]

    assert extend.map_invoke([3, 4]).get() == [[1, 2, 3], [1, 2, 4]]


@task
def of_any_names(x: Any, function: str = "f", row: int = 0, name: str = "n") -> tuple[Any, ...]:
    return x, function, row, name


@task(require_context=True)
def in_context(ctx: Any, x: Any, *, context: str = "c", **labels: Any) -> tuple[Any, ...]:
    return x, context, labels


@task
def with_our_names(
    x: int, delegate: bool = True, pymonik: Any = 1, task_options: Any = None, *args_list: int
) -> tuple[Any, ...]:
    return x, delegate, pymonik, task_options, args_list


@pytest.mark.parametrize("way", ["plain", "with a handle in its closure", "rows"])
def test_parameters_may_have_any_name(client: Pymonik, way: str) -> None:
    held = square.invoke(3) if way == "with a handle in its closure" else 9

    @task
    def closure(x: Any, function: str = "f", row: int = 0, name: str = "n") -> tuple[Any, ...]:
        return x, function, row, name, held

    @task(require_context=True)
    def noted(ctx: Any, x: Any, context: str = "c", *, function: int = 0) -> tuple[Any, ...]:
        return x, context, function, held

    called = closure if way == "with a handle in its closure" else of_any_names
    ending = (9,) if way == "with a handle in its closure" else ()
    rows: Any = [(1,), (2, "g")] if way == "rows" else [(1,), (2,)]
    second = "g" if way == "rows" else "f"
    assert called.map_invoke(rows, row=5).get() == [
        (1, "f", 5, "n", *ending),
        (2, second, 5, "n", *ending),
    ]
    assert called.invoke(1, function="mean", name="m").get() == (1, "mean", 0, "m", *ending)
    assert noted.map_invoke(rows, function=4).get()[0] == (1, "c", 4, 9)
    assert noted.invoke(1, context="d", function=4).get() == (1, "d", 4, 9)


def test_keywords_may_have_any_name(client: Pymonik) -> None:
    @task
    def labels(**labels: Any) -> dict[str, Any]:
        return labels

    given = {"self": 1, "function": 2, "args": 3, "kwargs": 4, "recorder": 5, "cls": 6}
    assert labels.invoke(**given).get() == given
    assert in_context.invoke(0, ctx2=1, self="me").get() == (0, "c", {"ctx2": 1, "self": "me"})
    assert labels(**given) == given


def test_a_parameter_with_the_name_of_an_option_is_the_functions_own(client: Pymonik) -> None:
    assert with_our_names.invoke(1, delegate=False, pymonik=2).get() == (1, False, 2, None, ())
    assert with_our_names.map_invoke([1, 2], task_options=3).get() == [
        (1, True, 1, 3, ()),
        (2, True, 1, 3, ()),
    ]
    assert with_our_names.invoke(1, pmk_pymonik=client).get() == (1, True, 1, None, ())


def test_defaults_of_a_task_that_calls_itself_hold_inside(client: Pymonik) -> None:
    @task
    def tree(n: int, deep: bool = True, extra: int = 0) -> Any:
        if n <= 1 or not deep:
            return 1 + extra
        return add.invoke(*tree.map_invoke([(n // 2,), (n - n // 2,)]))

    @task
    def down(n: int, *, step: int = 1) -> Any:
        return n if n <= 0 else down.invoke(n - step)

    assert tree.invoke(5).get() == 5
    assert down.invoke(3).get() == 0


class Table:
    """What of a data frame of pandas is looked at."""

    def __init__(self, rows: list[tuple[Any, ...]]) -> None:
        self.rows = rows
        self.columns = ["a", "b"]

    def __iter__(self) -> Iterator[str]:
        return iter(self.columns)

    def itertuples(self, index: bool = True, name: str | None = "Pandas") -> Iterator[Any]:
        assert (index, name) == (False, None)
        return iter(self.rows)


def test_the_rows_of_a_table_are_argument_tuples(client: Pymonik) -> None:
    rows = [(1, 2), (3, 4)]
    for table in (rows, np.array(rows), Table(rows)):
        assert add.map_invoke(table).get() == [3, 7]


@pytest.mark.parametrize("rows", [np.ones((2, 2)), Table([(1, 2)]), [(1, 2)]], ids=type)
def test_rows_that_do_not_fit_tell_how_to_pass_them_as_one(client: Pymonik, rows: Any) -> None:
    with pytest.raises(SignatureError, match=r"\[\(row,\) for row in rows\]"):
        square.map_invoke(rows)


@pytest.mark.parametrize("rows", [[[1, 2]], [np.ones(2)]], ids=["lists", "arrays"])
def test_lists_that_do_not_fit_tell_how_to_spread_them(client: Pymonik, rows: Any) -> None:
    for given in (rows, iter(rows)):
        with pytest.raises(SignatureError, match=r"\[tuple\(row\) for row in rows\]"):
            add.map_invoke(given)


@pytest.mark.recorded
@pytest.mark.parametrize(
    ("given", "way_out"),
    [
        (3, r"range"),
        ("abc", r"put it in a list"),
        ({"a": 1}, r"\.items\(\)"),
        (None, r"give a list"),
        (np.array(3), r"invoke\(\) takes it"),
    ],
    ids=str,
)
def test_what_cannot_be_mapped_over_names_the_way_out(
    client: Pymonik, given: Any, way_out: str
) -> None:
    with pytest.raises(SignatureError, match=f"takes the elements to map over, not .*{way_out}"):
        square.map_invoke(given)


@pytest.mark.recorded
@pytest.mark.parametrize(
    ("rows", "odd"), [([5, [1, 2], (3,)], 2), ([(3,), 1, 2], 0), ([(1,), (2,), 3], 2)]
)
def test_the_element_that_is_not_like_the_others_is_named(
    client: Pymonik, rows: list[Any], odd: int
) -> None:
    with pytest.raises(SignatureError, match=f"element {odd} is .* others are of another kind"):
        square.map_invoke(rows)
