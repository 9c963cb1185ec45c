"""Source lines of captured code, which loaders of the user's may give."""

from __future__ import annotations

from typing import Any

from pymonik.system.source_lines import note_source, note_text, with_source_lines


class _Loader:
    """Gives the source of a module, and has another file captured meanwhile, as it may."""

    def get_source(self, name: str) -> str:
        note_source("/nowhere/other.py", {"__name__": "other", "__loader__": _Plain()})
        return "one = 1\n"


class _Plain:
    def get_source(self, name: str) -> str:
        return "two = 2\n"


def _shown(file: str) -> str:
    return with_source_lines(f'  File "{file}", line 1, in f')


def test_a_loader_may_have_code_captured_while_it_is_asked() -> None:
    scope: dict[str, Any] = {"__name__": "outer", "__loader__": _Loader()}
    note_source("/nowhere/outer.py", scope)
    assert "one = 1" in _shown("/nowhere/outer.py")
    assert "two = 2" in _shown("/nowhere/other.py")
    for file in ("/nowhere/outer.py", "/nowhere/other.py"):
        note_text(file, "")
