"""The law of templates: they give exactly the plan that compiling gives. And they keep nothing."""

from __future__ import annotations

import gc
import subprocess
import sys
import weakref
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pymonik import Pymonik, Task, TaskOptions
from pymonik.graph.ir import Map, taken
from pymonik.graph.show import show
from pymonik.plan.plan import Plan
from pymonik.plan.template import Templates
from pymonik.system.structs import replace
from tests.conformance.programs import identity, square


def give(*args: Any, **keywords: Any) -> Any:
    return args, keywords


def give_with_context(context: Any, *args: Any, **keywords: Any) -> Any:
    return args, keywords


TASKS = [
    Task(give, func_name="give"),
    Task(give, func_name="pure", pure=True),
    Task(give_with_context, func_name="with context", require_context=True),
    Task(give, func_name="limited", task_options=TaskOptions(max_duration=60, retries=2)),
    Task(give, func_name="picky", task_options=TaskOptions(retries=1, retry_on=ValueError)),
    Task(lambda *args, big=bytes(100_000), **keywords: big, func_name="large"),
]
OPTIMIZED = [True, False, ("vectorize",), ("batch",)]


@pytest.fixture(scope="module", params=OPTIMIZED, ids=str)
def client(request: pytest.FixtureRequest) -> Iterator[Pymonik]:
    with Pymonik(backend="inline", optimize=request.param) as opened:
        yield opened


plain = st.one_of(
    st.integers(), st.floats(allow_nan=False), st.text(max_size=5), st.none(), st.booleans()
)
values = st.one_of(
    plain,
    st.tuples(plain, plain),
    st.lists(plain, max_size=3),
    st.sampled_from([bytes(70_000), "long" * 20_000, {"key": [1]}, range(3)]),
    st.sampled_from(["sent", "sent elements", "list of sent", "nested", "put", "failed"]),
)


class Sent:
    """Values of earlier submissions, by what stands for them in `values`."""

    def __init__(self, client: Pymonik) -> None:
        one, some = square.invoke(3, pymonik=client), square.map_invoke(range(5), pymonik=client)
        failed = square.invoke("no number", pymonik=client)
        assert failed.exception() is not None
        some.wait()
        self.named = {
            "sent": one,
            "sent elements": some[1:4],
            "list of sent": [some[0], some[1], one],
            "nested": {"deep": [one, some[2]], "all": some},
            "put": client.put([1, 2, 3]),
            "failed": failed,
        }

    def __call__(self, value: Any) -> Any:
        return self.named.get(value, value) if type(value) is str else value


def record(client: Pymonik, called: Any, args: Any, keywords: Any, options: Any) -> Any:
    return called.invoke(*args, **keywords, **options, pymonik=client)


def told(plan: Plan) -> Any:
    """Return all that a plan says, in plain values and objects that both plans share."""
    (unit,), (node,) = plan.units, plan.graph.nodes
    assert type(node) is Map
    ((bound, locations),) = plan.locations
    assert bound is node
    step = node.steps[0]
    return (
        (unit.number, unit.payload, [id(source) for source in unit.inputs], unit.n, unit.name),
        (unit.options, unit.environment, unit.wanted, unit.seconds, unit.limited, unit.path),
        (id(unit.modules), id(unit.surroundings), unit.result_id, unit.task),
        [
            (
                location.chunk,
                location.output,
                [id(c) == id(unit.outputs) for c in location.unit_outputs],
            )
            for location in locations
        ],
        (unit.outputs.n, unit.outputs.columns, unit.outputs.missing, unit.outputs.plain),
        ([id(blob) for blob in plan.blobs], plan.named, plan.calls, plan.names, plan.stored),
        (show(plan.graph), plan.graph.notes, plan.graph.aliases, node.n, node.chunk, node.depth),
        (id(step.spec), step.wanted, list(map(id, step.origins)), list(map(type, step.columns))),
        (plan.reusable, plan.versions, plan.requests, plan.source),
    )


calls = st.tuples(st.lists(values, max_size=3), st.dictionaries(st.sampled_from("ab"), values))


@settings(max_examples=60, deadline=None)
@given(
    st.sampled_from(TASKS),
    calls,
    calls,
    st.booleans(),
    st.sampled_from([{}, {"pmk_priority": 3}, {"pmk_cost": 0.5}, {"pmk_chunk_size": 4}]),
)
def test_a_template_gives_the_plan_that_compiling_gives(
    client: Pymonik, called: Any, first: Any, second: Any, is_dropped: bool, options: Any
) -> None:
    compiler, sent = client.parts.compiler, Sent(client)
    plans = []
    for args, keywords in (first, second):
        if len(args) != len(first[0]) or list(keywords) != list(first[1]):
            args, keywords = first  # another shape would be another spec
        handle = record(
            client, called, map(sent, args), {k: sent(v) for k, v in keywords.items()}, options
        )
        if is_dropped:
            del handle
        graph = taken(client.parts.submitter.take())
        client.parts.recorder.pending.clear()
        if len(graph.nodes) != 1:  # dropped together with its arguments
            return
        plans.append(compiler.compile(graph))
    hits = compiler.maker.templates.hits
    made = compiler.compile(graph)
    assert compiler.maker.templates.hits == hits + bool(made.units)
    compiler.maker.templates = Templates()
    first = compiler.compile(graph)
    assert compiler.maker.templates.hits == 0
    compiler.maker.templates = NoTemplates()
    anew = compiler.compile(graph)
    compiler.maker.templates = Templates()
    if anew.units:
        assert told(made) == told(first) == told(anew)
    else:  # pure, and nobody wants it
        assert not made.units
        assert not first.units


class NoTemplates(Templates):
    """Knows nothing: all is compiled."""

    def plan(self, graph: Any, optimize: Any) -> None:
        """Return nothing."""


@pytest.mark.parametrize("isolates", [False, True])
@pytest.mark.parametrize("exchanges", [False, True])
@pytest.mark.parametrize("grain", [0, 100])
@pytest.mark.parametrize("called", TASKS, ids=lambda called: called.func_name)
def test_a_single_call_is_what_the_passes_make_of_it_for_any_engine(
    called: Any, isolates: bool, exchanges: bool, grain: int
) -> None:
    with Pymonik(backend="inline") as client:
        handle = record(client, called, (1,), {}, {})
        graph = taken(client.parts.submitter.take())
        maker = client.parts.compiler.maker
        made = maker.repeated(graph, True, lambda: None)  # type: ignore[arg-type,return-value]
        target = maker.target(3, isolates, {called.func_name: 0.1}, grain, exchanges)
        anew = maker.make(graph, target, True)
        assert made is not None
        assert told(made) == told(anew)
        client.cancel()
        del handle


def test_a_first_value_needs_no_passes() -> None:
    code = """
import sys
from pymonik import Pymonik, Task
with Pymonik(workers=1):
    assert Task(abs).invoke(-1).get() == 1
print([name for name in sys.modules if name.startswith("pymonik.graph.passes")])
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout == "[]\n", done.stderr


def test_one_call_after_the_other_is_compiled_once() -> None:
    with Pymonik(backend="inline") as client:
        for n in range(20):
            assert square.invoke(n).get() == n * n
        assert client.parts.compiler.maker.templates.hits == 19
        assert client.stats.submissions == 20


def test_what_was_taken_out_of_a_graph_is_no_matter_of_others(client: Pymonik) -> None:
    compiler, notes = client.parts.compiler, [("reused 1 calls: their values are known",), ()]
    for said in [*notes, *notes]:
        _kept = square.invoke(1, pymonik=client)
        graph = taken(client.parts.submitter.take())
        client.parts.recorder.pending.clear()
        assert compiler.compile(replace(graph, notes=said)).graph.notes == said


class Unhashed(str):
    """A line that says that it is hashed: what stands there is the code of a whole script."""

    def __hash__(self) -> int:
        raise AssertionError("the code that makes a call was hashed")


def test_the_code_that_makes_calls_is_not_hashed(client: Pymonik) -> None:
    compiler, site = client.parts.compiler, Unhashed("script.py:1")
    hits = compiler.maker.templates.hits
    for n in range(3):
        handle = square.invoke(n, pymonik=client)
        handle._node.site = site
        compiler.compile(taken(client.parts.submitter.take()))
        client.parts.recorder.pending.clear()
    assert compiler.maker.templates.hits == hits + 2


def test_calls_of_two_lines_tell_their_own() -> None:
    with Pymonik(backend="inline") as client:
        handles = []
        for n in range(2):
            handles.append(square.invoke(n))
            client.flush()
            handles.append(square.invoke("here"))
            client.flush()
        assert client.parts.compiler.maker.templates.hits == 2
        lines = {
            str(h.exception().__cause__).rpartition("test_template.py:")[2] for h in handles[1::2]
        }
        assert len(lines) == 1
        assert [h.get() for h in handles[::2]] == [0, 1]
        own = {h._node.where for h in handles[::2]}
        assert len(own) == 1
        assert own.isdisjoint(h._node.where for h in handles[1::2])


def test_nothing_is_kept_alive_by_a_template() -> None:
    with Pymonik(backend="inline") as client:
        handle: Any = identity.invoke([1, 2])
        assert handle.get() == [1, 2]
        node = handle._node
        of_now = [weakref.ref(thing) for thing in (node.location.unit_outputs[0], node, node.spec)]
        specs = client.parts.recorder.specs
        specs.options = TaskOptions(priority=2)  # those of before are forgotten
        del handle, node
        gc.collect()
        assert [one() for one in of_now] == [None, None, None]
