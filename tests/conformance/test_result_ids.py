"""Ids of values: handles made of them, and what other programs read of a client."""

from __future__ import annotations

import os
from typing import Any

import numpy as np
import pytest

from pymonik import MultiResultHandle, Pymonik, ResultHandle, TaskOptions
from pymonik.errors import NoClientError

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
    with pytest.raises(NoClientError, match="of session other"):
        ResultHandle(inc.invoke(1).result_id, "other", client)


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
