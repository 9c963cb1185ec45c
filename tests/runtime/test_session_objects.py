"""Objects of an embedded engine: an id names one object, for ever."""

from __future__ import annotations

from pymonik.backend.session_objects import SessionObjects
from pymonik.values.outputs import Outputs


def test_no_id_is_given_twice_though_addresses_are() -> None:
    objects, ids = SessionObjects("s"), set()
    for _ in range(100):
        outputs = Outputs(1, 1)
        ids.add(objects.result_id(outputs, 0, 0))
        assert objects.result_id(outputs, 0, 0) in ids
        del outputs
    assert len(ids) == 100
    assert objects.find(ids.pop()) is None
