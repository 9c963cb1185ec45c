"""What mypy and pyright make of a user's program: the types they reveal, the lines they refuse."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections import defaultdict
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent
REPOSITORY = HERE.parents[1]
CASES = sorted((HERE / "cases").glob("*.py"))
# A case and a line of it; and what is said of lines.
Place = tuple[str, int]
Said = dict[Place, list[str]]


def simple(text: str) -> str:
    """Write a type as both checkers would: no modules, no quotes of their own."""
    text = re.sub(r"\b(?:[A-Za-z_]\w*\.)+([A-Za-z_]\w*)", r"\1", text)
    return text.replace("*", "").strip()


def pinned() -> tuple[dict[Place, str], set[Place]]:
    """Return the revealed type of each pinned line, and the lines with errors."""
    lines = {
        (case.stem, number): line
        for case in CASES
        for number, line in enumerate(case.read_text().splitlines(), 1)
        if number > 1  # the first one explains pins
    }
    reveals = {
        n: line.split("# reveals: ")[1] for n, line in lines.items() if "# reveals: " in line
    }
    return reveals, {n for n, line in lines.items() if line.endswith("# error")}


def mypy(scratch: Path) -> tuple[Said, Said]:
    """Return what mypy reveals and refuses, by case and line."""
    done = subprocess.run(
        [
            sys.executable, "-m", "mypy", "--no-error-summary", "--hide-error-context",
            "--no-pretty", "--config-file", os.devnull, "--cache-dir", str(scratch / "cache"),
            *map(str, CASES),
        ],
        cwd=scratch,
        env={**os.environ, "MYPYPATH": str(REPOSITORY)},
        capture_output=True,
        text=True,
    )  # fmt: skip
    assert done.returncode in (0, 1), done.stderr + done.stdout
    reveals: Said = defaultdict(list)
    errors: Said = defaultdict(list)
    for path, number, kind, text in re.findall(
        r"^(.+?):(\d+): (note|error): (.*)$", done.stdout, flags=re.MULTILINE
    ):
        place = Path(path).stem, int(number)
        if Path(path).name not in {case.name for case in CASES}:
            continue
        revealed = re.match(r'Revealed type is "(.*)"$', text)
        if revealed:
            reveals[place].append(simple(revealed[1]))
        elif kind == "error":
            errors[place].append(text)
    return reveals, errors


def pyright(scratch: Path) -> tuple[Said, Said]:
    """Return what pyright reveals and refuses, by case and line."""
    done = subprocess.run(
        [
            sys.executable, "-m", "pyright", "--outputjson", "--pythonpath", sys.executable,
            *map(str, CASES),
        ],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
    )  # fmt: skip
    try:
        report = json.loads(done.stdout)
    except ValueError:
        pytest.skip(f"PYRIGHT CANNOT RUN HERE, its pins are unchecked: {done.stderr[-500:]}")
    reveals: Said = defaultdict(list)
    errors: Said = defaultdict(list)
    for found in report["generalDiagnostics"]:
        place = Path(found["file"]).stem, found["range"]["start"]["line"] + 1
        revealed = re.match(r'Type of ".*" is "(.*)"$', found["message"], flags=re.DOTALL)
        if revealed:
            reveals[place].append(simple(revealed[1]))
        elif found["severity"] == "error":
            errors[place].append(found["message"])
    return reveals, errors


CHECKERS = {"mypy": mypy, "pyright": pyright}


# All cases at once: most of the time goes into reading what they import.
@pytest.mark.timeout(540)
@pytest.mark.parametrize(
    "checker",
    # The one that takes the longer, the types being the same, is the long form.
    [pytest.param(name, marks=[pytest.mark.thorough] * (name == "mypy")) for name in CHECKERS],
)
def test_a_checker_sees_the_pinned_types_and_refuses_the_pinned_lines(
    tmp_path: Path, checker: str
) -> None:
    pytest.importorskip(checker, reason=f"{checker.upper()} IS NOT INSTALLED: pins unchecked")
    reveals, errors = CHECKERS[checker](tmp_path)
    wanted_reveals, wanted_errors = pinned()
    assert {place: said[0] for place, said in reveals.items()} == wanted_reveals
    assert {place: said for place, said in errors.items() if place not in wanted_errors} == {}
    assert errors.keys() == wanted_errors


def test_the_package_says_that_it_is_typed() -> None:
    assert (REPOSITORY / "pymonik" / "py.typed").is_file()
