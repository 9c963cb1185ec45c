"""A backend has five methods and traits; what only some can do is had of the traits."""

from __future__ import annotations

import ast
import inspect

import pytest

from pymonik import Pymonik, Task
from pymonik.backend import Backend, open_backend
from pymonik.backend.armonik.backend import ClusterBackend
from pymonik.backend.dry_run import DryRunBackend, DryRunEnd
from pymonik.backend.inline import InlineBackend
from pymonik.backend.local import LocalBackend
from pymonik.backend.traits import TRAITS
from pymonik.runs.observe import ObservedBackend
from tests.conftest import REPOSITORY

METHODS = {"submit", "want", "progress", "cancel", "close"}
STAGES = ("record", "graph", "cache", "plan", "client", "runtime", "runs", "analysis", "cli")


def _methods(kind: type) -> set[str]:
    functions = inspect.getmembers(kind, inspect.isfunction)
    return {name for name, _ in functions if not name.startswith("_")}


@pytest.mark.parametrize(
    "kind", [Backend, LocalBackend, InlineBackend, DryRunBackend, ClusterBackend]
)
def test_a_backend_has_five_methods(kind: type) -> None:
    assert _methods(kind) == METHODS


@pytest.mark.parametrize("name", ["local", "inline", "dry-run"])
def test_an_open_backend_has_the_traits_of_its_kind(name: str) -> None:
    backend = open_backend(name, 2, True)
    try:
        for trait, value in vars(TRAITS[name]).items():
            assert getattr(backend.traits, trait) == value
    finally:
        backend.close()


def test_a_dry_run_says_what_it_is_and_ends_as_a_program_that_went_well() -> None:
    nothing = Task(lambda: None, func_name="nothing")
    with (
        pytest.raises(DryRunEnd, match=r"this is a dry run: no task runs") as ended,
        Pymonik(backend="dry-run"),
    ):
        nothing.invoke().get()
    assert ended.value.code == 0


def test_who_stands_before_a_backend_hands_its_traits_on() -> None:
    backend = open_backend("inline", 1, True)
    observed = ObservedBackend(backend)
    assert observed.traits is backend.traits
    assert {name for name in dir(observed) if not name.startswith("_")} > METHODS


def test_no_stage_asks_for_the_name_of_a_backend() -> None:
    asking = [
        f"{path.relative_to(REPOSITORY)}:{node.lineno}"
        for stage in STAGES
        for path in sorted((REPOSITORY / "pymonik" / stage).rglob("*.py"))
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Compare) and _names(node)
    ]
    # The cost is estimated for a cluster or for here: `where` is an option of the command.
    assert asking == [where for where in asking if where.startswith("pymonik/cli/cost.py")]


def _names(node: ast.Compare) -> bool:
    parts = (node.left, *node.comparators)
    return any(isinstance(part, ast.Constant) and part.value in TRAITS for part in parts)
