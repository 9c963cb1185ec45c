"""The tour of the architecture tells the truth: its snippets run, its files exist, it is short."""

from __future__ import annotations

import re
import runpy
from collections.abc import Callable
from subprocess import CompletedProcess

import pytest

from tests.conftest import REPOSITORY

TOUR = (REPOSITORY / "docs" / "architecture.md").read_text(encoding="utf-8")
PAIR = re.compile(r"^```python\n(.*?)^```\n```text\n(.*?)^```", re.DOTALL | re.MULTILINE)
SNIPPETS: list[tuple[str, str]] = PAIR.findall(TOUR)
SECTIONS = re.findall(r"^## (.*)$", TOUR, re.MULTILINE)
SOURCES = [
    f"/{path.relative_to(REPOSITORY).as_posix()}"
    for folder in ("pymonik", "tests")
    for path in (REPOSITORY / folder).rglob("*.py")
]
# Printed behind each snippet, since all of them are one program.
END = "----- the end of a snippet -----\n"


def test_the_snippets_of_the_tour_print_what_the_tour_says(
    run_script: Callable[..., CompletedProcess[str]],
) -> None:
    program = "".join(f"{snippet}\nprint({END!r}, end='', flush=True)\n" for snippet, _ in SNIPPETS)
    done = run_script(program)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split(END) == [*(said for _, said in SNIPPETS), ""]


def test_every_snippet_says_what_it_prints() -> None:
    assert len(SNIPPETS) == TOUR.count("```python") >= 6


@pytest.mark.parametrize("section", SECTIONS[:-1])
def test_a_section_names_the_file_to_change_for_it(section: str) -> None:
    named = re.search(r"`(pymonik/[^`]+)`$", section)
    assert named is not None
    assert (REPOSITORY / named.group(1)).exists()


def test_decisions_are_numbered() -> None:
    assert SECTIONS[-1] == "Why it is so"
    decisions = (REPOSITORY / "docs" / "decisions.md").read_text(encoding="utf-8")
    numbers = [int(number) for number in re.findall(r"^\*\*(\d+)\.", decisions, re.MULTILINE)]
    assert numbers == list(range(1, len(numbers) + 1))


def test_the_files_that_the_tour_speaks_of_exist() -> None:
    names = set(re.findall(r"`([\w/]+\.py)`", TOUR))
    assert names
    assert [name for name in names if not any(s.endswith(f"/{name}") for s in SOURCES)] == []


def test_the_drawing_of_the_rooms_is_that_of_the_code() -> None:
    rooms = runpy.run_path(str(REPOSITORY / "docs" / "rooms.py"))
    drawn = rooms["TARGET"].read_text(encoding="utf-8")
    assert drawn == rooms["picture"](), "python docs/rooms.py draws it anew"


def test_the_tour_is_short() -> None:
    assert len(TOUR.splitlines()) < 450
