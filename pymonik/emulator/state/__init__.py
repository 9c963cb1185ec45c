"""The pure heart of the emulator: events in, instructions out, no I/O."""

from pymonik.emulator.state.generation import GENERATIONS, Generation, generation
from pymonik.emulator.state.machine import Machine
from pymonik.emulator.state.records import Options, Result, SessionRecord, Tables, TaskRecord
from pymonik.emulator.state.status import ResultStatus, SessionStatus, TaskStatus
from pymonik.emulator.state.world import ClusterSettings

__all__ = [
    "GENERATIONS",
    "ClusterSettings",
    "Generation",
    "Machine",
    "Options",
    "Result",
    "ResultStatus",
    "SessionRecord",
    "SessionStatus",
    "Tables",
    "TaskRecord",
    "TaskStatus",
    "generation",
]
