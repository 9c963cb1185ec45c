"""The pure heart of the emulator: events in, instructions out, no I/O."""

from pymonik.emulator.state.generation import GENERATIONS, Generation, generation
from pymonik.emulator.state.machine import Machine
from pymonik.emulator.state.records import Options, Result, Session, Tables, Task
from pymonik.emulator.state.status import ResultStatus, SessionStatus, TaskStatus
from pymonik.emulator.state.world import Settings

__all__ = [
    "GENERATIONS",
    "Generation",
    "Machine",
    "Options",
    "Result",
    "ResultStatus",
    "Session",
    "SessionStatus",
    "Settings",
    "Tables",
    "Task",
    "TaskStatus",
    "generation",
]
