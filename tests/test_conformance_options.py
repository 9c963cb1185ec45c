"""The options by which the programs of the tests run on a cluster that is already there."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.conftest import certificates

URL = "https://cluster.invalid:5001"


def test_certificates_of_akconfig_are_told_by_their_full_paths(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "cli.yaml").write_text(
        "endpoint: http://10.43.1.2:5001\n"
        "certificate_authority: ca.crt\nclient_certificate: user.crt\nclient_key: user.key\n"
    )
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("AKCONFIG", "cli.yaml")
    monkeypatch.setenv("AK_CLIENT_KEY", "/keys/other.key")
    monkeypatch.setenv("AK_TARGET_NAME", "armonik.local")
    here = os.getcwd()
    assert certificates(URL) == {
        "AK_CERTIFICATE_AUTHORITY": f"{here}/ca.crt",
        "AK_CLIENT_CERTIFICATE": f"{here}/user.crt",
        "AK_CLIENT_KEY": "/keys/other.key",
        "AK_TARGET_NAME": "armonik.local",
    }


def test_without_tls_no_certificate_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    assert certificates("cluster.invalid:5001") == {}
    monkeypatch.setenv("AK_TARGET_NAME", "armonik.local")
    assert certificates("http://cluster.invalid:5001") == {}
