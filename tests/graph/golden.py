"""Golden pairs: a program, the graph before a pass, and the graph the pass makes of it.

    # what the pair shows (4 slots)
        a = inc.invoke(1)
        b = inc.invoke(a)
    %0 = inc(1) *
    %1 = inc(%0) *
    =>
    %0 = { %0.0 = inc(1) *; inc(%0.0) * }
    ; fused inc into inc: single consumer

The program is plain Python over the tasks of `programs`; `client` is the client it records with.
The graph before is what the earlier passes leave; lines with `;` are the reasons the pass gives.
`python -m tests.graph.golden` writes both graphs anew: read the difference before keeping it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from pymonik import MultiResultHandle, Pymonik, ResultHandle
from pymonik.graph.passes import PASSES
from pymonik.graph.show import show
from pymonik.graph.target import Target
from pymonik.graph.verify import verify

from .programs import GRAIN, LEDGER, TASKS, coarse, recorded, recording

FOLDER = Path(__file__).parent / "golden"
_INDENT = "    "


@dataclass(frozen=True)
class Pair:
    """One pair of a golden file; `lead` is the prose that stands before it."""

    title: str
    program: str
    before: str
    after: str
    lead: str = ""

    @property
    def slots(self) -> int:
        found = re.search(r"\((\d+) slots?\)", self.title)
        return int(found[1]) if found else 2


def read(name: str) -> list[Pair]:
    """Read the golden file of a pass."""
    text = (FOLDER / f"{name}.txt").read_text()
    lead, *parts = re.split(r"^# ", text, flags=re.MULTILINE)
    return [replace(_pair(part), lead="" if n else lead) for n, part in enumerate(parts)]


def _pair(part: str) -> Pair:
    title, *lines = part.rstrip().splitlines()
    program = [line[len(_INDENT) :] for line in lines if line.startswith(_INDENT)]
    graphs = "\n".join(line for line in lines if line and not line.startswith(_INDENT))
    before, _, after = graphs.partition("=>")
    return Pair(title, "\n".join(program), before.strip(), after.strip())


def write(name: str, pairs: list[Pair]) -> None:
    """Write the golden file of a pass."""
    parts = []
    for pair in pairs:
        program = "\n".join(_INDENT + line if line else "" for line in pair.program.splitlines())
        parts.append(f"{pair.lead}# {pair.title}\n{program}\n{pair.before}\n=>\n{pair.after}\n")
    (FOLDER / f"{name}.txt").write_text("\n".join(parts))


def compiled(name: str, pair: Pair) -> Pair:
    """Give the pair with the graphs that the passes make of its program now."""
    target = Target(slots=pair.slots, grain=GRAIN, exchanges=name == "gang")
    with recording(pair.slots) as client:
        kept = _run(pair, client)
        graph = recorded(client)
        for earlier in _before(name):
            graph = PASSES[earlier](graph, target)
        made = PASSES[name](graph, target)
        verify(made, name)
        reasons = [f"; {note}" for note in made.notes[len(graph.notes) :]]
        before, after = brief(show(graph)), "\n".join([brief(show(made)), *reasons]).strip()
        del kept
    return replace(pair, before=before, after=after)


def brief(text: str) -> str:
    """Shorten a graph of single calls that goes on and on; leave out how long its pickles are."""
    text = re.sub(r"#\d+B", "#B", text)
    lines = text.splitlines()
    if len(lines) <= 25:
        return text
    return "\n".join([*lines[:3], f"… {len(lines) - 5} more", *lines[-2:]])


def values(name: str, pair: Pair, with_pass: bool) -> tuple[dict[str, Any], list[Any]]:
    """Run the program of a pair, with its pass or with the passes before it only.

    Gives the values of the handles that the program keeps, and the effects it had.
    """
    passes = [*_before(name), *([name] if with_pass else [])]
    LEDGER.clear()
    with coarse(), Pymonik(backend="inline", workers=pair.slots, optimize=passes) as client:
        found = {key: _got(lazy) for key, lazy in _run(pair, client).items()}
    return found, sorted(LEDGER)


def _before(name: str) -> list[str]:
    return list(PASSES)[: list(PASSES).index(name)]


def _run(pair: Pair, client: Pymonik) -> dict[str, Any]:
    """Execute a program; give the handles it has kept."""
    space: dict[str, Any] = {**TASKS, "client": client}
    exec(compile(pair.program, "program", "exec"), space)
    return {key: value for key, value in space.items() if _is_lazy(value)}


def _is_lazy(value: Any) -> bool:
    if type(value) is list:
        return bool(value) and all(map(_is_lazy, value))
    return isinstance(value, (ResultHandle, MultiResultHandle))


def _got(lazy: Any) -> Any:
    return [_got(inner) for inner in lazy] if type(lazy) is list else lazy.get()


if __name__ == "__main__":
    for name in PASSES:
        write(name, [compiled(name, pair) for pair in read(name)])
