"""Known calls leave a graph, and what was recorded stays as it was."""

from __future__ import annotations

from typing import Any

from pymonik import Task
from pymonik.cache.splice import SplicedGraph
from pymonik.graph.ir import Call, Put, StandIn, taken
from pymonik.graph.passes import run_passes
from pymonik.graph.show import show
from pymonik.graph.target import Target
from pymonik.plan.lower import bind, lower
from pymonik.values.content import Content
from pymonik.values.location import known_at
from tests.client.fakes import FakeScope

cached = Task(lambda x: x, func_name="cached", pure=True, cache=True)
plain = Task(lambda x: x, func_name="plain", pure=True)


class Known:
    """Knows the values of calls of `cached` with these arguments."""

    def __init__(self, *arguments: int) -> None:
        self.put = Put(Content(b"N."), None, "elsewhere")
        self.put.location = known_at(self.put.content)
        self.arguments = {str(argument) for argument in arguments}

    def keys_of(self, node: Call) -> list[str | None]:
        [argument] = node.args
        if node.n is None:
            return [str(argument)]
        return [str(argument.at(i)) for i in range(node.n)]

    def find(self, key: str) -> tuple[Any, int] | None:
        return (self.put, 0) if key in self.arguments else None


def recorded(scope: FakeScope) -> list[Any]:
    return [(node.spec, node.args, node(), node.location) for node in scope.recorder.pending]


def test_users_of_a_known_call_name_its_value_and_stay_as_they_were() -> None:
    scope = FakeScope()
    one = cached.invoke(1, pymonik=scope)
    handles = [plain.invoke(one, pymonik=scope), plain.invoke([one, one], pymonik=scope)]
    handles.append(plain.invoke(handles[0], pymonik=scope))
    graph, before = taken(scope.recorder.pending[:]), recorded(scope)
    cut = SplicedGraph(Known(1), graph)
    assert recorded(scope) == before
    assert cut.hits == 1
    assert [type(node) for node in cut.graph.nodes] == [StandIn, StandIn, Call]
    assert cut.graph.aliases == {
        handle._node: node for handle, node in zip(handles, cut.graph.nodes[:2])
    }
    assert [str(node) for node in graph.nodes][-1] == "%1 = plain(%0) *"
    assert show(cut.graph).splitlines()[2] == "%2 = plain(%0) *"


def test_calls_find_their_values_where_their_stand_ins_have_them() -> None:
    scope = FakeScope()
    one = cached.invoke(1, pymonik=scope)
    handles = [plain.invoke(one, pymonik=scope) for _ in range(2)]  # equal: shared by `cse`
    last = plain.invoke(handles[1], pymonik=scope)
    known = Known(1)
    cut = SplicedGraph(known, taken(scope.recorder.pending[:]))
    plan = lower(run_passes(cut.graph, Target(slots=2)))
    bind(plan.graph, plan)
    cut.bind()
    assert plan.calls == 2
    assert handles[0]._node.location is handles[1]._node.location
    assert handles[0]._node.location.claims == {0: 2}  # of two calls, whatever stands in for them
    assert last._node.location.claims == {}
    assert one._node.location.record(0) is known.put.content


def test_what_is_left_of_a_map_is_single_calls() -> None:
    scope = FakeScope()
    several = cached.map_invoke([1, 2, 3], pymonik=scope)
    user = plain.map_invoke(several, pymonik=scope)
    graph, before = taken(scope.recorder.pending[:]), recorded(scope)
    cut = SplicedGraph(Known(1, 3), graph)
    assert recorded(scope) == before
    assert (cut.hits, len(cut.graph.nodes)) == (2, 2)
    assert [key for key, _ in cut.reusable] == ["2"]
    assert cut.graph.aliases == {user._runs[0][0]: cut.graph.nodes[1]}


def test_a_value_that_nobody_asks_for_is_kept_by_a_stand_in() -> None:
    scope = FakeScope()
    cached.invoke(1, pymonik=scope)
    [node], before = scope.recorder.pending, recorded(scope)
    cut = SplicedGraph(Known(), taken(scope.recorder.pending[:]))
    assert recorded(scope) == before
    assert not node.wanted
    assert [stand_in.wanted for stand_in in cut.graph.nodes] == [True]
    assert cut.graph.aliases == {node: cut.graph.nodes[0]}


def test_a_stand_in_that_nobody_needs_is_dropped_with_its_alias() -> None:
    scope = FakeScope()
    one = cached.invoke(1, pymonik=scope)
    plain.invoke(one, pymonik=scope)
    kept = plain.invoke([one, 2], pymonik=scope)
    cut = SplicedGraph(Known(1), taken(scope.recorder.pending[:]))
    plan = lower(run_passes(cut.graph, Target(slots=2)))
    bind(plan.graph, plan)
    assert plan.calls == 1
    assert list(plan.graph.aliases) == [kept._node]
