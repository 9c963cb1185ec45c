"""Dispatch: walk the requests of a plan.

Enters: requests, and an `ObjectStore` to send them to: a control plane, or the agent of a worker.
Leaves: requests sent, and ids bound to objects. Decides nothing about the graph.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

from pymonik.plan.requests import ClusterObject, ClusterRequest, Create, Declare, Stream, Submit
from pymonik.wire.envelope import Parts


class ObjectStore(Protocol):
    """Takes requests; each method is one."""

    def declare(self, names: Sequence[str]) -> Sequence[str]:
        """Return an id for each name."""

    def create(self, items: Sequence[tuple[str, Parts]]) -> Sequence[str]:
        """Store objects under names; return their ids."""

    def stream(self, id: str, parts: Parts) -> None:
        """Send the data of a declared object."""

    def submit(self, request: Submit) -> None:
        """Submit tasks."""

    def at_once(self, actions: Sequence[Callable[[], None]]) -> None:
        """Run actions that do not depend on each other."""


def dispatch(
    requests: Sequence[ClusterRequest],
    store: ObjectStore,
    declared: Callable[[], None] = lambda: None,
) -> None:
    """Send requests in order, uploads at once; call `declared` when the outputs have their ids."""
    uploads: list[Callable[[], None]] = []
    for request in requests:
        if isinstance(request, Declare):
            _bind(request.objects, store.declare([stored.name for stored in request.objects]))
            declared()
        elif isinstance(request, Submit):
            if uploads:
                store.at_once(uploads)
                uploads = []
            store.submit(request)
            request.is_done = True
        else:
            uploads.append(_upload(request, store))
    if uploads:
        store.at_once(uploads)


def _upload(request: Create | Stream, store: ObjectStore) -> Callable[[], None]:
    def create() -> None:
        assert isinstance(request, Create)
        _bind(request.objects, store.create([(o.name, _parts(o)) for o in request.objects]))
        _let_go(request.objects)

    def stream() -> None:
        assert isinstance(request, Stream)
        store.stream(request.object.id, _parts(request.object))
        _let_go([request.object])

    return create if isinstance(request, Create) else stream


def _parts(stored: ClusterObject) -> Parts:
    assert stored.parts is not None
    return stored.parts()


def _bind(objects: Sequence[ClusterObject], ids: Sequence[str]) -> None:
    for stored, id in zip(objects, ids, strict=True):
        stored.id = id


def _let_go(objects: Sequence[ClusterObject]) -> None:
    """Keep no bytes of what is stored."""
    for stored in objects:
        stored.parts = None
