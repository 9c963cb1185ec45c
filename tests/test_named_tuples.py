"""Named tuples of ours are those of `typing`, but for what makes them."""

from __future__ import annotations

import ast
import copy
import pickle
import typing
from pathlib import Path
from typing import Any

import pytest

import pymonik
from pymonik.system.structs import NamedTuple


class Ours(NamedTuple):
    """A point with a name."""

    x: int
    y: list[int]
    name: str = "here"

    @property
    def size(self) -> int:
        """Return how long the list is."""
        return len(self.y)

    @classmethod
    def at(cls, x: int) -> Ours:
        """Return one at a place."""
        return cls(x, [])

    def __str__(self) -> str:
        return f"{self.name}: {self.x}"


class Theirs(typing.NamedTuple):
    """A point with a name."""

    x: int
    y: list[int]
    name: str = "here"


def test_it_is_what_typing_makes() -> None:
    ours: Any = Ours(1, [2])
    theirs: Any = Theirs(1, [2])
    assert ours == theirs == (1, [2], "here")
    assert repr(ours) == repr(theirs).replace("Theirs", "Ours")
    for name in ("_fields", "_field_defaults", "__match_args__", "__doc__", "__module__"):
        assert getattr(Ours, name) == getattr(Theirs, name), name
    assert typing.get_type_hints(Ours) == typing.get_type_hints(Theirs)
    assert Ours.__qualname__ == "Ours"
    assert ours._replace(x=5)._asdict() == {"x": 5, "y": [2], "name": "here"}
    assert not hasattr(ours, "__dict__")


def test_it_keeps_what_else_stands_in_its_body() -> None:
    assert (Ours.at(3).size, str(Ours.at(3))) == (0, "here: 3")


@pytest.mark.parametrize("protocol", range(2, pickle.HIGHEST_PROTOCOL + 1))
def test_it_is_pickled_and_copied(protocol: int) -> None:
    one = Ours(1, [2])
    assert type(pickle.loads(pickle.dumps(one, protocol))) is Ours
    assert pickle.loads(pickle.dumps(one, protocol)) == copy.deepcopy(one) == one


def test_a_field_without_a_default_comes_before_those_with_one() -> None:
    with pytest.raises(TypeError, match="Wrong: a field without a default follows"):

        class Wrong(NamedTuple):
            x: int = 1
            y: int  # type: ignore[misc]


def _takes_theirs(node: Any) -> bool:
    taken = isinstance(node, ast.ImportFrom) and node.module == "typing"
    return taken and "NamedTuple" in [name.name for name in node.names]


def test_no_module_of_ours_has_typing_make_one() -> None:
    root = Path(pymonik.__file__).parent
    files = [p for p in root.rglob("*.py") if "NamedTuple" in p.read_text(encoding="utf-8")]
    taking = {
        file.relative_to(root).as_posix()
        for file in files
        if any(map(_takes_theirs, ast.walk(ast.parse(file.read_text(encoding="utf-8")))))
    }
    assert len(files) > 20
    assert taking == {"system/structs.py"}
