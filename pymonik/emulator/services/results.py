"""The Results service: requests to events, bytes to object storage and back."""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Mapping
from typing import Any

from armonik.protogen.common import results_common_pb2 as messages

from pymonik.emulator.engine import Engine, Refused
from pymonik.emulator.services.convert import result_message
from pymonik.emulator.services.fields import RESULT_ID, RESULT_SESSION, result_field
from pymonik.emulator.services.listing import listed, narrow
from pymonik.emulator.state import Result, events


class Results:
    """armonik.api.grpc.v1.results.Results; WatchResults is not implemented, as on a cluster."""

    def __init__(self, engine: Engine, chunk_size: int) -> None:
        self._engine = engine
        self._chunk_size = chunk_size

    def GetServiceConfiguration(self, request: Any, context: Any) -> Any:
        return messages.ResultsServiceConfigurationResponse(data_chunk_max_size=self._chunk_size)

    def GetResult(self, request: Any, context: Any) -> Any:
        with self._engine.querying() as tables:
            result = result_message(_existing(tables.results, request.result_id))
        return messages.GetResultResponse(result=result)

    def ListResults(self, request: Any, context: Any) -> Any:
        with self._engine.querying() as tables:
            by_id = (RESULT_ID, tables.results)
            by_session = (RESULT_SESSION, tables.results_of)
            total, page = listed(
                request, result_field, lambda matches: narrow(matches, by_id, by_session)
            )
            return messages.ListResultsResponse(
                results=map(result_message, page),
                page=request.page,
                page_size=request.page_size,
                total=total,
            )

    def GetOwnerTaskId(self, request: Any, context: Any) -> Any:
        with self._engine.querying() as tables:
            results = [tables.results[i] for i in request.result_id if i in tables.results]
            # The engine answers names where ids belong.
            owners = [
                messages.GetOwnerTaskIdResponse.MapResultTask(result_id=r.name, task_id=r.owner)
                for r in results
            ]
        return messages.GetOwnerTaskIdResponse(session_id=request.session_id, result_task=owners)

    def CreateResultsMetaData(self, request: Any, context: Any) -> Any:
        new = tuple(
            events.NewResult(_new_id(), item.name, manual_deletion=item.manual_deletion)
            for item in request.results
        )
        return messages.CreateResultsMetaDataResponse(results=self._create(request, new))

    def CreateResults(self, request: Any, context: Any) -> Any:
        new = []
        for item in request.results:
            object_id, size = self._engine.objects.add([item.data] if item.data else [])
            new.append(
                events.NewResult(_new_id(), item.name, object_id, size, item.manual_deletion)
            )
        try:
            created = self._create(request, tuple(new))
        except Refused:
            for result in new:
                self._engine.objects.drop(result.object_id)
            raise
        return messages.CreateResultsResponse(results=created)

    def UploadResultData(self, requests: Iterator[Any], context: Any) -> Any:
        first = next(requests, None)
        if first is None:
            raise Refused("FAILED_PRECONDITION", "the stream must start with the result id")
        if first.WhichOneof("type") != "id":
            raise Refused("INVALID_ARGUMENT", "the first message must hold the result id")
        target = first.id
        chunks = []
        for request in requests:
            if request.WhichOneof("type") != "data_chunk":
                raise Refused("INVALID_ARGUMENT", "messages after the first must hold data")
            self._engine.touch(target.session_id)
            chunks.append(request.data_chunk)
        object_id, size = self._engine.objects.add(chunks)
        stored = events.StoredObject(target.result_id, object_id, size)
        try:
            self._engine.apply(events.UploadResult(target.session_id, stored))
        except Refused:
            self._engine.objects.drop(object_id)
            raise
        return messages.UploadResultDataResponse(result=self._messages([target.result_id])[0])

    def ImportResultsData(self, request: Any, context: Any) -> Any:
        stored = []
        for item in request.results:
            chunks = self._chunks(item.opaque_id)
            size = sum(map(len, chunks))
            stored.append(events.StoredObject(item.result_id, item.opaque_id, size))
        self._engine.apply(events.ImportResults(request.session_id, tuple(stored)))
        imported = self._messages([item.result_id for item in stored])
        return messages.ImportResultsDataResponse(results=imported)

    def DownloadResultData(self, request: Any, context: Any) -> Iterator[Any]:
        with self._engine.querying() as tables:
            object_id = _existing(tables.results, request.result_id).object_id
        embedded = self._engine.quirks.embedded_data and not object_id
        chunks = () if embedded else self._chunks(object_id)
        return (messages.DownloadResultDataResponse(data_chunk=chunk) for chunk in chunks)

    def DeleteResultsData(self, request: Any, context: Any) -> Any:
        self._engine.apply(events.DeleteResults(request.session_id, tuple(request.result_id)))
        return messages.DeleteResultsDataResponse(
            session_id=request.session_id, result_id=request.result_id
        )

    def _create(self, request: Any, new: tuple[events.NewResult, ...]) -> list[Any]:
        self._engine.apply(events.CreateResults(request.session_id, new))
        return self._messages([result.id for result in new])

    def _messages(self, result_ids: list[str]) -> list[Any]:
        with self._engine.reading() as tables:
            return [result_message(_existing(tables.results, i)) for i in result_ids]

    def _chunks(self, object_id: bytes) -> tuple[bytes, ...]:
        chunks = self._engine.objects.find(object_id)
        if chunks is None:
            raise Refused("NOT_FOUND", "Result data was not found")
        return chunks


def _new_id() -> str:
    return str(uuid.uuid4())


def _existing(results: Mapping[str, Result], result_id: str) -> Result:
    result = results.get(result_id)
    if result is None:
        raise Refused("NOT_FOUND", f"Result was not found: '{result_id}'")
    return result
