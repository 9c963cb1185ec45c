"""A client whose graphs are run by gangs wherever that is possible: of a few calls, too."""

from __future__ import annotations

from collections.abc import Iterator
from importlib import import_module

import pytest

from pymonik import Pymonik


@pytest.fixture(scope="module")
def client() -> Iterator[Pymonik]:
    gang = import_module("pymonik.graph.passes.gang")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(gang, "_LEVELS", 2)
        patch.setattr(gang, "_CALLS", 2)
        opened = Pymonik(backend="local", workers=2)
        opened.create()
        yield opened
        opened.cancel()
