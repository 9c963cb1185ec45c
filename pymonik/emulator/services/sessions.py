"""The Sessions service: requests to events, records to answers."""

from __future__ import annotations

import uuid
from typing import Any

from armonik.protogen.common import sessions_common_pb2 as messages

from pymonik.emulator.engine import Engine, Refused
from pymonik.emulator.services.convert import deleted_session_message, options_of, session_message
from pymonik.emulator.services.fields import session_field
from pymonik.emulator.services.listing import listed
from pymonik.emulator.state import events


class Sessions:
    """Serve armonik.api.grpc.v1.sessions.Sessions."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def CreateSession(self, request: Any, context: Any) -> Any:
        session_id = str(uuid.uuid4())
        self._engine.apply(
            events.CreateSession(
                session_id,
                options_of(request, "default_task_option"),
                tuple(request.partition_ids),
            )
        )
        return messages.CreateSessionReply(session_id=session_id)

    def GetSession(self, request: Any, context: Any) -> Any:
        return messages.GetSessionResponse(session=self._message(request.session_id))

    def ListSessions(self, request: Any, context: Any) -> Any:
        with self._engine.reading() as tables:
            total, page = listed(request, session_field, lambda _: tables.sessions.values())
            return messages.ListSessionsResponse(
                sessions=map(session_message, page),
                page=request.page,
                page_size=request.page_size,
                total=total,
            )

    def PauseSession(self, request: Any, context: Any) -> Any:
        self._engine.apply(events.PauseSession(request.session_id))
        return messages.PauseSessionResponse(session=self._message(request.session_id))

    def ResumeSession(self, request: Any, context: Any) -> Any:
        self._engine.apply(events.ResumeSession(request.session_id))
        return messages.ResumeSessionResponse(session=self._message(request.session_id))

    def CloseSession(self, request: Any, context: Any) -> Any:
        self._engine.apply(events.CloseSession(request.session_id))
        return messages.CloseSessionResponse(session=self._message(request.session_id))

    def CancelSession(self, request: Any, context: Any) -> Any:
        self._engine.apply(events.CancelSession(request.session_id))
        return messages.CancelSessionResponse(session=self._message(request.session_id))

    def PurgeSession(self, request: Any, context: Any) -> Any:
        self._engine.apply(events.PurgeSession(request.session_id))
        return messages.PurgeSessionResponse(session=self._message(request.session_id))

    def DeleteSession(self, request: Any, context: Any) -> Any:
        self._engine.apply(events.DeleteSession(request.session_id))
        session = deleted_session_message(request.session_id)
        return messages.DeleteSessionResponse(session=session)

    def StopSubmission(self, request: Any, context: Any) -> Any:
        self._engine.apply(
            events.StopSubmission(request.session_id, request.client, request.worker)
        )
        return messages.StopSubmissionResponse(session=self._message(request.session_id))

    def _message(self, session_id: str) -> Any:
        with self._engine.reading() as tables:
            session = tables.sessions.get(session_id)
            if session is None:
                raise Refused("NOT_FOUND", f"Session was not found: '{session_id}'")
            return session_message(session)
