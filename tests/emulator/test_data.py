"""Bytes: creation, upload in chunks, download, import, limits of messages."""

from __future__ import annotations

from collections.abc import Iterator

import grpc
import pytest
from armonik.common import ResultStatus
from armonik.protogen.client.results_service_pb2_grpc import ResultsStub
from armonik.protogen.common.results_common_pb2 import (
    CreateResultsRequest,
    DownloadResultDataRequest,
    UploadResultDataRequest,
)

from tests.emulator.plain_cluster import Client, code

MEGABYTE = 1024 * 1024


def upload(*parts: str | bytes, session: str) -> Iterator[UploadResultDataRequest]:
    for part in parts:
        if isinstance(part, bytes):
            yield UploadResultDataRequest(data_chunk=part)
        else:
            target = UploadResultDataRequest.ResultIdentifier(session_id=session, result_id=part)
            yield UploadResultDataRequest(id=target)


def test_an_upload_in_chunks_completes_the_result_and_starts_who_waits(strict: Client) -> None:
    (late,) = strict.declare("late")
    _, output = strict.run("concat", late, text="!")
    strict.stub.UploadResultData(upload(late, b"ab", b"cd", session=strict.session))
    assert strict.value(output) == b"abcd!"
    assert strict.results.get_result(late).size == 4


def test_empty_data_is_data(strict: Client) -> None:
    (empty,) = strict.declare("empty")
    strict.stub.UploadResultData(upload(empty, session=strict.session))
    assert strict.value(empty) == b""
    assert strict.value(strict.put(b"")) == b""


@pytest.mark.parametrize(
    ("parts", "expected"),
    [
        ((), "FAILED_PRECONDITION"),
        ((b"data first",), "INVALID_ARGUMENT"),
        (("unknown", b"x"), "NOT_FOUND"),
    ],
)
def test_wrong_uploads(strict: Client, parts: tuple[str | bytes, ...], expected: str) -> None:
    with pytest.raises(grpc.RpcError) as refused:
        strict.stub.UploadResultData(upload(*parts, session=strict.session))
    assert code(refused.value) == expected


def test_an_upload_into_an_unknown_session_is_not_found(strict: Client) -> None:
    (result,) = strict.declare("result")
    with pytest.raises(grpc.RpcError) as refused:
        strict.stub.UploadResultData(upload(result, b"x", session="nope"))
    assert code(refused.value) == "NOT_FOUND"


def test_downloads_never_wait(strict: Client) -> None:
    for result in ["unknown", *strict.declare("not there yet")]:
        with pytest.raises(grpc.RpcError) as missing:
            strict.results.download_result_data(result, strict.session)
        assert code(missing.value) == "NOT_FOUND"


def test_data_comes_back_in_the_chunks_it_was_written_in(strict: Client) -> None:
    big = strict.put(bytes(5 * MEGABYTE))
    request = DownloadResultDataRequest(session_id=strict.session, result_id=big)
    sizes = [len(message.data_chunk) for message in strict.stub.DownloadResultData(request)]
    assert sizes == [5 * MEGABYTE]


def test_a_client_with_the_default_limit_cannot_download_such_a_chunk(strict: Client) -> None:
    big = strict.put(bytes(5 * MEGABYTE))
    request = DownloadResultDataRequest(session_id=strict.session, result_id=big)
    with pytest.raises(grpc.RpcError) as refused, grpc.insecure_channel(strict.endpoint) as narrow:
        list(ResultsStub(narrow).DownloadResultData(request))
    assert code(refused.value) == "RESOURCE_EXHAUSTED"


def test_a_unary_request_has_a_limit_and_a_stream_has_none(strict: Client) -> None:
    too_much = bytes(30_000_000)
    item = CreateResultsRequest.ResultCreate(name="big", data=too_much)
    with pytest.raises(grpc.RpcError) as refused:
        strict.stub.CreateResults(CreateResultsRequest(session_id=strict.session, results=[item]))
    assert code(refused.value) == "UNKNOWN"
    assert "30000000" in refused.value.details()
    (result,) = strict.declare("big")
    strict.stub.UploadResultData(upload(result, too_much, session=strict.session))
    assert strict.results.get_result(result).size == len(too_much)


def test_objects_can_be_imported_once(strict: Client) -> None:
    source = strict.put(b"shared")
    object_id = strict.results.get_result(source).opaque_id
    (copy,) = strict.declare("copy")
    strict.results.import_data(strict.session, [(copy, object_id)])
    assert strict.value(copy) == b"shared"
    with pytest.raises(grpc.RpcError) as refused:
        strict.results.import_data(strict.session, [(copy, object_id)])
    assert code(refused.value) == "FAILED_PRECONDITION"
    with pytest.raises(grpc.RpcError) as missing:
        strict.results.import_data(strict.session, [(copy, b"nope")])
    assert code(missing.value) == "NOT_FOUND"


def test_deleted_data_is_gone(strict: Client) -> None:
    data = strict.put(b"x")
    strict.results.delete_result_data([data], strict.session)
    assert strict.status(data) == ResultStatus.DELETED
    with pytest.raises(grpc.RpcError) as missing:
        strict.results.download_result_data(data, strict.session)
    assert code(missing.value) == "NOT_FOUND"
