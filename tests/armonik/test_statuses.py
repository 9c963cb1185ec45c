"""The table of gRPC's statuses: whole, sound, and the only one."""

from __future__ import annotations

import ast

import grpc
import pytest

from pymonik.backend.armonik.refusals import (
    StaleError,
    explain,
    is_ambiguous,
    is_fault,
    is_transient,
)
from pymonik.errors import ClusterError, ClusterUnreachable
from pymonik.wire.statuses import STATUSES, Cause, status_of
from tests.conftest import REPOSITORY

NAMES = [code.name for code in grpc.StatusCode if code is not grpc.StatusCode.OK]


class Ended(grpc.RpcError):
    """A request that ended with a status."""

    def __init__(self, name: str, details: str = "why") -> None:
        self._name, self._details = name, details

    def code(self) -> grpc.StatusCode:
        return grpc.StatusCode[self._name]

    def details(self) -> str:
        return self._details


def test_the_table_names_statuses_of_grpc() -> None:
    assert set(STATUSES) <= set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_an_error_is_what_the_table_says(name: str) -> None:
    error, status = explain("here:5001", print, Ended(name)), status_of(name)
    kinds = {Cause.STATE: StaleError, Cause.WAY: ClusterUnreachable}
    assert type(error) is kinds.get(status.cause, ClusterError)
    assert f"{status.advice} ({name}: why)" in str(error)
    assert is_transient(error) is status.is_transient
    assert is_ambiguous(error) is status.is_ambiguous
    assert is_fault(error) is (status.cause is Cause.SERVER)


def test_what_is_asked_again() -> None:
    """Repeated for ever: what passes. Repeated with care: what may have had its effect."""
    assert {name for name in NAMES if status_of(name).is_transient} == {
        *("UNAVAILABLE", "DEADLINE_EXCEEDED", "RESOURCE_EXHAUSTED", "ABORTED")
    }
    assert {name for name in NAMES if status_of(name).is_ambiguous} == {
        *("UNAVAILABLE", "DEADLINE_EXCEEDED", "RESOURCE_EXHAUSTED"),
        *("CANCELLED", "UNKNOWN", "INTERNAL"),
    }


def test_there_is_no_other_list_of_statuses() -> None:
    listing = []
    for path in sorted((REPOSITORY / "pymonik").rglob("*.py")):
        if "emulator" in path.parts or path.name == "statuses.py":
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, (ast.Set, ast.Tuple, ast.List, ast.Dict)):
                members = node.keys if isinstance(node, ast.Dict) else node.elts
                if sum(_is_status(member) for member in members) > 1:
                    listing.append(f"{path.name}:{node.lineno}")
    # Statuses of tasks, of which ArmoniK has one of the same name.
    assert listing == [
        where for where in listing if where.startswith(("session.py", "messages.py"))
    ]


def _is_status(node: ast.expr | None) -> bool:
    name = node.value if isinstance(node, ast.Constant) else getattr(node, "attr", None)
    return name in NAMES
