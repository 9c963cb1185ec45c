"""A worker with package settings of its own: everything comes from wheels made here."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from pymonik.runtime.environments import Environments

from .wheels import Index, make_wheel


@pytest.fixture(scope="session")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with three versions of `pmk-demo`, and packages that need it."""
    folder = tmp_path_factory.mktemp("wheels")
    for version in ("1.0", "2.0", "3.0"):
        make_wheel(folder, "pmk-demo", version)
    make_wheel(folder, "pmk-app", "1.0", requires=["pmk-demo>=1.0"])
    make_wheel(folder, "pmk-strict", "1.0", requires=["pmk-demo<3"])
    make_wheel(folder, "pmk-plugin", "1.0", requires=["pymonik>=99"])
    make_wheel(folder, "pmk-big", "1.0", extra_files={"pmk_big.bin": os.urandom(3 << 20)})
    return folder


@pytest.fixture(autouse=True)
def machine(
    monkeypatch: pytest.MonkeyPatch, wheels: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Forget the machine's package settings; look for packages in `wheels` only."""
    for name in list(os.environ):
        if name.startswith(("PIP_", "UV_")) or name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)
    base = tmp_path_factory.getbasetemp()
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("UV_NO_CONFIG", "1")
    monkeypatch.setenv("UV_CACHE_DIR", str(base / "uv"))
    monkeypatch.setenv("UV_HTTP_RETRIES", "0")
    monkeypatch.setenv("UV_OFFLINE", "1")
    monkeypatch.setenv("UV_FIND_LINKS", str(wheels))
    monkeypatch.setenv("XDG_CACHE_HOME", str(base / "xdg"))


@pytest.fixture
def host(tmp_path: Path) -> Iterator[Environments]:
    """The environments of one host, with a cache of its own."""
    environments = Environments(tmp_path / "cache")
    yield environments
    environments.close()


@pytest.fixture
def index(wheels: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Index]:
    """A package index over HTTP, which nothing points to yet."""
    monkeypatch.delenv("UV_OFFLINE")
    monkeypatch.delenv("UV_FIND_LINKS")
    server = Index(wheels)
    yield server
    server.close()
