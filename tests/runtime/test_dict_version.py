"""The number by which CPython tells that a dict has changed."""

from __future__ import annotations

import gc
from collections.abc import Callable
from typing import Any

import pytest

from pymonik.system import dict_version
from pymonik.system.dict_version import NO_VERSION, version_of

CHANGES: dict[str, Callable[[dict[Any, Any]], object]] = {
    "set": lambda one: one.__setitem__("a", "other"),
    "add": lambda one: one.__setitem__("new", 1),
    "delete": lambda one: one.__delitem__("a"),
    "pop": lambda one: one.pop("a"),
    "popitem": lambda one: one.popitem(),
    "clear": lambda one: one.clear(),
    "update": lambda one: one.update(a="other"),
    "merge": lambda one: one.__ior__({"a": "other"}),
    "setdefault": lambda one: one.setdefault("new", 1),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_every_change_gives_another_number_and_nothing_else_does(
    change: Callable[[dict[Any, Any]], object],
) -> None:
    watched = {"a": "one", "b": "two"}
    version = version_of(watched)
    if version is None:
        pytest.skip("this Python tells no versions")
    before = version[0]
    assert (watched["a"], dict(watched), sorted(watched)) == ("one", watched, ["a", "b"])
    gc.collect()
    assert version[0] == before
    change(watched)
    assert version[0] != before


def test_what_goes_back_to_what_it_was_has_changed() -> None:
    watched = {"a": "one"}
    version = version_of(watched)
    if version is None:
        pytest.skip("this Python tells no versions")
    before = version[0]
    watched["a"] = "two"
    watched["a"] = "one"
    assert version[0] != before


@pytest.mark.parametrize("number", [lambda: [0], lambda: NO_VERSION], ids=["list", "constant"])
def test_a_number_that_does_not_tell_all_changes_is_none(
    monkeypatch: pytest.MonkeyPatch, number: Callable[[], Any]
) -> None:
    """As where the word at that place is another one."""
    monkeypatch.setattr(dict_version, "_view", lambda _: number())
    dict_version._is_there.cache_clear()
    try:
        assert version_of({}) is None
    finally:
        dict_version._is_there.cache_clear()


def test_where_memory_cannot_be_read_there_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse() -> Any:
        raise ImportError("no _ctypes here")

    monkeypatch.setattr(dict_version, "_word", refuse)
    dict_version._is_there.cache_clear()
    try:
        assert version_of({}) is None
    finally:
        dict_version._is_there.cache_clear()
