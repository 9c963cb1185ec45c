"""What the machine's administrator told pip reaches uv."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from pymonik.environment import pip_settings as env_pip
from pymonik.environment.builder import Environments
from pymonik.environment.parse import parse
from pymonik.environment.pip_settings import pip_settings, uv_environ, uv_flags

from .wheels import Index, make_wheel

QUIET = {"UV_NO_PROGRESS": "1", "NO_COLOR": "1", "UV_PYTHON_DOWNLOADS": "never"}
NO_FILES = {"PIP_CONFIG_FILE": os.devnull}


def translated(**environ: str) -> dict[str, str]:
    child = uv_environ({**NO_FILES, **environ})
    return {
        name: value for name, value in child.items() if name not in {*environ, *QUIET, *NO_FILES}
    }


@pytest.mark.parametrize(
    ("pip", "uv"),
    [
        ({}, {}),
        ({"PIP_INDEX_URL": "https://a.test"}, {"UV_INDEX_URL": "https://a.test"}),
        ({"PIP_FIND_LINKS": "/a\n/b"}, {"UV_FIND_LINKS": "/a,/b"}),
        ({"PIP_TRUSTED_HOST": "a.test b.test"}, {"UV_INSECURE_HOST": "a.test b.test"}),
        ({"PIP_CONSTRAINT": "/c1 /c2"}, {"UV_CONSTRAINT": "/c1 /c2"}),
        ({"PIP_CERT": "/ca.pem"}, {"SSL_CERT_FILE": "/ca.pem"}),
        ({"PIP_DEFAULT_TIMEOUT": "180"}, {"UV_HTTP_TIMEOUT": "180"}),
        ({"PIP_PROXY": "http://p.test:1"}, {"ALL_PROXY": "http://p.test:1"}),
        ({"PIP_PROXY": "joe:x@p.test:1"}, {"ALL_PROXY": "http://joe:x@p.test:1"}),
        ({"PIP_PRE": "true"}, {"UV_PRERELEASE": "allow"}),
        ({"PIP_PRE": "0"}, {}),
        ({"PIP_NO_COLOR": "1", "PIP_INDEX_URL": ""}, {}),
        (
            {"PIP_EXTRA_INDEX_URL": "https://a.test\n https://b.test"},
            {
                "UV_EXTRA_INDEX_URL": "https://a.test https://b.test",
                "UV_INDEX_STRATEGY": "unsafe-best-match",
            },
        ),
    ],
)
def test_settings_are_translated(pip: dict[str, str], uv: dict[str, str]) -> None:
    assert translated(**pip) == uv


@pytest.mark.parametrize(
    "spoken",
    [
        {"PIP_INDEX_URL": "https://a.test", "UV_DEFAULT_INDEX": "https://b.test"},
        {"PIP_INDEX_URL": "https://a.test", "UV_INDEX_URL": "https://b.test"},
        {"PIP_EXTRA_INDEX_URL": "https://a.test", "UV_INDEX": "https://b.test"},
        {"PIP_PROXY": "http://a.test", "https_proxy": "http://b.test"},
        {"PIP_CERT": "/a.pem", "SSL_CERT_FILE": "/b.pem"},
    ],
)
def test_what_uv_is_told_directly_stands(spoken: dict[str, str]) -> None:
    assert translated(**spoken) == {}


def test_no_index_is_a_flag() -> None:
    assert uv_flags({**NO_FILES, "PIP_NO_INDEX": "1"}) == ["--no-index"]
    assert uv_flags({**NO_FILES, "PIP_NO_INDEX": "no"}) == []
    assert uv_flags({**NO_FILES, "PIP_NO_INDEX": "1", "UV_INDEX": "https://a.test"}) == []


def test_uv_is_not_led_to_another_interpreter() -> None:
    misleading = {"VIRTUAL_ENV": "/v", "CONDA_PREFIX": "/c", "PYTHONPATH": "/p", "UV_PYTHON": "3"}
    assert uv_environ({**NO_FILES, **misleading, "HOME": "/h"}) == {
        **NO_FILES,
        **QUIET,
        "HOME": "/h",
    }


def test_files_are_read_from_the_weakest_to_the_strongest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(env_pip.sys, "platform", "linux")
    monkeypatch.setattr(env_pip.sys, "prefix", str(tmp_path / "venv"))
    written = {
        "xdg/pip/pip.conf": "[global]\nindex-url=1\ncert=1\ntimeout=1\nproxy=1\nretries=1\n",
        "user/pip/pip.conf": "[global]\ncert=2\ntimeout=2\nproxy=2\n[install]\nfind_links=2\n",
        "venv/pip.conf": "[global]\ntimeout = 3\nproxy = 3\nfind-links = 3\n",
        "named.conf": "[global]\nproxy = 4\n[list]\nformat = 4\n",
    }
    for name, text in written.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    environ = {
        "XDG_CONFIG_DIRS": str(tmp_path / "xdg"),
        "XDG_CONFIG_HOME": str(tmp_path / "user"),
        "PIP_CONFIG_FILE": str(tmp_path / "named.conf"),
        "PIP_RETRIES": "5",
    }
    monkeypatch.setenv("HOME", str(tmp_path))
    found = pip_settings(environ)
    wanted = ("index-url", "cert", "timeout", "proxy", "find-links", "retries")
    # A command's own section beats [global] of every file; variables beat all files.
    assert [found[name] for name in wanted] == ["1", "2", "3", "4", "2", "5"]
    assert "format" not in found


def test_a_broken_file_is_pips_affair(tmp_path: Path) -> None:
    (tmp_path / "pip.conf").write_text("no section\n")
    settings = pip_settings({"PIP_CONFIG_FILE": str(tmp_path / "pip.conf"), "PIP_PROXY": "p"})
    assert settings["proxy"] == "p"


def test_pips_links_and_constraints_decide_what_is_installed(
    index: Index, host: Environments, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    one.mkdir()
    two.mkdir()
    make_wheel(one, "pmk-a", "1.0")
    for version in ("1.0", "2.0"):
        make_wheel(two, "pmk-b", version)
    (tmp_path / "limits.txt").write_text("pmk-b<2\n")
    monkeypatch.setenv("PIP_INDEX_URL", index.url)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", f"{one} {two}")
    monkeypatch.setenv("PIP_CONSTRAINT", str(tmp_path / "limits.txt"))
    built = host.build(parse({"pip": ["pmk-a", "pmk-b"]}))
    assert built.added == ("pmk-a==1.0", "pmk-b==1.0")
    assert index.seen == []


def test_the_best_version_of_all_indexes_is_taken(
    index: Index, host: Environments, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = tmp_path / "old"
    old.mkdir()
    make_wheel(old, "pmk-demo", "0.1")
    other = Index(old)
    monkeypatch.setenv("PIP_INDEX_URL", index.url)
    monkeypatch.setenv("PIP_EXTRA_INDEX_URL", other.url)
    try:
        built = host.build(parse({"pip": ["pmk-demo"]}))
    finally:
        other.close()
    assert built.added == ("pmk-demo==3.0",)
