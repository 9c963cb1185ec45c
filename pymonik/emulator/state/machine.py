"""The engine as a function: an event and its time in, the list of instructions out.

It leaves to others: clocks, ids, bytes, sockets, processes, locks (one event at a time, please).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pymonik.emulator.state import (
    cascade,
    events,
    execution,
    idle,
    results,
    sessions,
    submission,
)
from pymonik.emulator.state.instructions import Instruction, Refuse
from pymonik.emulator.state.records import Result, Tables, TaskRecord
from pymonik.emulator.state.world import ClusterSettings, Refusal, World

RULES: dict[type[Any], Callable[[World, Any], None]] = {
    events.CreateSession: sessions.create,
    events.PauseSession: sessions.pause,
    events.ResumeSession: sessions.resume,
    events.CloseSession: sessions.close,
    events.CancelSession: sessions.cancel,
    events.PurgeSession: sessions.purge,
    events.DeleteSession: sessions.delete,
    events.StopSubmission: sessions.stop_submission,
    events.Expire: sessions.expire,
    events.CreateResults: results.create,
    events.UploadResult: results.upload,
    events.ImportResults: results.import_objects,
    events.DeleteResults: results.delete,
    events.SubmitTasks: submission.submit,
    events.CancelTasks: cascade.cancel_tasks,
    events.Acquire: execution.acquire,
    events.Start: execution.start,
    events.Offer: execution.offer,
    events.Succeed: execution.succeed,
    events.Fail: execution.fail,
    events.Crash: execution.crash,
    events.TimeOut: execution.time_out,
    events.Release: execution.release,
    events.Idle: idle.idle,
}


class Machine:
    """The state of an emulated cluster and the rules that change it."""

    def __init__(self, settings: ClusterSettings) -> None:
        self.world = World(settings)

    @property
    def tables(self) -> Tables:
        """The records, to read."""
        return self.world.tables

    def handle(
        self,
        event: events.Event,
        now: float = 0.0,
        before: dict[str, Result | TaskRecord] | None = None,
    ) -> list[Instruction]:
        """Apply one event and return what has to be done; a refusal comes last in the list.

        `before`, if given, gets a copy of each record as it was, in the order of the changes.
        """
        world = self.world
        world.now, world.before = now, before
        out: list[Instruction] = []
        world.out = out
        try:
            RULES[type(event)](world, event)
        except Refusal as refusal:
            out.append(Refuse(refusal.code, refusal.reason))
        return out
