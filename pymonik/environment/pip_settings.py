"""Gives uv the settings that the machine's administrator made for pip.

In: pip's configuration files and `PIP_*` variables. Out: the variables and flags that say the same
to uv. uv reads neither, so without this a worker behind a private index would look on the public
one. What is said to uv directly (`UV_*`, its own configuration files, the usual proxy and
certificate variables) stands; credentials stay in the environment of the child.
"""

from __future__ import annotations

import configparser
import os
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

# What would lead uv to another interpreter than the one it is given.
_MISLEADING = (
    "VIRTUAL_ENV", "CONDA_PREFIX", "PYTHONHOME", "PYTHONPATH", "__PYVENV_LAUNCHER__",
    "UV_PYTHON", "UV_SYSTEM_PYTHON", "UV_PROJECT_ENVIRONMENT",
)  # fmt: skip


@dataclass(frozen=True)
class _Rule:
    """pip's option, uv's variable, how to translate, and which variables say the same already."""

    option: str
    variable: str
    translate: Callable[[str], str] = str
    unless: tuple[str, ...] = ()


def _words(text: str) -> str:
    return " ".join(text.split())


def _list(text: str) -> str:
    return ",".join(text.split())


def _flag(text: str) -> str:
    return "1" if text.strip().lower() in {"1", "true", "yes", "on"} else ""


def _proxy(text: str) -> str:
    return text if "://" in text else f"http://{text}"


# Where one is set, uv has a proxy already.
_PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy", "all_proxy")
# Settings of pip, and variables of uv that mean the same, unless the user has set these. Of two
# settings for one variable the later rule counts.
_RULES = (
    _Rule("index-url", "UV_INDEX_URL", unless=("UV_DEFAULT_INDEX",)),
    _Rule("extra-index-url", "UV_EXTRA_INDEX_URL", _words, unless=("UV_INDEX",)),
    # pip takes the best version of all indexes, uv only looks at the first that has the name.
    _Rule(
        "extra-index-url",
        "UV_INDEX_STRATEGY",
        lambda _: "unsafe-best-match",
        unless=("UV_INDEX", "UV_EXTRA_INDEX_URL"),
    ),
    _Rule("find-links", "UV_FIND_LINKS", _list),
    _Rule("trusted-host", "UV_INSECURE_HOST", _words),
    _Rule("constraint", "UV_CONSTRAINT", _words),
    _Rule("pre", "UV_PRERELEASE", lambda text: "allow" if _flag(text) else ""),
    _Rule("cert", "SSL_CERT_FILE"),
    _Rule("default-timeout", "UV_HTTP_TIMEOUT"),
    _Rule("timeout", "UV_HTTP_TIMEOUT"),
    _Rule("proxy", "ALL_PROXY", _proxy, unless=_PROXIES),
)


def uv_environ(environ: Mapping[str, str]) -> dict[str, str]:
    """Return the environment for a uv process: this one, with pip's settings translated."""
    child = {name: value for name, value in environ.items() if name not in _MISLEADING}
    settings = pip_settings(environ)
    for rule in _RULES:
        spoken = any(environ.get(name) for name in (rule.variable, *rule.unless))
        value = "" if spoken else rule.translate(settings.get(rule.option, ""))
        if settings.get(rule.option) and value:
            child[rule.variable] = value
    return {**child, "UV_NO_PROGRESS": "1", "NO_COLOR": "1", "UV_PYTHON_DOWNLOADS": "never"}


def uv_flags(environ: Mapping[str, str]) -> list[str]:
    """Return the settings of pip that uv takes on its command line only."""
    spoken = any(environ.get(name) for name in ("UV_INDEX", "UV_DEFAULT_INDEX", "UV_INDEX_URL"))
    no_index = _flag(pip_settings(environ).get("no-index", ""))
    return ["--no-index"] if no_index and not spoken else []


def pip_settings(environ: Mapping[str, str]) -> dict[str, str]:
    """Return pip's options for an install: those of its files, then `PIP_*` variables."""
    shared: dict[str, str] = {}
    install: dict[str, str] = {}
    for path in _config_files(environ):
        parser = configparser.RawConfigParser(strict=False)
        try:
            parser.read(path, encoding="utf-8")
        except (configparser.Error, UnicodeDecodeError, OSError):
            continue  # pip's own affair: it would say so when used
        for section, settings in (("global", shared), ("install", install)):
            if parser.has_section(section):
                settings.update({_option(key): value for key, value in parser.items(section)})
    variables = {
        _option(name[4:]): text
        for name, text in environ.items()
        if name.startswith("PIP_") and text
    }
    return {**shared, **install, **variables}


def _config_files(environ: Mapping[str, str]) -> list[Path]:
    """List pip's configuration files, the strongest last (pip's user guide, "Configuration")."""
    explicit = environ.get("PIP_CONFIG_FILE", "")
    if explicit == os.devnull:
        return []
    home = Path(os.path.expanduser("~"))
    if sys.platform == "darwin":
        support = Path("Library", "Application Support", "pip", "pip.conf")
        files = [
            Path("/") / support,
            home / ".pip/pip.conf",
            home / ".config/pip/pip.conf",
            home / support,
        ]
    else:
        machine = [
            Path(folder)
            for folder in environ.get("XDG_CONFIG_DIRS", "/etc/xdg").split(":")
            if folder
        ]
        user = Path(environ.get("XDG_CONFIG_HOME") or home / ".config")
        files = [folder / "pip/pip.conf" for folder in machine]
        files += [Path("/etc/pip.conf"), home / ".pip/pip.conf", user / "pip/pip.conf"]
    files.append(Path(sys.prefix) / "pip.conf")
    return [*files, Path(explicit)] if explicit else files


def _option(key: str) -> str:
    return key.lower().lstrip("-").replace("_", "-")
