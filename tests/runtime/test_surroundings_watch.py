"""What every call looks at: a change is seen, and where there is none nothing is copied."""

from __future__ import annotations

import decimal
import logging
import os
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pymonik import task
from pymonik.graph.ir import CallSpec
from pymonik.record import usual_call
from pymonik.record.current import CURRENT
from pymonik.system import arithmetic, deep_stack
from pymonik.system import surroundings as rooms
from pymonik.system.dict_version import NO_VERSION, version_of
from pymonik.system.surroundings import SurroundingsWatch
from tests.client.fakes import FakeScope


@task
def _call() -> None: ...


# Before it had context variables, as NumPy has them today.
IS_FOR_ALL = np.lib.NumpyVersion(np.__version__) < "2.1.0"


def _set(monkeypatch: pytest.MonkeyPatch, _: Path) -> None:
    monkeypatch.setenv("PYMONIK_TEST_WATCH", "1")


def _reset(monkeypatch: pytest.MonkeyPatch, _: Path) -> None:
    monkeypatch.setenv("PYMONIK_TEST_KEPT", "other")


def _unset(monkeypatch: pytest.MonkeyPatch, _: Path) -> None:
    monkeypatch.delenv("PYMONIK_TEST_KEPT")


def _rename(monkeypatch: pytest.MonkeyPatch, _: Path) -> None:
    # As many variables as before, with the same values in the same order.
    monkeypatch.delenv("PYMONIK_TEST_KEPT")
    monkeypatch.setenv("PYMONIK_TEST_OTHER", "1")


def _replace(monkeypatch: pytest.MonkeyPatch, _: Path) -> None:
    monkeypatch.setattr(os, "environ", {**os.environ, "PYMONIK_TEST_WATCH": "1"})


def _replace_behind(monkeypatch: pytest.MonkeyPatch, _: Path) -> None:
    behind = os.environ._data  # type: ignore[attr-defined]
    monkeypatch.setattr(os.environ, "_data", {**behind, b"PYMONIK_TEST_WATCH": b"1"})


def _move(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    monkeypatch.chdir(folder)


def _add_path(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    monkeypatch.setattr(sys, "path", [*sys.path, str(folder)])


def _add_path_in_place(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    monkeypatch.syspath_prepend(str(folder))


def _add_argument(monkeypatch: pytest.MonkeyPatch, _: Path) -> None:
    monkeypatch.setattr(sys, "argv", [*sys.argv, "more"])


def _filter(monkeypatch: pytest.MonkeyPatch, _: Path) -> None:
    monkeypatch.setattr(warnings, "filters", warnings.filters[:])
    warnings.simplefilter("error", FutureWarning)


def _recurse(monkeypatch: pytest.MonkeyPatch, _: Path) -> None:
    before = sys.getrecursionlimit()
    monkeypatch.setattr(sys, "getrecursionlimit", lambda: before + 1)


def _log(monkeypatch: pytest.MonkeyPatch, _: Path) -> None:
    monkeypatch.setattr(logging.getLogger(), "level", 13)


def _trap(*_: object) -> None:
    decimal.getcontext().traps[decimal.Inexact] = True


def _be_exact(*_: object) -> None:
    decimal.getcontext().prec = 5


def _round(*_: object) -> None:
    decimal.getcontext().rounding = decimal.ROUND_UP


def _ignore(*_: object) -> AbstractContextManager[Any]:
    return np.errstate(divide="ignore")


def _print(*_: object) -> AbstractContextManager[Any]:
    return np.printoptions(precision=2)


@pytest.fixture
def decimals() -> Iterator[None]:
    with decimal.localcontext():
        yield


@pytest.fixture(params=[True, False], ids=["by version", "compared"])
def versions(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> bool:
    """Let variables be told by the version of their dict, or be compared."""
    monkeypatch.setenv("PYMONIK_TEST_KEPT", "1")
    if not request.param:
        monkeypatch.setattr(rooms, "version_of", lambda _: None)
    return bool(request.param) and version_of({}) is not None


CHANGES = [
    *(_set, _reset, _unset, _rename, _replace, _replace_behind, _move, _add_path),
    *(_add_path_in_place, _add_argument, _filter, _recurse, _log),
    *(_trap, _be_exact, _round, _ignore),
    pytest.param(_print, marks=pytest.mark.skipif(IS_FOR_ALL, reason="one for all threads")),
]


@pytest.mark.usefixtures("decimals")
@pytest.mark.parametrize("change", CHANGES)
def test_a_change_is_seen_and_looked_into_once(
    change: Callable[[pytest.MonkeyPatch, Path], Any], tmp_path: Path, versions: bool
) -> None:
    watch, looks = SurroundingsWatch(), list[Any]()
    assert (watch.found.version is not NO_VERSION) == versions
    look = watch._look

    def looking() -> Any:
        looks.append(look())
        return looks[-1]

    watch._look = looking  # type: ignore[method-assign]
    assert watch.changes() is None
    assert not looks
    with (
        pytest.MonkeyPatch.context() as monkeypatch,
        decimal.localcontext(),
        change(monkeypatch, tmp_path) or nullcontext(),
    ):
        first = watch.changes()
        assert first is not None
        assert watch.changes() is first
        assert len(looks) == 1
    assert watch.changes() is None
    assert len(looks) == 2


class Calls:
    """Calls of `_call`, one of which was recorded; all of them look at `watch`."""

    def __init__(self) -> None:
        self.watch = SurroundingsWatch()
        scope = FakeScope()
        self.specs = scope.recorder.specs
        self.specs.surroundings = self.watch
        self._scope = scope
        self.made = self.spec()
        assert self.spec() is self.made

    def spec(self) -> CallSpec:
        """Return the spec of another call."""
        token = CURRENT.set(self._scope)
        try:
            spec: CallSpec = _call.invoke()._node.spec
        finally:
            CURRENT.reset(token)
        return spec


@pytest.fixture
def calls() -> Calls:
    return Calls()


@pytest.mark.usefixtures("decimals", "versions")
@pytest.mark.parametrize("change", CHANGES)
def test_a_call_like_one_before_asks_what_has_changed_where_anything_has(
    change: Callable[[pytest.MonkeyPatch, Path], Any],
    tmp_path: Path,
    calls: Calls,
) -> None:
    watch = calls.watch
    made = calls.made
    asked: list[Any] = []
    changes = watch.changes

    def asking() -> Any:
        asked.append(changes())
        return asked[-1]

    watch.changes = asking  # type: ignore[method-assign]
    assert calls.spec() is made
    assert not asked
    with (
        pytest.MonkeyPatch.context() as monkeypatch,
        decimal.localcontext(),
        change(monkeypatch, tmp_path) or nullcontext(),
    ):
        first = calls.spec()
        assert first.surroundings is asked[0] is not None
        # Once more for a spec of its own.
        assert len(asked) == 2
    assert calls.spec() is made
    assert len(asked) == 3


def test_and_where_something_that_takes_a_while_is_due(
    calls: Calls, monkeypatch: pytest.MonkeyPatch
) -> None:
    watch = calls.watch
    changed = rooms.process_settings()._replace(timeout=123.0)
    monkeypatch.setattr(rooms, "process_settings", lambda: changed)
    assert calls.spec() is calls.made
    watch.look_again()
    assert calls.spec().surroundings is not None


def test_a_call_has_the_limit_of_the_program_amid_a_deep_pickle(
    calls: Calls, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The program has lowered its own, which was as deep as the pickle goes."""
    watch = calls.watch
    limit = sys.getrecursionlimit()
    monkeypatch.setattr(sys, "getrecursionlimit", lambda: limit + 1)
    assert watch.changes() is not None
    made = calls.spec()
    calls.specs.made[_call] = made
    assert calls.spec() is made is not calls.made
    monkeypatch.setattr(deep_stack, "set_limit", limit)
    assert calls.spec().surroundings is None


def test_a_call_like_one_before_amid_a_deep_pickle_is_like_it(
    calls: Calls, monkeypatch: pytest.MonkeyPatch
) -> None:
    limit = sys.getrecursionlimit()
    monkeypatch.setattr(deep_stack, "set_limit", limit)
    monkeypatch.setattr(sys, "getrecursionlimit", lambda: limit + 1)
    monkeypatch.setattr(calls.watch, "changes", None)
    assert calls.spec() is calls.made


def test_a_program_without_their_library_loads_it_behind_the_first_flush(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    has_versions = version_of({}) is not None
    with monkeypatch.context() as without:
        without.delitem(sys.modules, "_ctypes", raising=False)
        watch = SurroundingsWatch()
    assert watch.changes() is None
    assert watch.found.version is NO_VERSION
    watch.look_again()
    assert watch.changes() is None
    assert (watch.found.version is not NO_VERSION) == has_versions
    monkeypatch.setenv("PYMONIK_TEST_WATCH", "1")
    assert watch.changes() is not None


def test_nor_does_it_compare_variables_more_often_than_the_library_is_worth(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    has_versions = version_of({}) is not None
    monkeypatch.setattr(rooms, "_WORTH", 3)
    with monkeypatch.context() as without:
        without.delitem(sys.modules, "_ctypes", raising=False)
        watch = SurroundingsWatch()
    seen = []
    for _ in range(4):
        seen.append(watch.found.version is NO_VERSION)
        assert watch.changes() is None
    assert seen == [True, True, True, not has_versions]
    monkeypatch.setenv("PYMONIK_TEST_WATCH", "1")
    assert watch.changes() is not None


def test_a_change_does_not_begin_the_count_of_comparisons_anew(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with monkeypatch.context() as without:
        without.delitem(sys.modules, "_ctypes", raising=False)
        watch = SurroundingsWatch()
    compared = watch.found.compared
    assert compared is not None
    monkeypatch.setenv("PYMONIK_TEST_WATCH", "1")
    assert watch.changes() is not None
    found = watch.found.compared
    assert found is not None
    assert found.left == compared.left == rooms._WORTH - 1


def test_settings_of_arithmetic_are_asked_for_where_there_are_any(
    calls: Calls, monkeypatch: pytest.MonkeyPatch
) -> None:
    watch = calls.watch
    asked: list[None] = []

    def glance() -> Any:
        asked.append(None)
        return arithmetic.glance()

    monkeypatch.setattr(usual_call, "glance", glance)
    with monkeypatch.context() as without:
        for name in ("decimal", "numpy"):
            without.delitem(sys.modules, name, raising=False)
        watch._look()
        assert calls.spec() is calls.made
        assert not asked
    with decimal.localcontext() as own:
        own.prec = 7
        changes = calls.spec().surroundings
    assert asked
    assert changes is not None
    assert changes.arithmetic is not None


def test_a_program_may_let_nobody_import_decimal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "decimal", None)
    monkeypatch.setattr(arithmetic, "_getcontext", None)
    watch = SurroundingsWatch()
    assert watch.changes() is None


def test_a_stack_that_is_deep_for_a_while_is_no_change(monkeypatch: pytest.MonkeyPatch) -> None:
    limit = sys.getrecursionlimit()
    watch = SurroundingsWatch()
    monkeypatch.setattr(deep_stack, "set_limit", limit)
    monkeypatch.setattr(sys, "getrecursionlimit", lambda: limit + 1)
    monkeypatch.setattr(watch, "_look", None)
    assert watch.changes() is None


def test_a_variable_that_is_set_amid_a_look_is_seen_by_the_next(
    monkeypatch: pytest.MonkeyPatch, versions: bool
) -> None:
    watch = SurroundingsWatch()
    real = rooms.surroundings

    def looking() -> Any:
        found = real()
        monkeypatch.setenv("PYMONIK_TEST_WATCH", "1")
        return found

    monkeypatch.setattr(rooms, "surroundings", looking)
    watch._look()
    monkeypatch.setattr(rooms, "surroundings", real)
    changes = watch.changes()
    assert changes is not None
    assert dict(changes.variables) == {"PYMONIK_TEST_WATCH": "1"}
