"""Threads of ours have names that tell them from those of the program: `is_alone` asks for them."""

from __future__ import annotations

import ast

from tests.conftest import REPOSITORY

PACKAGE = REPOSITORY / "pymonik"


def test_threads_have_names_of_ours() -> None:
    names = {}
    for path in PACKAGE.rglob("*.py"):
        text = path.read_text()
        if "Thread(" not in text or PACKAGE / "emulator" in path.parents:
            continue
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.Call) and ast.unparse(node.func).endswith("Thread"):
                given = {word.arg: ast.unparse(word.value) for word in node.keywords}
                names[f"{path}:{node.lineno}"] = given.get("name", "")
    assert len(names) > 5
    # `self._name`: of a host, a queue of callbacks, a pool, which are given such names.
    unnamed = [at for at, name in names.items() if not name.startswith(("'pymonik-", "self._name"))]
    assert unnamed == []
