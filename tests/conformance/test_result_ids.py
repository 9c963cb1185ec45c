"""Ids of values: handles made of them, and what other programs read of a client."""

from __future__ import annotations

import os
from typing import Any

import numpy as np
import pytest

from pymonik import (
    MultiResultHandle,
    Pymonik,
    PymonikContext,
    ResultHandle,
    TaskOptions,
    task,
)
from pymonik.errors import NoClientError, ValueLost
from pymonik.record.current import current_recorder

from .conftest import Connect
from .programs import add, divide, inc, square, total


def again(handle: ResultHandle[Any], client: Pymonik) -> ResultHandle[Any]:
    return ResultHandle(handle.result_id, handle.session_id, client)


def test_a_handle_is_made_of_an_id(client: Pymonik) -> None:
    single, many = inc.invoke(1), square.map_invoke(range(20))
    put, array = client.put({"a": 1}), client.put(np.arange(100_000))
    handles = [single, *many, put]
    made = [again(handle, client) for handle in handles]
    assert [handle.get() for handle in made] == [handle.get() for handle in handles]
    assert np.array_equal(again(array, client).get(), np.arange(100_000))
    keywords = ResultHandle(
        result_id=single.result_id, session_id=single.session_id, pymonik_instance=client
    )
    assert keywords.wait().get() == 2
    assert MultiResultHandle(made[1:4]).get() == [0, 1, 4]


def test_a_handle_made_of_an_id_is_an_argument(client: Pymonik) -> None:
    many = square.map_invoke(range(20))
    made = [again(handle, client) for handle in many]
    assert inc.invoke(made[3]).get() == 10
    assert total.invoke(made[10:]).get() == sum(i * i for i in range(10, 20))
    assert add.map_invoke([(made[i], i) for i in range(3)]).get() == [0, 2, 6]


def test_a_handle_made_of_an_id_tells_of_failures(client: Pymonik) -> None:
    failed = divide.invoke(1, 0)
    made = again(failed, client)
    assert isinstance(made.exception(), ZeroDivisionError)
    with pytest.raises(ZeroDivisionError):
        made.get()


def test_an_id_that_nobody_has_given_is_refused(client: Pymonik) -> None:
    session = client.session_id
    with pytest.raises(LookupError, match="no result 'nothing'"):
        ResultHandle("nothing", session, client)
    with pytest.raises(NoClientError, match="belongs to session other"):
        ResultHandle(inc.invoke(1).result_id, "other", client)


def test_a_handle_of_no_id_fails_when_it_is_asked(client: Pymonik) -> None:
    # Programs of 0.2.5 put one where there is no result.
    stand_in: Any = ResultHandle(0, 0, client)  # type: ignore[arg-type]
    assert inc.invoke(1).get() == 2
    with pytest.raises(ValueLost, match="an id is a text, not 0"):
        stand_in.get(timeout=40)


@task
def parent(x: int) -> Any:
    made = inc.invoke(x)
    many = square.map_invoke(range(4))
    kept = square.invoke(inc.invoke(made))
    return [(h.result_id, h.session_id) for h in (made, many[3], kept, many[1])]


@task
def hands(id: str, value: int) -> None:
    return None


@task
def hands_out_what_it_returns(x: int) -> Any:
    made = inc.invoke(x)
    hands.invoke(made.result_id, made)
    return made


@task
def links(n: int) -> Any:
    """Hand out the next link of a chain: nobody waits for its end."""
    value, rest = square.invoke(n), links.invoke(n - 1) if n else None
    return value.result_id, rest.result_id if rest is not None else None, value.session_id


@task
def delegating(n: int) -> Any:
    return inc.invoke(n) if n < 2 else delegating.invoke(n - 1)


@task
def with_delegating(n: int) -> Any:
    handle = delegating.invoke(n)
    return handle.result_id, handle.session_id


def test_a_task_hands_out_ids_of_what_its_sub_tasks_make(connect: Connect, optimize: bool) -> None:
    with connect(optimize=optimize) as client:
        ids = parent.invoke(41).wait(timeout=40).get()
        assert len(set(ids)) == 4
        made = [ResultHandle(*pair, client) for pair in ids]
        assert [handle.get(timeout=40) for handle in made] == [42, 9, 43 * 43, 1]
        assert total.invoke(made).get() == 42 + 9 + 43 * 43 + 1
        assert {pair[1] for pair in ids} == {client.session_id}


def test_an_id_holds_where_its_call_hands_its_value_over(client: Pymonik) -> None:
    made = ResultHandle(*with_delegating.invoke(4).get(), client)
    assert made.get(timeout=40) == 2
    assert hands_out_what_it_returns.invoke(1).get(timeout=40) == 2


def test_a_chain_of_results_is_followed_while_it_runs(client: Pymonik) -> None:
    found, handle = [], links.invoke(3)
    while True:
        value, rest, session = handle.get(timeout=40)
        found.append(ResultHandle(value, session, client).get(timeout=40))
        if rest is None:
            break
        handle = ResultHandle(rest, session, client)
    assert found == [9, 4, 1, 0]


def test_the_id_of_a_sub_task_that_fails_tells_its_error(connect: Connect) -> None:
    @task
    def failing() -> Any:
        handle = divide.invoke(1, 0)
        return handle.result_id, handle.session_id

    with connect() as client:
        made = ResultHandle(*failing.invoke().get(), client)
        assert isinstance(made.exception(timeout=40), ZeroDivisionError)


def test_an_object_that_a_task_puts_is_found_by_its_id(client: Pymonik) -> None:
    @task
    def puts() -> Any:
        handle = current_recorder().put({"a": 1})
        assert handle.result_id == handle.result_id
        return handle.result_id, handle.session_id

    assert ResultHandle(*puts.invoke().get(), client).get(timeout=40) == {"a": 1}


@task(require_context=True)
def retrieves(ctx: PymonikContext, ids: Any) -> Any:
    return [ctx.retrieve_object(id) for id, _ in ids]


def test_ids_of_sub_tasks_are_those_of_objects(client: Pymonik) -> None:
    ids = parent.invoke(41).get()
    for pair in ids:
        ResultHandle(*pair, client).wait(timeout=40)
    assert retrieves.invoke(ids).get() == [42, 9, 43 * 43, 1]


def test_ids_are_names_of_files(client: Pymonik) -> None:
    ids = {h.result_id for h in [*square.map_invoke(range(20)), inc.invoke(1), client.put([1])]}
    assert len(ids) == 22
    assert all(os.path.basename(id) == id for id in ids)


def test_options_and_session_of_a_client_can_be_read_and_passed_on(connect: Connect) -> None:
    with connect(task_options=TaskOptions(priority=3, options={"team": "a"})) as client:
        options = client.task_options
        assert (options.priority, options.options, options.max_retries) == (3, {"team": "a"}, 3)
        options.priority = 2
        options.options["team"] = "b"
        assert inc.invoke(1, task_options=options).get() == 2
        assert client.task_options.options == {"team": "a"}
        client.task_options = TaskOptions(priority=4)
        assert client.task_options.priority == 4
        assert client._session_id == client.session_id
        assert client._endpoint == client.endpoint
