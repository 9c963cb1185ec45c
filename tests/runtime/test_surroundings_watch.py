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
from pymonik.record import specs as recording
from pymonik.record.specs import CallSpecs
from pymonik.system import arithmetic, deep_stack
from pymonik.system import surroundings as rooms
from pymonik.system.dict_version import NO_VERSION, version_of
from pymonik.system.surroundings import SurroundingsWatch
from pymonik.values.options import DEFAULTS
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


@pytest.fixture
def specs() -> tuple[SurroundingsWatch, CallSpecs]:
    """A watch, and specs among which that of calls `_call` without arguments is known."""
    watch = SurroundingsWatch()
    specs = CallSpecs(FakeScope().recorder.arguments.interner, DEFAULTS, surroundings=watch)
    made = specs.spec_for(_call, specs.code_for(_call), 0, (), None)
    assert specs.usual_spec(_call, 0) is made
    return watch, specs


@pytest.mark.usefixtures("decimals", "versions")
@pytest.mark.parametrize("change", CHANGES)
def test_a_call_like_one_before_asks_what_has_changed_where_anything_has(
    change: Callable[[pytest.MonkeyPatch, Path], Any],
    tmp_path: Path,
    specs: tuple[SurroundingsWatch, CallSpecs],
) -> None:
    watch, of_calls = specs
    made = of_calls.usual_spec(_call, 0)
    asked: list[Any] = []
    changes = watch.changes

    def asking() -> Any:
        asked.append(changes())
        return asked[-1]

    watch.changes = asking  # type: ignore[method-assign]
    assert of_calls.usual_spec(_call, 0) is made is not None
    assert not asked
    with (
        pytest.MonkeyPatch.context() as monkeypatch,
        decimal.localcontext(),
        change(monkeypatch, tmp_path) or nullcontext(),
    ):
        assert of_calls.usual_spec(_call, 0) is None
        assert len(asked) == 1
        assert asked[0] is not None
    assert of_calls.usual_spec(_call, 0) is made
    assert len(asked) == 2


def test_and_where_something_that_takes_a_while_is_due(
    specs: tuple[SurroundingsWatch, CallSpecs], monkeypatch: pytest.MonkeyPatch
) -> None:
    watch, of_calls = specs
    changed = rooms.process_settings()._replace(timeout=123.0)
    monkeypatch.setattr(rooms, "process_settings", lambda: changed)
    assert of_calls.usual_spec(_call, 0) is not None
    watch.look_again()
    assert of_calls.usual_spec(_call, 0) is None


def test_a_call_has_the_limit_of_the_program_amid_a_deep_pickle(
    specs: tuple[SurroundingsWatch, CallSpecs], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The program has lowered its own, which was as deep as the pickle goes."""
    watch, of_calls = specs
    limit = sys.getrecursionlimit()
    monkeypatch.setattr(sys, "getrecursionlimit", lambda: limit + 1)
    assert watch.changes() is not None
    made = of_calls.spec_for(_call, of_calls.code_for(_call), 0, (), None)
    of_calls._specs[_call, 0] = made
    assert of_calls.usual_spec(_call, 0) is made
    monkeypatch.setattr(deep_stack, "set_limit", limit)
    assert of_calls.usual_spec(_call, 0) is None


def test_a_call_like_one_before_amid_a_deep_pickle_is_like_it(
    specs: tuple[SurroundingsWatch, CallSpecs], monkeypatch: pytest.MonkeyPatch
) -> None:
    limit = sys.getrecursionlimit()
    monkeypatch.setattr(deep_stack, "set_limit", limit)
    monkeypatch.setattr(sys, "getrecursionlimit", lambda: limit + 1)
    assert specs[1].usual_spec(_call, 0) is not None


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
    specs: tuple[SurroundingsWatch, CallSpecs], monkeypatch: pytest.MonkeyPatch
) -> None:
    watch, of_calls = specs
    asked: list[None] = []

    def glance() -> Any:
        asked.append(None)
        return arithmetic.glance()

    monkeypatch.setattr(recording, "glance", glance)
    with monkeypatch.context() as without:
        for name in ("decimal", "numpy"):
            without.delitem(sys.modules, name, raising=False)
        watch._look()
        assert of_calls.usual_spec(_call, 0) is not None
        assert not asked
    with decimal.localcontext() as own:
        own.prec = 7
        assert of_calls.usual_spec(_call, 0) is None
        changes = watch.changes()
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
