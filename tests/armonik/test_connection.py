"""Endpoints, certificates and configuration files, right and wrong."""

from __future__ import annotations

import os
import socket
import traceback
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
    pkcs12,
)
from cryptography.hazmat.primitives.serialization import NoEncryption as Plain

from pymonik import Pymonik
from pymonik.backend.armonik import rpc
from pymonik.backend.armonik.akconfig import of_file
from pymonik.backend.armonik.connection import Connection
from pymonik.emulator import Emulator, Tls
from pymonik.errors import BackendError, ClusterUnreachable
from tests.armonik.conftest import started
from tests.conformance.programs import add
from tests.emulator.certificates import Pair, issue


@pytest.fixture(autouse=True)
def no_configuration(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.startswith(("AK", "GrpcClient__")):
            monkeypatch.delenv(name)


# ----- endpoints


@pytest.mark.parametrize(
    ("endpoint", "target"),
    [
        ("localhost:5001", ("localhost:5001", False)),
        (" localhost:5001/ ", ("localhost:5001", False)),
        ("http://10.43.1.2:5001", ("10.43.1.2:5001", False)),
        ("http://cluster.example/", ("cluster.example:80", False)),
        ("https://cluster.example", ("cluster.example:443", True)),
        ("https://cluster.example:5001/", ("cluster.example:5001", True)),
        ("http://[::1]:5001", ("[::1]:5001", False)),
        ("unix:/run/control.sock", ("unix:/run/control.sock", False)),
        ("unix:///run/control.sock", ("unix:/run/control.sock", False)),
    ],
)
def test_an_endpoint_is_read_with_and_without_a_scheme(endpoint: str, target: Any) -> None:
    assert Connection.find(endpoint=endpoint).target == target


PORTS = ("port", "70000", "0", "", "-1", "5 001", "٣")


@pytest.mark.parametrize(
    ("endpoint", "says"),
    [
        ("ftp://host:1", "http, https or unix"),
        ("http://:5001", "names no host"),
        ("http://[::1", "names no host: write host:port"),
        ("http://[host]:1", "names no host: write host:port"),
        *((f"host:{text}", f"'{text}' is not a port: write host:port") for text in PORTS),
        ("https://joe:s3cr3t@host:x", r"'https://\*\*\*@host:x': 'x' is not a port"),
        ("[::1]:", "'' is not a port"),
    ],
)
def test_an_endpoint_that_is_none_is_an_error_that_says_why(endpoint: str, says: str) -> None:
    with pytest.raises(BackendError, match=says):
        Pymonik(endpoint).create()


def test_a_socket_of_the_machine_is_an_endpoint(tmp_path: Path) -> None:
    with pytest.raises(ClusterUnreachable, match="cannot be reached"):
        Pymonik(f"unix:{tmp_path}/nobody.sock").create()


def test_who_waits_for_a_first_word_is_told_so(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(rpc, "pauses", lambda patience: iter((0.01, 0.02, None)))
    monkeypatch.setattr(rpc, "_FIRST_SILENCE", 0.015)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        endpoint = f"127.0.0.1:{taken.getsockname()[1]}"
    with pytest.raises(ClusterUnreachable, match="nothing listens there"):
        Pymonik(endpoint).create()
    assert [record.getMessage() for record in caplog.records] == [
        f"control plane {endpoint} does not answer: asking again, for up to 5 s"
    ]


# ----- AKCONFIG and variables


CERTIFICATES = ("certificate_authority", "client_certificate", "client_key")


def configuration(folder: Path, **keys: Any) -> str:
    path = folder / "armonik-cli.yaml"
    lines = ["# ArmoniK Connection Configuration", "---"]
    path.write_text("\n".join([*lines, *(f'"{key}": "{value}"' for key, value in keys.items())]))
    return str(path)


def test_the_file_that_akconfig_names_is_enough(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, shared: Emulator
) -> None:
    monkeypatch.setenv("AKCONFIG", configuration(tmp_path, endpoint=shared.url, client_key=""))
    with Pymonik():
        assert add.invoke(1, 2).get() == 3


def test_relative_files_of_the_configuration_lie_beside_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    monkeypatch.setenv("HOME", str(tmp_path))
    keys = {"certificate_authority": "pki/ca.pem", "client_key": "/k.pem"}
    path = Path(configuration(tmp_path, **keys, client_certificate="~/c.pem", endpoint="host:1"))
    for name in (str(path), f"../{path.name}", f"~/{path.name}"):
        monkeypatch.setenv("AKCONFIG", name)
        found = Connection.find(endpoint=None)
        authority = Path(found.certificate_authority)
        assert authority.resolve() == (tmp_path / "pki" / "ca.pem").resolve()
        assert (found.client_certificate, found.client_key) == ("~/c.pem", "/k.pem")
        assert found.endpoint == "host:1"


@pytest.mark.parametrize("name", CERTIFICATES)
def test_a_file_that_is_missing_is_told_with_what_names_it(
    name: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def told(**given: str) -> str:
        with pytest.raises(BackendError) as caught:
            Connection.find(endpoint="host:1", **given).channel()
        return str(caught.value)

    path = configuration(tmp_path, **{name: "none.pem"})
    monkeypatch.setenv("AKCONFIG", path)
    beside = str(tmp_path / "none.pem")
    why = "cannot be read: No such file or directory"
    assert told() == f"{name} {beside!r} (set by {path!r}, which AKCONFIG names) {why}"
    monkeypatch.setenv(f"AK_{name.upper()}", "v.pem")
    assert told() == f"{name} 'v.pem' (set by AK_{name.upper()}) {why}"
    assert told(**{name: "a.pem"}) == f"{name} 'a.pem' {why}"


@pytest.mark.parametrize("path", ["/dev/zero", "/", "~nobody-of-that-name/x.pem"])
def test_what_is_no_file_is_no_certificate(path: str) -> None:
    with pytest.raises(BackendError, match="cannot be read: "):
        Connection.find(endpoint="host:1", certificate_authority=path).channel()


def test_the_nearest_endpoint_wins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AKCONFIG", configuration(tmp_path, endpoint="http://file:1"))
    assert Connection.find(endpoint=None).endpoint == "http://file:1"
    monkeypatch.setenv("AK_ENDPOINT", "variable:2")
    assert Connection.find(endpoint=None).endpoint == "variable:2"
    assert Connection.find(endpoint="argument:3").endpoint == "argument:3"


def test_certificates_of_another_cluster_do_not_switch_tls_on_and_that_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    path = configuration(tmp_path, endpoint="far:1", certificate_authority="/ca.pem")
    monkeypatch.setenv("AKCONFIG", path)
    assert Connection.find(endpoint="near:2").target == ("near:2", False)
    assert "certificate_authority is not used" in caplog.text
    caplog.clear()
    assert Connection.find(endpoint=None).target == ("far:1", True)
    assert "certificate_authority" not in caplog.text


@pytest.mark.parametrize("name", CERTIFICATES)
def test_a_certificate_that_is_given_means_tls(
    name: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    assert Connection.find(endpoint="host:1", **{name: "/x.pem"}).target[1]
    monkeypatch.setenv(f"AK_{name.upper()}", "/x.pem")
    assert Connection.find(endpoint="host:1").target[1]
    monkeypatch.delenv(f"AK_{name.upper()}")
    monkeypatch.setenv("AKCONFIG", configuration(tmp_path, **{name: "/x.pem"}))
    assert Connection.find(endpoint="host:1").target[1]


@pytest.mark.parametrize("far", ["https://host:1", "HOST:1/", "http://host:1"])
def test_an_endpoint_that_is_repeated_keeps_its_certificates(
    far: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    path = configuration(tmp_path, endpoint=far, certificate_authority="/x.pem")
    monkeypatch.setenv("AKCONFIG", path)
    assert Connection.find(endpoint="host:1").target == ("host:1", True)
    monkeypatch.setenv("AKCONFIG", configuration(tmp_path, endpoint="https://host:1"))
    assert Connection.find(endpoint="host:1").target == ("host:1", True)


@pytest.mark.parametrize("endpoint", ["http://host:1", "unix:/run/x.sock"])
@pytest.mark.parametrize("name", CERTIFICATES)
def test_a_certificate_for_plain_text_is_an_error(endpoint: str, name: str) -> None:
    with pytest.raises(BackendError, match=f"{name} is given, but endpoint"):
        Connection.find(endpoint=endpoint, **{name: "/x.pem"})


def test_a_farther_certificate_for_plain_text_is_told(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("AK_CLIENT_CERTIFICATE", "/x.pem")
    assert Connection.find(endpoint="http://host:1").target == ("host:1", False)
    assert "client_certificate is not used" in caplog.text


@pytest.mark.parametrize(
    "given",
    [
        {"endpoint": "host:1\n"},
        {"endpoint": "ho\x1bst:1"},
        {"endpoint": "https://host:1", "target_name": "a\rb"},
        {"endpoint": "host:1", "certificate_authority": "/x\n.pem"},
    ],
)
def test_no_setting_has_a_control_character(given: dict[str, str]) -> None:
    with pytest.raises(BackendError, match="control character"):
        Connection.find(**given)


@pytest.mark.parametrize("endpoint", ["ftp://joe:s3cr3t@host:1", "joe:s3cr3t@host:port"])
def test_credentials_of_an_endpoint_are_in_no_message(endpoint: str) -> None:
    with pytest.raises(BackendError) as told:
        assert Connection.find(endpoint=endpoint).target
    assert "s3cr3t" not in str(told.value)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (None, "cannot be read"),
        ("a: [1", "not valid YAML"),
        ("just words", "no keys"),
        ("[" * 5000, "not valid YAML"),
        ("endpoint: 2001-99-99", "its endpoint is a text, not a timestamp"),
        ("? [a]\n: b", "no endpoint"),
        ("endpoint: [a]", "its endpoint is a text, not a list"),
        ("endpoint: 5001", "its endpoint is a text, not a int"),
        ("a: &a [1, 1]\n" + "".join(f"b{n}: &b{n} [*a, *a]\n" for n in range(9)), "no endpoint"),
        ("#" * (1 << 21), "more than"),
        ("debug: true", "no endpoint"),
        ('endpoint: ""', "no endpoint"),
    ],
)
def test_a_wrong_configuration_is_an_error_that_names_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str | None, says: str
) -> None:
    path = tmp_path / "config.yaml"
    if text is not None:
        path.write_text(text)
    monkeypatch.setenv("AKCONFIG", str(path))
    with pytest.raises(BackendError, match=says):
        Pymonik().create()


@pytest.mark.parametrize(
    "text",
    ["token: s3cr3t: x", "endpoint: a\nhttps://joe:s3cr3t@host", "[" * 100 + "s3cr3t",
     "a: \x1b s3cr3t", "endpoint: !!timestamp s3cr3t", "!" + "x" * 9999 + " s3cr3t",
     "endpoint: !" + "x" * 9999 + " s3cr3t", "? [s3cr3t]\n: b"],
)  # fmt: skip
def test_a_wrong_configuration_is_told_in_one_line_that_shows_none_of_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    path = tmp_path / "config.yaml"
    path.write_text(text)
    monkeypatch.setenv("AKCONFIG", str(path))
    with pytest.raises(BackendError) as told:
        Pymonik().create()
    assert "\n" not in str(told.value)
    assert len(str(told.value)) < 1000
    assert "s3cr3t" not in "".join(traceback.format_exception(told.value))


def test_merged_keys_are_read_and_take_no_memory(tmp_path: Path) -> None:
    """Each of these merges nine of the line before: loaded, they would be 9 ** 30 keys."""
    lines = ["a0: &a0 {endpoint: host:1, target_name: far}"]
    lines += [f"a{n}: &a{n} {{<<: [{', '.join([f'*a{n - 1}'] * 9)}]}}" for n in range(1, 31)]
    path = tmp_path / "config.yaml"
    path.write_text("\n".join([*lines, "<<: *a30", "target_name: near", "client_key: !!null"]))
    values = of_file(str(path)).values
    assert values == {"endpoint": "host:1", "target_name": "near"}


# ----- TLS


class Secured:
    """A cluster behind TLS, and the files that open it."""

    def __init__(self, folder: Path, mutual: bool) -> None:
        self.folder = folder
        self.authority = issue(folder, "authority")
        self.user = issue(folder, "user", self.authority)
        server = issue(folder, "server", self.authority)
        client_ca = self.authority.certificate_file if mutual else None
        self.emulator = started(
            tls=Tls(server.certificate_file, server.key_file, client_ca),
            partitions={"pymonik": 1},
        )

    @property
    def ca(self) -> str:
        return str(self.authority.certificate_file)

    def p12(self, password: bytes | None = None) -> str:
        path = self.folder / "user.p12"
        how = BestAvailableEncryption(password) if password else Plain()
        pair = self.user
        path.write_bytes(
            pkcs12.serialize_key_and_certificates(b"user", pair.key, pair.certificate, None, how)
        )
        return str(path)


@pytest.fixture(scope="module")
def mutual(tmp_path_factory: pytest.TempPathFactory) -> Any:
    secured = Secured(tmp_path_factory.mktemp("mutual"), mutual=True)
    with secured.emulator:
        yield secured


def pem(pair: Pair) -> dict[str, str]:
    return {"client_certificate": str(pair.certificate_file), "client_key": str(pair.key_file)}


def test_tls_by_an_authority(tmp_path: Path) -> None:
    secured = Secured(tmp_path, mutual=False)
    with (
        secured.emulator,
        Pymonik(secured.emulator.url, certificate_authority=secured.ca),
    ):
        assert add.invoke(1, 2).get() == 3


def test_mutual_tls_by_arguments_without_a_scheme(mutual: Secured) -> None:
    with Pymonik(mutual.emulator.endpoint, certificate_authority=mutual.ca, **pem(mutual.user)):
        assert add.invoke(1, 2).get() == 3


def test_mutual_tls_by_the_configuration_file(
    mutual: Secured, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys = {"endpoint": mutual.emulator.url, "certificate_authority": mutual.ca}
    monkeypatch.setenv("AKCONFIG", configuration(tmp_path, **keys, **pem(mutual.user)))
    with Pymonik():
        assert add.invoke(1, 2).get() == 3


def test_mutual_tls_by_variables(mutual: Secured, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AK_ENDPOINT", mutual.emulator.url)
    monkeypatch.setenv("GrpcClient__CaCert", mutual.ca)
    monkeypatch.setenv("AK_CLIENT_CERTIFICATE", pem(mutual.user)["client_certificate"])
    monkeypatch.setenv("AK_CLIENT_KEY", pem(mutual.user)["client_key"])
    with Pymonik():
        assert add.invoke(1, 2).get() == 3


@pytest.mark.parametrize("how", ["p12", "one pem"])
def test_certificate_and_key_may_be_one_file(mutual: Secured, tmp_path: Path, how: str) -> None:
    path = mutual.p12()
    if how == "one pem":
        both = tmp_path / "both.pem"
        pair = mutual.user
        both.write_bytes(pair.certificate_file.read_bytes() + pair.key_file.read_bytes())
        path = str(both)
    with Pymonik(mutual.emulator.url, certificate_authority=mutual.ca, client_certificate=path):
        assert add.invoke(1, 2).get() == 3


def locked(mutual: Secured, folder: Path) -> str:
    """Write the user's key with a password."""
    how = BestAvailableEncryption(b"x")
    data = mutual.user.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, how)
    (folder / "locked.pem").write_bytes(data)
    return str(folder / "locked.pem")


def cut(path: str, folder: Path) -> str:
    """Write a PEM file without the middle of its text."""
    lines = Path(path).read_text().splitlines()
    made = folder / f"cut-{Path(path).name}"
    made.write_text("\n".join([lines[0], "AAAA", lines[-1]]))
    return str(made)


def wrong(mutual: Secured, tmp_path: Path) -> dict[str, tuple[dict[str, str], str]]:
    stranger = issue(tmp_path, "stranger")
    garbage = tmp_path / "garbage.pem"
    garbage.write_bytes(b"\0garbage")
    right = {"certificate_authority": mutual.ca, **pem(mutual.user)}
    return {
        "missing authority": ({**right, "certificate_authority": "/no/ca.pem"}, "/no/ca.pem"),
        "garbage authority": ({**right, "certificate_authority": str(garbage)}, "garbage.pem"),
        "missing key": ({**right, "client_key": "/no/key.pem"}, "/no/key.pem"),
        "key for certificate": (
            {**right, "client_certificate": right["client_key"]},
            "client_certificate",
        ),
        "other key": (
            {**right, "client_key": str(stranger.key_file)},
            "does not belong to the certificate",
        ),
        "key alone": (
            {"certificate_authority": mutual.ca, "client_key": right["client_key"]},
            "without client_certificate",
        ),
        "certificate alone": (
            {**right, "client_key": ""},
            "user.crt' holds no private key: give client_key= beside it",
        ),
        "locked key": ({**right, "client_key": locked(mutual, tmp_path)}, "has a password"),
        "cut key": (
            {**right, "client_key": cut(right["client_key"], tmp_path)},
            "client_key '.*' is damaged",
        ),
        "cut certificate": (
            {**right, "client_certificate": cut(right["client_certificate"], tmp_path)},
            "client_certificate '.*' is damaged",
        ),
        "cut authority": (
            {**right, "certificate_authority": cut(mutual.ca, tmp_path)},
            "certificate_authority '.*' is damaged",
        ),
        "p12 and key": (
            {**right, "client_certificate": mutual.p12()},
            "holds its key, and goes without client_key=",
        ),
        "garbage p12": (
            {"certificate_authority": mutual.ca, "client_certificate": str(garbage)},
            "neither PEM nor P12",
        ),
        "locked p12": (
            {"certificate_authority": mutual.ca, "client_certificate": mutual.p12(b"x")},
            "neither PEM nor P12",
        ),
    }


WRONG = (
    "certificate alone",
    "locked key",
    "cut key",
    "cut certificate",
    "cut authority",
    "p12 and key",
    "missing authority",
    "garbage authority",
    "missing key",
    "key for certificate",
    "other key",
    "key alone",
    "garbage p12",
    "locked p12",
)


@pytest.mark.parametrize("case", WRONG)
def test_a_wrong_file_is_an_error_that_names_it(mutual: Secured, tmp_path: Path, case: str) -> None:
    given, says = wrong(mutual, tmp_path)[case]
    with pytest.raises(BackendError, match=says):
        Pymonik(mutual.emulator.url, **given).create()


@pytest.mark.usefixtures("hasty")
@pytest.mark.parametrize(
    ("case", "says"),
    [
        ("no certificate", "the server asks for a client certificate: give client_certificate="),
        ("stranger", r"the server rejects the client_certificate '.*stranger\.crt'"),
        ("stranger's authority", r"not signed by .*stranger\.crt .*certificate_authority="),
        ("no authority", "not signed by this machine's authorities"),
        ("other name", "its certificate is not for 'localhost'"),
        ("plain words", "the server speaks TLS: write https://"),
    ],
)
def test_a_handshake_that_fails_is_an_error_that_says_why(
    mutual: Secured, tmp_path: Path, case: str, says: str
) -> None:
    stranger, url = issue(tmp_path, "stranger"), mutual.emulator.url
    right = {"certificate_authority": mutual.ca, **pem(mutual.user)}
    endpoint, given = {
        "no certificate": (url, {"certificate_authority": mutual.ca}),
        "stranger": (url, {"certificate_authority": mutual.ca, **pem(stranger)}),
        "stranger's authority": (
            url,
            {**right, "certificate_authority": str(stranger.certificate_file)},
        ),
        "no authority": (url, {}),
        "other name": (url.replace("127.0.0.1", "localhost"), right),
        "plain words": (url.replace("https://", "http://"), {}),
    }[case]
    with pytest.raises(ClusterUnreachable, match=says) as caught:
        Pymonik(endpoint, **given).create()
    shown = "".join(traceback.format_exception(caught.value))
    assert "RpcError" not in shown
    assert "grpc" not in shown


# ----- several clusters


def test_two_clusters_at_once(shared: Emulator) -> None:
    with started(partitions={"pymonik": 1}) as second:
        here, there = Pymonik(shared.endpoint), Pymonik(second.endpoint)
        with here, there:
            first = add.invoke(1, 2, pymonik=here)
            other = add.invoke("a", "b", pymonik=there)
            assert (first.get(), other.get()) == (3, "ab")
            assert here.session_id != there.session_id


def test_calls_go_to_the_partitions_they_name(shared: Emulator) -> None:
    with Pymonik(shared.endpoint, partition=["other", "pymonik"]) as client:
        first = add.invoke(1, 2)
        second = add.invoke(first, 3, pmk_partition="pymonik")
        assert second.get() == 6
        del client


def test_a_partition_outside_the_session_is_refused_before_anything_is_sent(
    cluster: Emulator,
) -> None:
    with Pymonik(cluster.endpoint) as client:
        call = add.invoke(1, 2, pmk_partition="other")
        with pytest.raises(BackendError, match=r"'other'.*'pymonik'"):
            client.flush()
        assert cluster.counters["CreateResultsMetaData"].requests == 0
        del call
