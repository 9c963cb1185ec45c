"""Environments of a host: each is built of what its task has brought, however late that begins."""

from __future__ import annotations

from functools import partial
from types import SimpleNamespace
from typing import Any

import pytest

from pymonik.runtime.host import environments
from pymonik.runtime.worker.hosts import Hosts
from pymonik.values.content import Content


class _Environment:
    """Has a working directory."""

    working_hash = "a hash"


def test_a_builder_that_begins_late_has_the_folder_of_the_task_that_asked(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """That task may have been cancelled, and the worker have another one, with another folder."""
    waiting: list[Any] = []
    built: list[Any] = []

    def build(environment: Any, folder: Any) -> Any:
        built.append(folder)
        return SimpleNamespace(seconds=0.0)

    def late(target: Any, args: Any, **_: Any) -> Any:
        """Make a thread that begins when it is told to, at the end."""
        return SimpleNamespace(start=lambda: waiting.append(partial(target, *args)))

    monkeypatch.setattr(environments, "threading", SimpleNamespace(Thread=late))
    hosts = Hosts("worker")
    fake: Any = SimpleNamespace(build=build)
    known = environments.HostEnvironments(lambda *_: None, hosts._folder_of, fake)
    hosts._folder = Content(b"of the first task")
    environment: Any = _Environment()
    assert not known.is_ready(environment)
    hosts._folder = Content(b"of the next one")
    for run in waiting:
        run()
    assert built == [b"of the first task"]
