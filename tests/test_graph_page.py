"""The page about graphs tells the truth: its commands print what stands below them.

Sizes and times are those of one machine and one Python: they are compared as "some number". Run
`python -m tests.test_graph_page` to write what the commands print into the page.
"""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from tests.conftest import REPOSITORY, script_environment

PAGE = REPOSITORY / "docs" / "graph.md"
BLOCK = re.compile(r"(?<=^```console\n)(.*?)(?=^```)", re.DOTALL | re.MULTILINE)
NUMBER = re.compile(r"\d[\d,.]*( ?(ms|min|s|h|kB|MB|B|%)\b)?|\b(local|inline)-\w+")


def printed(command: str, folder: Path) -> str:
    """Run a command as a reader would; give what the terminal shows."""
    command = re.sub(r"^pymonik ", f"{shlex.quote(sys.executable)} -m pymonik ", command)
    done = subprocess.run(
        ["bash", "-c", command],
        cwd=folder,
        # Unbuffered, as in a terminal: what comes first is read first.
        env=script_environment(
            COLUMNS="80", PYMONIK_RUNS=str(folder / "runs"), PYTHONUNBUFFERED="1"
        ),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=120,
    )
    return done.stdout


def filled(page: str, folder: Path) -> str:
    """Give the page with what its commands print now."""
    script = re.search(r"^```python\n(.*?)^```", page, re.DOTALL | re.MULTILINE)
    assert script is not None
    (folder / "prices.py").write_text(script.group(1), encoding="utf-8")

    def fill(block: re.Match[str]) -> str:
        commands = [line for line in block.group().splitlines() if line.startswith("$ ")]
        return "".join(f"{command}\n{printed(command[2:], folder)}" for command in commands)

    return BLOCK.sub(fill, page)


def without_numbers(text: str) -> list[str]:
    """Return the lines, numbers and the space that depends on them left out.

    What a run spent its time on stands in the order of the times: here in that of the names.
    """
    lines = [" ".join(NUMBER.sub("#", line).split()) for line in text.splitlines()]
    spent: list[str] = []
    found: list[str] = []
    for line in [*lines, ""]:
        if line.endswith(" each") and " ×#: " in line:
            spent.append(line)
            continue
        found += [*sorted(spent), line]
        spent.clear()
    return found


@pytest.mark.timeout(540)  # it starts a dozen programs, one after the other
def test_the_commands_of_the_page_print_what_it_says(tmp_path: Path) -> None:
    page = PAGE.read_text(encoding="utf-8")
    assert without_numbers(filled(page, tmp_path)) == without_numbers(page)


def test_the_pictures_of_the_page_are_there_and_small() -> None:
    names = re.findall(r"\]\((img/[^)]+)\)", PAGE.read_text(encoding="utf-8"))
    assert len(names) >= 2
    for name in names:
        assert (PAGE.parent / name).stat().st_size < 300_000


def main() -> None:
    """Write the page anew."""
    with tempfile.TemporaryDirectory() as folder:
        text = filled(PAGE.read_text(encoding="utf-8"), Path(folder))
    PAGE.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    os.environ["PYMONIK_RUNS"] = "off"
    main()
