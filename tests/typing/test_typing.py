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
Said = dict[int, list[str]]


def simple(text: str) -> str:
    """Write a type as both checkers would: no modules, no quotes of their own."""
    text = re.sub(r"\b(?:[A-Za-z_]\w*\.)+([A-Za-z_]\w*)", r"\1", text)
    return text.replace("*", "").strip()


def pinned(case: Path) -> tuple[dict[int, str], set[int]]:
    """Return the revealed type of each pinned line, and the lines with errors."""
    lines = list(enumerate(case.read_text().splitlines(), 1))[1:]  # the first one explains pins
    reveals = {n: line.split("# reveals: ")[1] for n, line in lines if "# reveals: " in line}
    return reveals, {n for n, line in lines if line.endswith("# error")}


def mypy(case: Path, scratch: Path) -> tuple[Said, Said]:
    """Return what mypy reveals and refuses, by line."""
    done = subprocess.run(
        [
            sys.executable, "-m", "mypy", "--no-error-summary", "--hide-error-context",
            "--no-pretty", "--config-file", os.devnull, "--cache-dir", str(scratch / "cache"),
            str(case),
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
        if Path(path).name != case.name:
            continue
        revealed = re.match(r'Revealed type is "(.*)"$', text)
        if revealed:
            reveals[int(number)].append(simple(revealed[1]))
        elif kind == "error":
            errors[int(number)].append(text)
    return reveals, errors


def pyright(case: Path, scratch: Path) -> tuple[Said, Said]:
    """Return what pyright reveals and refuses, by line."""
    done = subprocess.run(
        [
            sys.executable, "-m", "pyright", "--outputjson", "--pythonpath", sys.executable,
            str(case),
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
        line = found["range"]["start"]["line"] + 1
        revealed = re.match(r'Type of ".*" is "(.*)"$', found["message"], flags=re.DOTALL)
        if revealed:
            reveals[line].append(simple(revealed[1]))
        elif found["severity"] == "error":
            errors[line].append(found["message"])
    return reveals, errors


CHECKERS = {"mypy": mypy, "pyright": pyright}


@pytest.mark.parametrize("checker", CHECKERS)
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.stem)
def test_a_checker_sees_the_pinned_types_and_refuses_the_pinned_lines(
    tmp_path: Path, case: Path, checker: str
) -> None:
    pytest.importorskip(checker, reason=f"{checker.upper()} IS NOT INSTALLED: pins unchecked")
    reveals, errors = CHECKERS[checker](case, tmp_path)
    wanted_reveals, wanted_errors = pinned(case)
    assert {line: said[0] for line, said in reveals.items()} == wanted_reveals
    unexpected = {line: said for line, said in errors.items() if line not in wanted_errors}
    assert unexpected == {}
    assert sorted(errors) == sorted(wanted_errors)


def test_the_package_says_that_it_is_typed() -> None:
    assert (REPOSITORY / "pymonik" / "py.typed").is_file()
