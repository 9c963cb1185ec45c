"""Calls inside tasks: those alike share a spec, but for the options of the task that runs."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from pymonik import Task, TaskOptions
from pymonik.capture.interner import Interner
from pymonik.graph.ir import CallSpec
from pymonik.runtime.executor import state as running
from pymonik.runtime.executor.inheriting_specs import InheritingSpecs
from pymonik.values.options import DEFAULTS

double = Task(lambda x: 2 * x, func_name="double")


def test_a_spec_is_found_for_the_task_that_runs_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    specs = InheritingSpecs(Interner(), DEFAULTS)

    def run(priority: int) -> CallSpec:
        options = TaskOptions(priority=priority)
        monkeypatch.setattr(running.STATE, "step", SimpleNamespace(options=options))
        usual = specs.usual_spec(double, 1)
        made = specs.spec_for(double, specs.code_for(double), 1, (), None)
        assert usual in (None, made)
        assert specs.usual_spec(double, 1) is made
        return made

    ones = [run(1), run(2), run(1)]
    assert [spec.options.priority for spec in ones] == [1, 2, 1]
    assert ones[0] is ones[2]
