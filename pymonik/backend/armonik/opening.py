"""Opening a session: created once, whatever happens to the answer.

Enters: partitions. Leaves: the id of one session. The request carries a tag; where its answer was
lost, the session is looked for by the tag before another one is made, and those that came too late
to be ours are cancelled when ours ends.
"""

from __future__ import annotations

import logging
import uuid
from collections.abc import Sequence
from typing import Any

from armonik.protogen.common import sessions_common_pb2

from pymonik.backend.armonik import messages
from pymonik.backend.armonik.patience import FIRST, deadline_of
from pymonik.backend.armonik.refusals import is_ambiguous
from pymonik.backend.armonik.rpc import RpcClient
from pymonik.errors import ClusterError, StaleError
from pymonik.plan.requests import Placement
from pymonik.plan.sizes import SESSION_TAG

logger = logging.getLogger("pymonik.armonik")

# Seconds for which sessions that nobody uses are looked for.
_SEARCH = 2.0
_MAY_BE_OPEN = "a session may be left open, since an answer was lost: %s"


class Opening:
    """Creates one session."""

    def __init__(self, rpc: RpcClient, sessions: Any) -> None:
        self._rpc = rpc
        self._sessions = sessions
        self._tag = uuid.uuid4().hex
        # Whether an answer was lost: there may be sessions that nobody knows.
        self._is_ambiguous = False
        # Whether there may be one that nobody has taken over yet.
        self._is_asked_for = False

    def create(self, partitions: Sequence[str]) -> str:
        """Create the session; return its id."""
        request = sessions_common_pb2.CreateSessionRequest(
            default_task_option=messages.task_options(
                Placement(partition=partitions[0]), {SESSION_TAG: self._tag}
            ),
            partition_ids=partitions,
        )
        self._is_asked_for = True
        try:
            return self._created(request)
        except BaseException as error:
            # Ctrl-C, while the answer was on its way; a refusal is an answer.
            self._is_ambiguous |= not isinstance(error, ClusterError)
            self.drop_others("")
            self._is_asked_for = False
            raise

    def give_up(self) -> None:
        """Cancel the session that was created: Ctrl-C came before anybody knew of it."""
        if self._is_asked_for:
            self._is_ambiguous = True
            self.drop_others("")

    def _created(self, request: Any) -> str:
        deadline = deadline_of(patience=FIRST)
        for pause in self._rpc.pauses(FIRST):
            failures = self._rpc.breaker.failures
            try:
                answer = self._rpc.once(self._sessions.CreateSession, request, deadline)
                return str(answer.session_id)
            except ClusterError as error:
                if not is_ambiguous(error):
                    raise
                self._is_ambiguous = True
                sessions = self._after_a_lost_answer()
                if sessions:
                    return sessions[0]
                is_permanent = self._rpc.is_permanent(error, failures)
                if is_permanent or pause is None or self._rpc.closing.wait(pause):
                    raise
        raise AssertionError("the last pause is None")

    def _after_a_lost_answer(self) -> list[str]:
        try:
            return self._tagged(FIRST)
        except ClusterError as error:
            self._is_ambiguous = False  # who does not answer this answers no later search either
            logger.warning(_MAY_BE_OPEN, error)
            raise

    def drop_others(self, ours: str) -> None:
        """Cancel sessions of the tag that are not ours: an answer was lost, or came too late."""
        if not self._is_ambiguous:
            return
        self._is_ambiguous = False
        try:
            for id in self._tagged(_SEARCH):
                if id != ours:
                    request = sessions_common_pb2.CancelSessionRequest(session_id=id)
                    self._rpc.retry(self._sessions.CancelSession, request, _SEARCH)
        except StaleError:  # it has ended meanwhile
            pass
        except ClusterError as error:
            logger.warning(_MAY_BE_OPEN, error)

    def _tagged(self, patience: float) -> list[str]:
        """Return the ids of sessions that were created with the tag, and run."""
        request = messages.list_sessions(SESSION_TAG, self._tag)
        answer = self._rpc.read(self._sessions.ListSessions, request, patience)
        running = messages.SESSION_RUNNING
        return [session.session_id for session in answer.sessions if session.status == running]
