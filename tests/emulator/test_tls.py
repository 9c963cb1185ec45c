"""TLS, with and without client certificates."""

from __future__ import annotations

from pathlib import Path

import grpc
import pytest
from armonik.client import ArmoniKVersions
from armonik.common.channel import create_channel
from armonik.protogen.client.auth_service_pb2_grpc import AuthenticationStub
from armonik.protogen.common.auth_common_pb2 import GetCurrentUserRequest

from pymonik.emulator import Tls
from tests.emulator.certificates import issue
from tests.emulator.plain_cluster import code, emulator


def test_a_client_with_the_authority_connects(tmp_path: Path) -> None:
    authority = issue(tmp_path, "authority")
    server = issue(tmp_path, "server", authority)
    tls = Tls(server.certificate_file, server.key_file)
    with emulator(partitions={"main": 0}, tls=tls) as started:
        assert started.url.startswith("https://127.0.0.1:")
        with create_channel(
            started.url, certificate_authority=authority.certificate_file
        ) as channel:
            assert ArmoniKVersions(channel).list_versions()["core"]


def test_mutual_tls_wants_a_certificate_and_knows_its_name(tmp_path: Path) -> None:
    authority = issue(tmp_path, "authority")
    server, user = issue(tmp_path, "server", authority), issue(tmp_path, "user", authority)
    tls = Tls(server.certificate_file, server.key_file, authority.certificate_file)
    with emulator(partitions={"main": 0}, tls=tls) as started:
        with create_channel(
            started.url,
            certificate_authority=authority.certificate_file,
            client_certificate=user.certificate_file,
            client_key=user.key_file,
        ) as channel:
            answer = AuthenticationStub(channel).GetCurrentUser(GetCurrentUserRequest())
            assert answer.user.username == "user"
        with (
            create_channel(
                started.url, certificate_authority=authority.certificate_file
            ) as channel,
            pytest.raises(grpc.RpcError) as refused,
        ):
            ArmoniKVersions(channel).list_versions()
        assert code(refused.value) == "UNAVAILABLE"


def test_files_that_are_no_pair_are_told_in_a_sentence(tmp_path: Path) -> None:
    authority = issue(tmp_path, "authority")
    server, other = issue(tmp_path, "server", authority), issue(tmp_path, "other", authority)
    certificate, key, garbage = server.certificate_file, server.key_file, tmp_path / "garbage"
    garbage.write_text("no PEM")
    for tls, says in (
        (Tls(tmp_path / "none", key), "certificate '.*none' cannot be read: No such file"),
        (Tls(certificate, tmp_path / "none"), "key '.*none' cannot be read: No such file"),
        (Tls(certificate, tmp_path), "key '.*' cannot be read: Is a directory"),
        (Tls(garbage, key), "certificate '.*garbage' and key '.*' are no PEM files of one pair"),
        (Tls(certificate, other.key_file), "are no PEM files of one pair"),
        (Tls(certificate, key, tmp_path / "none"), "client CA '.*none' cannot be read"),
        (Tls(certificate, key, garbage), "client CA '.*garbage' holds no PEM certificate"),
    ):
        with pytest.raises(OSError, match=says):
            tls.credentials()
