"""The compiler, alone: a graph becomes a plan, and nothing is sent, named or taken away."""

from __future__ import annotations

from typing import Any

import pytest

from pymonik.client.cached_values import CachedValues
from pymonik.client.client_settings import ClientSettings
from pymonik.client.compiler import Compiler
from pymonik.client.names import Names
from pymonik.graph.ir import taken
from pymonik.plan.repeated import RepeatedPlan
from pymonik.system.structs import replace
from pymonik.values.options import DEFAULTS

from .fakes import Alone, double


def settings_with(**given: Any) -> ClientSettings:
    everything: dict[str, Any] = {
        "endpoint": None,
        "partitions": [],
        "environment": None,
        "options": DEFAULTS,
        "workers": None,
        "optimize": True,
        "detach": False,
        "forward_logs": False,
        "on_progress": None,
        "backend": None,
        "seed": 1,
        "given_seed": None,
        "certificates": {},
    }
    return ClientSettings(**{**everything, **given})


class Compiles(Alone):
    """A compiler, and what it needs."""

    def __init__(self, **given: Any) -> None:
        super().__init__()
        self.names = Names(self.recorder.names, self.engine.opened)
        self.cached_values = CachedValues(self.recorder.specs, self.engine)
        self.settings = settings_with(**given)
        self.compiler = Compiler(
            self.recorder, self.engine, self.settings, self.names, self.cached_values
        )

    def compile(self) -> Any:
        return self.compiler.compile(taken(self.recorder.pending[:]))


def test_a_graph_becomes_a_plan_and_nothing_is_sent() -> None:
    alone = Compiles()
    handles = double.map_invoke(range(8), pymonik=alone.scope)
    plan = alone.compile()
    assert (plan.calls, len(plan.units)) == (8, 4)
    assert alone.backend.plans == []
    assert alone.recorder.pending == [handles._runs[0][0]]
    assert handles[0]._node.location is None


def test_passes_are_those_of_the_settings() -> None:
    alone = Compiles()
    handle = double.invoke(double.invoke(1, pymonik=alone.scope), pymonik=alone.scope)
    fused = alone.compile()
    alone.settings.optimize = False
    assert (len(fused.units), len(alone.compile().units)) == (1, 2)
    assert handle._node.location is None


def test_a_plan_knows_what_it_was_made_of() -> None:
    alone = Compiles(partitions=["cpu"], given_seed=7)
    double.invoke(1, pymonik=alone.scope, pmk_name="two")
    plan = alone.compile()
    assert (plan.source.partitions, plan.source.seed) == (("cpu",), 7)
    assert plan.source.target.slots == alone.backend.traits.slots
    assert [named.name for named in plan.names] == ["two"]


def test_a_repeated_plan_knows_what_it_was_compiled_for_then() -> None:
    alone, durations = Compiles(), dict[str, float]()
    alone.backend.traits = replace(alone.backend.traits, durations=durations)
    for _ in range(4):
        first = double.invoke(1, pymonik=alone.scope)
        handle = double.invoke(first, pymonik=alone.scope)
        plan = alone.compile()
        alone.recorder.pending.clear()
    assert type(plan) is RepeatedPlan
    assert handle._node.location is None
    durations["double"] = 3.0
    assert plan.source.target.durations == {}


def test_names_that_a_plan_has_told_of_are_told_once() -> None:
    alone = Compiles()
    double.invoke(1, pymonik=alone.scope, pmk_name="two")
    alone.names.mark_sent(alone.compile().names)
    assert alone.compile().names == ()
    assert not alone.names.are_late()


def test_a_name_given_after_the_flush_is_late() -> None:
    alone = Compiles()
    handle = double.invoke(1, pymonik=alone.scope)
    alone.flush()
    assert not alone.names.are_late()
    alone.recorder.name(handle, "late")
    assert alone.names.are_late()
    assert [named.name for named in alone.compile().names] == ["late"]


def test_a_name_is_looked_up_here_and_then_in_the_session() -> None:
    alone = Compiles()
    handle = double.invoke(1, pymonik=alone.scope, pmk_name="mine")
    assert alone.names.lookup(alone.scope, "mine") is handle
    with pytest.raises(KeyError, match="no value named 'theirs' in session fake-session"):
        alone.names.lookup(alone.scope, "theirs")


def test_the_cache_is_made_when_a_task_wants_it() -> None:
    alone = Compiles()
    double.invoke(1, pymonik=alone.scope)
    alone.compile()
    assert alone.cached_values._cache is None
    assert alone.cached_values.reusable == ()
    assert alone.cached_values.bind() == 0
