"""Ids of stored values, alone: handed out, and taken back as handles."""

from __future__ import annotations

from pathlib import Path

import pytest

from pymonik import materialize
from pymonik.client.stored_values import StoredValues
from pymonik.errors import NoClientError
from pymonik.plan.unit import ValueLocation
from pymonik.values.content import Content

from .fakes import Alone, double


class Stores(Alone):
    """What is stored of a client, and what it needs."""

    def __init__(self) -> None:
        super().__init__()
        arguments = self.recorder.arguments
        self.stored = StoredValues(self.state, arguments, self.engine, self.locator)


def test_an_id_is_handed_out_once_the_call_was_sent() -> None:
    alone = Stores()
    handles = [double.invoke(i, pymonik=alone.scope) for i in range(2)]
    assert [alone.stored.result_id(handle) for handle in handles] == ["id-0-0", "id-1-0"]
    assert alone.flushes == 1


def test_an_object_is_stored_when_its_id_is_asked_for() -> None:
    alone = Stores()
    handle = alone.scope.put(b"some bytes")
    content = handle._node.content
    assert alone.stored.result_id(handle) == f"id-{content.size}"
    assert alone.backend.stored == [content]
    assert alone.flushes == 0


def test_a_handle_is_made_of_an_id_of_the_session() -> None:
    alone = Stores()
    content = Content(b"N.")
    alone.backend.names["there"] = ValueLocation(content=content)
    handle = alone.stored.of_result(alone.scope, "there", "fake-session")
    assert (handle._client, handle._node.content) == (alone.scope, content)
    with pytest.raises(LookupError, match="'elsewhere'"):
        alone.stored.of_result(alone.scope, "elsewhere", "fake-session")
    with pytest.raises(NoClientError, match="belongs to session other"):
        alone.stored.of_result(alone.scope, "there", "other")


def test_a_file_is_read_once_unless_it_is_forced(tmp_path: Path) -> None:
    alone = Stores()
    (tmp_path / "file").write_text("content")
    mat = materialize(str(tmp_path / "file"), "there")
    alone.stored.upload(mat, force=False)
    alone.stored.upload(mat, force=False)
    assert len(alone.backend.stored) == 1
    assert mat.result_id == f"id-{alone.backend.stored[0].size}"
    alone.stored.upload(mat, force=True)
    assert len(alone.backend.stored) == 2
