"""Short ways to bring a machine into a state."""

from __future__ import annotations

from typing import Any

from pymonik.emulator.state import ClusterSettings, Machine, Options, events, generation
from pymonik.emulator.state.instructions import Instruction, Refuse

OPTIONS = Options(max_duration=60.0, max_retries=2, priority=1)


def cluster(**settings: Any) -> Machine:
    """A machine with the partitions "main" and "gpu"; lenient unless told otherwise."""
    served = generation(settings.pop("generation", "HEAD"))
    defaults = {"partitions": ("main", "gpu"), "default_partition": "main"}
    return Machine(ClusterSettings(**{**defaults, **settings}, generation=served))


def opened(**settings: Any) -> Machine:
    """A machine with one session "s" on "main"."""
    machine = cluster(**settings)
    assert machine.handle(events.CreateSession("s", OPTIONS, ("main",))) == []
    return machine


def declared(machine: Machine, **results: bytes | None) -> None:
    """Create results by id: with data, or None for metadata alone. Objects have the same id."""
    new = tuple(
        events.NewResult(name, name, b"" if data is None else name.encode(), len(data or b""))
        for name, data in results.items()
    )
    machine.handle(events.CreateResults("s", new))


def submitted(
    machine: Machine,
    task: str,
    *,
    out: str,
    inputs: tuple[str, ...] = (),
    options: Options | None = None,
) -> list[Instruction]:
    """Submit a task with a payload of its own and an output declared here."""
    declared(machine, **{f"payload of {task}": b"x", out: None})
    new = events.NewTask(task, f"payload of {task}", inputs, (out,), options)
    instructions = machine.handle(events.SubmitTasks("s", (new,)))
    assert not [i for i in instructions if isinstance(i, Refuse)], instructions
    return instructions


def ran(machine: Machine, task: str) -> None:
    """Let a pod take a task and start its worker."""
    machine.handle(events.Acquire(task, "pod"))
    machine.handle(events.Start(task))


def refusal(instructions: list[Instruction]) -> Refuse:
    """The refusal at the end of the instructions."""
    last = instructions[-1]
    assert isinstance(last, Refuse)
    return last
