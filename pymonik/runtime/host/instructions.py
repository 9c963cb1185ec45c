"""What the scheduler asks of its host after an event: give out, kill, call back."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pymonik.system.structs import NamedTuple

if TYPE_CHECKING:
    from pymonik.runtime.host.unit_slice import UnitSlice
    from pymonik.values.outputs import Callback


class GiveSlices(NamedTuple):
    """Send pieces to an executor, which runs them one after the other."""

    executor: int
    pieces: list[UnitSlice]


class KillExecutor(NamedTuple):
    """End an executor: what it runs was cancelled."""

    executor: int


class CallBack(NamedTuple):
    """Call the callback of a value that has come; `CallbacksMade` says when it is done."""

    callback: Callback


Instruction = GiveSlices | KillExecutor | CallBack
