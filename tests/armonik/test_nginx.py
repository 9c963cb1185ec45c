"""A real nginx before the control plane, which wants client certificates, where one is installed.

What it answers is what the stand-in of `test_proxies` answers; the rest is told by running through
it: streams that it cuts, connections that it ends after some requests.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from pymonik import Pymonik
from pymonik.emulator import Delay, Emulator
from pymonik.errors import ClusterError
from tests.conformance.programs import identity, pass_gate, square
from tests.conformance.seams import until
from tests.conftest import Gate
from tests.emulator.certificates import Pair, issue

NGINX = shutil.which("nginx") or shutil.which("/usr/sbin/nginx")
pytestmark = pytest.mark.skipif(NGINX is None, reason="no nginx is installed")

CONFIGURATION = """
daemon off; pid {home}/pid; error_log {home}/error.log;
events {{ }}
http {{
  access_log off;
  client_body_temp_path {home}/body; proxy_temp_path {home}/proxy;
  fastcgi_temp_path {home}/fastcgi; uwsgi_temp_path {home}/uwsgi; scgi_temp_path {home}/scgi;
  server {{
    listen 127.0.0.1:{port} ssl http2;
    ssl_certificate {home}/server.crt; ssl_certificate_key {home}/server.key;
    ssl_client_certificate {home}/authority.crt; ssl_verify_client on;
    client_max_body_size {body}; keepalive_requests 50;
    location / {{ {rule} grpc_read_timeout 1s; grpc_pass grpc://{behind}; }}
  }}
}}
"""

Settings = dict[str, str]


class Nginx:
    """One nginx on a loopback port, and what clients need to get past it."""

    def __init__(self, behind: str, rule: str = "", body: str = "0") -> None:
        self.home = Path(tempfile.mkdtemp(prefix="pymonik-nginx-"))
        self._authority = issue(self.home, "authority")
        issue(self.home, "server", self._authority)
        # Bound here and handed on: it listens before nginx runs, and nobody else can have the port.
        with socket.create_server(("127.0.0.1", 0)) as listener:
            port = listener.getsockname()[1]
            text = CONFIGURATION.format(
                home=self.home, port=port, behind=behind, rule=rule, body=body
            )
            (self.home / "nginx.conf").write_text(text)
            command = [NGINX or "nginx", "-p", f"{self.home}", "-c", f"{self.home}/nginx.conf"]
            self._process = subprocess.Popen(
                [*command, "-e", f"{self.home}/error.log"],
                env={**os.environ, "NGINX": f"{listener.fileno()};"},
                pass_fds=[listener.fileno()],
            )
        self.url = f"https://127.0.0.1:{port}"
        self.nobody = {"endpoint": self.url, "certificate_authority": f"{self.home}/authority.crt"}
        self.user = self.known("user", self._authority)

    def known(self, name: str, issuer: Pair | None, hours: float = 1) -> Settings:
        """Return the settings of a client with a certificate."""
        pair = issue(self.home, name, issuer, hours)
        files = {"client_certificate": pair.certificate_file, "client_key": pair.key_file}
        return {**self.nobody, **{name: str(path) for name, path in files.items()}}

    def expired(self) -> Settings:
        """Return the settings of a client whose certificate has expired."""
        return self.known("expired", self._authority, -1)

    def close(self) -> None:
        """End it."""
        self._process.terminate()
        self._process.wait()
        shutil.rmtree(self.home)


Start = Callable[..., Nginx]


@pytest.fixture
def nginx(cluster: Emulator) -> Iterator[Start]:
    """Start an nginx before the shared cluster, or before nothing."""
    started: list[Nginx] = []

    def start(behind: str = cluster.endpoint, **settings: str) -> Nginx:
        started.append(Nginx(behind, **settings))
        return started[-1]

    yield start
    for one in started:
        one.close()


def test_calls_go_through_connections_and_streams_that_it_ends(
    cluster: Emulator, nginx: Start, gate: Gate
) -> None:
    before = nginx()
    with Pymonik(**before.user, optimize=False):  # type: ignore[arg-type]
        long = pass_gate.invoke(gate.path, "long")
        values = [square.invoke(i) for i in range(100)]
        assert [value.get() for value in values] == [i * i for i in range(100)]
        # A stream of events on which nothing comes for a second is cut, and opened again.
        until(lambda: cluster.counters["GetEvents"].requests > 1)
        gate.open()
        assert long.get() == "long"
        assert len(identity.invoke(os.urandom(6 << 20)).get()) == 6 << 20


def test_certificates_that_it_does_not_take_are_told_of(nginx: Start) -> None:
    before = nginx()
    told = []
    for given in (before.nobody, before.known("stranger", None), before.expired()):
        with pytest.raises(ClusterError, match="HTTP 400") as caught:
            Pymonik(**given).create()  # type: ignore[arg-type]
        told.append(str(caught.value))
    assert "it wants a client certificate (give client_certificate=" in told[0]
    assert "rejects the client_certificate" in told[1]
    assert "stranger.crt" in told[1]
    assert "has expired, on" in told[2]


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"rule": "deny all;"}, "does not let this client through.*HTTP 403"),
        ({"rule": "return 503;"}, "has no control plane behind it now.*HTTP 503"),
        ({"behind": "127.0.0.1:1"}, "does not reach the control plane behind it.*HTTP 502"),
    ],
    ids=["403", "503", "502"],
)
def test_what_it_answers_itself_is_told_with_the_likely_cause(
    nginx: Start, settings: dict[str, str], told: str
) -> None:
    with pytest.raises(ClusterError, match=told):
        Pymonik(**nginx(**settings).user).create()  # type: ignore[arg-type]


def test_a_request_that_is_too_large_for_it_is_told_of(nginx: Start) -> None:
    with pytest.raises(ClusterError, match=r"client_max_body_size.*HTTP 413"):
        send_a_megabyte(nginx(body="100k"))


def send_a_megabyte(before: Nginx) -> None:
    with Pymonik(**before.user):  # type: ignore[arg-type]
        identity.invoke(os.urandom(1 << 20)).get()


def test_a_submission_that_gets_no_answer_in_time_is_made_once(
    cluster: Emulator, nginx: Start
) -> None:
    cluster.faults.add("SubmitTasks", Delay(2.0))
    with Pymonik(**nginx().user) as client:  # type: ignore[arg-type]
        assert square.map_invoke(range(5)).get() == [0, 1, 4, 9, 16]
        _, counts = client.parts.engine.backend._session.unfinished()  # type: ignore[union-attr]
        assert sum(counts.values()) == client.stats.units
