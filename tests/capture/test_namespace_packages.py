"""Packages without a file of their own, whose folders their parents tell."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

import pytest

from pymonik.capture.source_closure import source_of


def test_one_whose_parent_is_gone_is_not_asked_for_its_folders(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    inner = tmp_path / "outer_of_it" / "inner"
    inner.mkdir(parents=True)
    (inner.parent / "__init__.py").touch()
    (inner / "leaf.py").touch()
    monkeypatch.syspath_prepend(tmp_path)
    importlib.import_module("outer_of_it.inner.leaf")
    try:
        # As the import system leaves it, where a package fails after it has imported that.
        del sys.modules["outer_of_it"]
        sys.path_importer_cache.clear()
        assert source_of("outer_of_it.inner") is None
        del sys.modules["outer_of_it.inner"], sys.modules["outer_of_it.inner.leaf"]
        assert source_of("outer_of_it.inner.leaf") is None
    finally:
        for name in [name for name in sys.modules if name.startswith("outer_of_it")]:
            del sys.modules[name]
