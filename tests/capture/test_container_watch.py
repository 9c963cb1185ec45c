"""Containers that functions see, looked at by several threads at once."""

from __future__ import annotations

import pytest

from pymonik.capture.function import watch_containers


def test_a_call_does_not_rely_on_a_look_of_another_thread_that_has_not_ended(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # More than every call looks at: looked at by the first call after a flush.
    items = list(range(100))

    def total() -> int:
        return sum(items)

    watch, moment = watch_containers(total), object()
    assert watch.hold(object())
    others: list[bool] = []
    look = watch._many.holds

    def looking() -> bool:
        monkeypatch.undo()
        others.append(watch.hold(moment))  # as a call of another thread asks, amid the look
        return look()

    monkeypatch.setattr(watch._many, "holds", looking)
    items[0] = -1
    assert (watch.hold(moment), others) == (False, [False])
