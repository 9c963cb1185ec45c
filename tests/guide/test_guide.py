"""Every Python snippet of the guide runs unedited, and prints what the guide says."""

from __future__ import annotations

import contextlib
import io
from typing import Any

import pytest

from .snippets import FRAMES, Frame, program, snippets

BACKENDS = ("inline", "local", "emulator")
SNIPPETS = snippets()
NAMES = [f"{number}" for number in range(len(FRAMES))]


def expected(frame: Frame) -> str:
    """Return what a snippet prints; a random one says how to compute it."""
    if "print(" not in frame.prints:
        return frame.prints
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        exec(frame.prints, {})
    return out.getvalue()


def _marks(snippet: str) -> tuple[pytest.MarkDecorator, ...]:
    return (pytest.mark.names_partitions,) if "partition=" in snippet else ()


def test_every_snippet_is_framed() -> None:
    assert [s.split("\n")[0].split("#(")[0].strip() for s in SNIPPETS] == [
        frame.opening for frame in FRAMES
    ]


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize(
    ("snippet", "frame"),
    [
        pytest.param(snippet, frame, id=name, marks=_marks(snippet))
        for name, snippet, frame in zip(NAMES, SNIPPETS, FRAMES)
    ],
)
def test_a_snippet_prints_what_the_guide_says(
    run_script: Any, snippet: str, frame: Frame, backend: str
) -> None:
    done = run_script(program(snippet, frame), backend)
    assert (done.stdout, done.returncode) == (expected(frame), 0), done.stderr
