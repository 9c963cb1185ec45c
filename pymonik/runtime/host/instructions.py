"""What the scheduler asks of its host after an event: give out, kill, call back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pymonik.runtime.host.unit_slice import UnitSlice
    from pymonik.values.outputs import Callback


@dataclass(slots=True)
class GivePieces:
    """Send pieces to an executor, which runs them one after the other."""

    executor: int
    pieces: list[UnitSlice]


@dataclass(slots=True)
class KillExecutor:
    """End an executor: what it runs was cancelled."""

    executor: int


@dataclass(slots=True)
class CallBack:
    """Call the callback of a value that has come; `CallbacksMade` says when it is done."""

    callback: Callback


Instruction = GivePieces | KillExecutor | CallBack
