"""Random programs of one cached task: what it computes hangs on helpers of every kind.

Enters: a random generator. Leaves: the sources of a script and of two modules beside it. A part, in
`parts.txt`, defines helpers and gives an expression; A, B, C are random digits, and N ends names.
"""

from __future__ import annotations

import random
import re
from dataclasses import dataclass
from pathlib import Path

Sources = dict[str, str]
_HERE = Path(__file__).parent


def _parts(name: str) -> list[tuple[str, str]]:
    """Read pairs of definitions and an expression."""
    blocks = (_HERE / name).read_text().split("\n----\n")
    return [
        (code, expression.strip()) for code, _, expression in (b.partition("\n=> ") for b in blocks)
    ]


HEAD, MODULE = ((_HERE / name).read_text() for name in ("head.txt", "module.txt"))
# What a script may define, and how it may use the two modules beside it.
PARTS, USES = _parts("parts.txt"), _parts("uses.txt")


@dataclass(frozen=True)
class Program:
    """A script and the modules beside it, by name; `main` is the script."""

    sources: Sources


def program(chance: random.Random, size: int = 4) -> Program:
    """Make a random program of some parts."""
    definitions, expressions = [HEAD], []
    for number, (code, expression) in enumerate(chance.sample(PARTS, size)):
        definitions.append(_numbered(chance, code, number))
        expressions.append(_numbered(chance, expression, number))
    for code, expression in chance.sample(USES, 1):
        definitions.append(_numbered(chance, code, 90))
        expressions.append(_numbered(chance, expression, 90))
    body = ", ".join(expressions)
    task = f"@task(pure=True, cache=True)\ndef answer(x):\n    return [{body}]\n"
    sources = {name: _numbered(chance, MODULE, 0) for name in ("m1", "m2")}
    return Program({**sources, "main": "\n".join([*definitions, task])})


def _numbered(chance: random.Random, text: str, number: int) -> str:
    text = re.sub(r"(?<=[a-zA-Z0-9])N(?=_?\b)", str(number), text)
    return re.sub(r"\b([ABC])\b|(?<=[a-z])([ABC])\b", lambda _: str(chance.randint(0, 9)), text)
