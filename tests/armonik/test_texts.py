"""Any text goes through every string of every message: what stores refuse is shown, not sent."""

from __future__ import annotations

from typing import Any

import pytest
from armonik.protogen.common.agent_common_pb2 import (
    CreateResultsMetaDataResponse,
    ResultMetaData,
    SubmitTasksResponse,
)
from armonik.protogen.common.objects_pb2 import Output
from armonik.protogen.common.worker_common_pb2 import ProcessReply, ProcessRequest
from google.protobuf.message import Message
from hypothesis import given
from hypothesis import strategies as st

from pymonik.backend.armonik import messages
from pymonik.backend.armonik.rpc import RpcClient
from pymonik.backend.armonik.store import ClusterStore
from pymonik.plan.placement import placement_of
from pymonik.plan.requests import ClusterObject, Submit, TaskSubmission, result_name
from pymonik.runtime.worker.agent import AgentStore
from pymonik.values.foreign import STORED, storable
from pymonik.values.options import TaskOptions
from pymonik.values.outcome import Failure
from pymonik.wire import error_text

# Of all characters, and of those that stores refuse.
TEXTS = st.text(st.characters() | st.sampled_from("\0\ud800\udfff\U0001f600a"), max_size=60)
LONG = st.builds(lambda text, n: text * n, TEXTS, st.sampled_from([1, 1000]))
FOUR_MIB = 4 << 20


def strings(message: Message) -> list[str]:
    """Return all texts in a message, however deep, keys of maps included."""
    found: list[str] = []
    for field, value in message.ListFields():
        several = value if field.is_repeated else [value]
        if field.message_type is not None and field.message_type.GetOptions().map_entry:
            found += [text for pair in value.items() for text in pair]
        elif field.message_type is not None:
            found += [text for one in several for text in strings(one)]
        elif field.type == field.TYPE_STRING:
            found += several
    return found


def check(message: Message) -> None:
    data = message.SerializeToString()
    assert len(data) <= FOUR_MIB
    for text in strings(message):
        assert "\0" not in text
        assert len(text.encode()) <= STORED


def options_of(text: str) -> TaskOptions:
    """Options past the checks of users: what is sent is safe whatever those let through."""
    options = TaskOptions()
    for name in ("partition_id", "application_name", "application_service", "engine_type"):
        object.__setattr__(options, name, text)
    object.__setattr__(options, "options", {text: text})
    return options


@given(LONG)
def test_a_stored_text_is_what_stores_take(text: str) -> None:
    stored = storable(text)
    assert "\0" not in stored
    assert len(stored.encode()) <= STORED
    assert storable(stored) == stored


def test_of_a_long_text_the_middle_is_cut_first() -> None:
    stored = storable("begin" + "x" * 100_000 + "end")
    assert stored.startswith("begin")
    assert stored.endswith("end")
    assert "…" in stored


def test_what_is_replaced_is_seen() -> None:
    assert storable("a\0b\ud800") == "a\\x00b\\ud800"


@given(LONG)
def test_any_text_goes_to_a_control_plane(text: str) -> None:
    store = ClusterStore(RpcClient("nowhere"), None, None, "session")
    entry = TaskSubmission(
        ClusterObject(text, id="o"), ClusterObject(text, id="r"), (), placement_of(options_of(text))
    )
    plain = TaskSubmission(
        entry.payload, entry.output, (), placement_of(TaskOptions(), text, storable(text))
    )
    check(store._submission(Submit([entry, plain], entry.placement), "tag"))
    check(messages.task_options(plain.placement))
    check(messages.list_results("session", 0, name=[text], result_id=[text]))
    assert "\0" not in result_name(text)


class Agent:
    """Takes what is sent, and gives as many ids as are asked for."""

    def __init__(self) -> None:
        self.sent: list[Any] = []

    def CreateResultsMetaData(self, request: Any, timeout: float) -> Any:
        self.sent.append(request)
        made = [ResultMetaData(result_id=str(n)) for n, _ in enumerate(request.results)]
        return CreateResultsMetaDataResponse(results=made)

    def SubmitTasks(self, request: Any, timeout: float) -> Any:
        self.sent.append(request)
        return SubmitTasksResponse()


@given(LONG)
def test_any_text_goes_to_an_agent(text: str) -> None:
    agent = Agent()
    store = AgentStore(agent, ProcessRequest())
    store.declare([ClusterObject(text).name] * 3)
    entry = TaskSubmission(
        ClusterObject(text, id="o"), ClusterObject(text, id="r"), (), placement_of(options_of(text))
    )
    store.submit(Submit([entry], placement_of(TaskOptions())))
    assert len(agent.sent) == 2
    for request in agent.sent:
        check(request)


@pytest.mark.parametrize("char", ["a", "\U0001f600"])
def test_many_names_never_make_a_message_that_is_too_large(char: str) -> None:
    agent = Agent()
    AgentStore(agent, ProcessRequest()).declare([ClusterObject(char * 64).name] * 50_000)
    assert sum(len(request.results) for request in agent.sent) == 50_000
    for request in agent.sent:
        assert request.ByteSize() <= FOUR_MIB


@given(LONG, TEXTS)
def test_any_text_comes_back_in_an_answer_and_in_its_records(text: str, name: str) -> None:
    failure = Failure("error", text[:3000], name, name, 3, name, 1, text[:3000])
    told = error_text.dumps([[failure]], [])
    if told is not None:  # else it is stored as a pack
        check(ProcessReply(output=Output(error=Output.Error(details=error_text.short(told)))))
        read = error_text.loads(error_text.short(told))
        assert read is not None
        assert read[0][0][0].message == text[:3000]
    check(ProcessReply(output=Output(error=Output.Error(details=error_text.short(text)))))
