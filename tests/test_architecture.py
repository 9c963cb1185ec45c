"""The tour of the architecture tells the truth: its snippets run, its files exist, it is short."""

from __future__ import annotations

import functools
import re
import runpy
import sys
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
CODE = re.DOTALL | re.MULTILINE
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


PAGES = ("docs/architecture.md", "docs/decisions.md", "CONTRIBUTING.md")
# A pattern, and what was tried and left out.
NOT_IN_CODE = {"v0.x.y", "MADV_COLLAPSE"}


@functools.cache
def words_of_the_code() -> set[str]:
    files = [REPOSITORY / name for name in ("Makefile", "pyproject.toml", "pymonik")]
    files += (REPOSITORY / "tests").rglob("conftest.py")
    texts = (
        path.read_text(encoding="utf-8")
        for file in files
        for path in ([file] if file.is_file() else file.rglob("*.py"))
    )
    return {word for text in texts for word in re.findall(r"\w+", text)}


@pytest.mark.parametrize("page", PAGES)
def test_the_files_and_names_that_a_page_speaks_of_exist(page: str) -> None:
    text = re.sub(r"^```.*?^```", "", (REPOSITORY / page).read_text(encoding="utf-8"), flags=CODE)
    spans = set(re.findall(r"`([^`\n]+)`", text)) - NOT_IN_CODE
    files = {span for span in spans if re.fullmatch(r"[\w.-]+(/[\w.-]*)+", span)}
    files |= {span for span in spans if re.fullmatch(r"\w+\.py", span)}
    linked = re.findall(r"\]\((?!https?:)([^)#]+)", text)
    names = {span for span in spans - files if re.fullmatch(r"[A-Za-z_][\w.]*(\(\))?", span)}
    assert files
    assert names
    assert [name for name in files if not is_a_file(name)] == []
    assert [link for link in linked if not (REPOSITORY / page).parent.joinpath(link).exists()] == []
    assert {w for name in names for w in re.findall(r"\w+", name)} - words_of_the_code() == set()


def is_a_file(name: str) -> bool:
    """Return whether there is a file, or a folder, of the name: a path, or the end of one."""
    folders = (REPOSITORY, REPOSITORY / "pymonik")
    is_end = any(source.endswith(f"/{name}") for source in SOURCES)
    is_inner = name.endswith("/") and any(f"/{name}" in source for source in SOURCES)
    return is_end or is_inner or any((folder / name).exists() for folder in folders)


def test_the_drawing_of_the_rooms_is_that_of_the_code(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "path", [*sys.path])  # it adds to it, as a script does
    rooms = runpy.run_path(str(REPOSITORY / "docs" / "rooms.py"))
    drawn = rooms["TARGET"].read_text(encoding="utf-8")
    assert drawn == rooms["picture"](), "python docs/rooms.py draws it anew"


def test_the_tour_is_short() -> None:
    assert len(TOUR.splitlines()) < 450
