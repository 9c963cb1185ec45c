"""Lays a venv over the worker's packages.

In: a folder and requirements. Out: a venv there that holds only what the worker lacks or has in
another version, and that finds everything else in the worker's own folders, which are never written
to. Caching is the caller's.

    venv/lib/python3.x/site-packages/    first: what the environment demands
    the worker's PYTHONPATH and site-packages, by a .pth file
"""

from __future__ import annotations

import importlib.util
import os
import platform
import re
import site
import subprocess
import sys
import sysconfig
from collections.abc import Iterator, Sequence
from pathlib import Path

from pymonik.environment.installed import installed
from pymonik.environment.requirements import canonical
from pymonik.environment.uv import Uv
from pymonik.environment.value import package_name
from pymonik.errors import EnvironmentBuildError
from pymonik.values.foreign import redacted

# Sorts last, so that what the environment's own .pth files add comes before the worker's packages.
_PTH = "zz_pymonik_worker.pth"
# The worker's PymoniK serves in every environment: host and executor must speak the same frames.
_NO_PYMONIK = "pymonik ; python_version < '0'\n"
_PIN = re.compile(r"([A-Za-z0-9._-]+)==([^\s;]+)")


# What is written for uv alone, and removed when it has been read.
_FOR_UV = ("wanted.txt", "overrides.txt", "chosen.txt", "install.txt")


def fill(folder: Path, packages: Sequence[str], uv: Uv) -> None:
    """Make a venv in the empty `folder`. Raises `EnvironmentBuildError`."""
    # Before the venv exists, so that its own empty site-packages cannot be taken for the worker's.
    missing = resolve(folder, packages, uv)
    venv = folder / "venv"
    uv("venv", "--quiet", "--relocatable", "--no-project", "--python", sys.executable, str(venv))
    if missing:
        needed = folder / "install.txt"
        needed.write_text("".join(f"{line}\n" for line in missing))
        uv(
            "pip",
            "install",
            "--quiet",
            "--no-deps",
            "--python",
            str(python_of(folder)),
            "-r",
            str(needed),
        )
    (_site_packages(venv) / _PTH).write_text("".join(f"{line}\n" for line in _pth_lines()))
    (folder / "added.txt").write_text("".join(f"{redacted(line)}\n" for line in missing))
    for name in _FOR_UV:  # their URLs may hold credentials, and a folder is kept for long
        (folder / name).unlink(missing_ok=True)
    _check(python_of(folder))


def python_of(folder: Path) -> Path:
    """Return the interpreter of the venv that `fill` made in `folder`."""
    return folder / "venv" / "bin" / "python"


def added(folder: Path) -> tuple[str, ...]:
    """Return the packages that the venv has beyond, or instead of, the worker's."""
    return tuple(
        line.partition(" --hash=")[0] for line in (folder / "added.txt").read_text().splitlines()
    )


def resolve(folder: Path, packages: Sequence[str], uv: Uv) -> list[str]:
    """Return what to install for `packages` and their dependencies: what the worker has stays."""
    wanted, overrides, chosen = (
        folder / "wanted.txt",
        folder / "overrides.txt",
        folder / "chosen.txt",
    )
    wanted.write_text("".join(f"{package}\n" for package in packages))
    overrides.write_text(_NO_PYMONIK)
    present = installed()
    # uv prefers the versions that its output file names already, as in a lock file.
    chosen.write_text("".join(f"{name}=={version}\n" for name, version in sorted(present.items())))
    uv(
        "pip", "compile", "--quiet", "--no-header", "--no-annotate", "--python", sys.executable,
        "--override", str(overrides), "--output-file", str(chosen), str(wanted),
    )  # fmt: skip
    hashes = {
        package_name(package): package.partition(" ")[2]
        for package in packages
        if " --hash=" in package
    }
    lines = [line.strip() for line in chosen.read_text().splitlines()]
    return [
        f"{line} {hashes[name]}" if (name := package_name(canonical(line))) in hashes else line
        for line in lines
        if line and not line.startswith(("#", "-")) and not _is_here(line, present)
    ]


def worker_fingerprint() -> str:
    """Describe what a venv built now would lie over: interpreter, folders, distributions."""
    packages = sorted(
        f"{folder}:{name}"
        for folder in layers()
        if os.path.isdir(folder)
        for name in os.listdir(folder)
        if name.endswith((".dist-info", ".egg-info"))
    )
    interpreter = [sys.executable, sys.base_prefix, sys.version, platform.platform()]
    return "\n".join([*interpreter, *layers(), *packages])


def layers() -> list[str]:
    """Return the worker's own folders of modules, in the order in which it looks."""
    return list(
        dict.fromkeys(
            os.path.realpath(folder) for folder in [*_paths(), *_site_folders(), *_own_folders()]
        )
    )


def _paths() -> list[str]:
    return [folder for folder in os.environ.get("PYTHONPATH", "").split(os.pathsep) if folder]


def _site_folders() -> list[str]:
    user = [site.getusersitepackages()] if site.ENABLE_USER_SITE else []
    return [*user, *site.getsitepackages()]


def _own_folders() -> Iterator[str]:
    """Yield where the executor's own modules are, however this process came to find them."""
    for name in ("cloudpickle", "pymonik"):
        module = importlib.util.find_spec(name)
        if module is not None and module.origin is not None:
            yield os.path.dirname(os.path.dirname(os.path.abspath(module.origin)))


def _pth_lines() -> Iterator[str]:
    sites = {os.path.realpath(folder) for folder in _site_folders()}
    for folder in layers():
        # Only site folders have .pth files that count: editable installs, namespace packages.
        yield f"import site; site.addsitedir({folder!r})" if folder in sites else folder


def _site_packages(venv: Path) -> Path:
    scheme = "venv" if "venv" in sysconfig.get_scheme_names() else "posix_prefix"
    base = {"base": str(venv), "platbase": str(venv)}
    return Path(sysconfig.get_path("purelib", scheme, vars=base))


def _is_here(line: str, present: dict[str, str]) -> bool:
    pin = _PIN.match(line)
    return pin is not None and present.get(package_name(canonical(pin.group(1)))) == pin.group(2)


def _check(python: Path) -> None:
    """Start the new interpreter once, as an executor will be started."""
    environ = {
        name: value
        for name, value in os.environ.items()
        if name not in {"PYTHONPATH", "PYTHONHOME"}
    }
    probe = [str(python), "-c", "import cloudpickle, pymonik"]
    done = subprocess.run(
        probe,
        env=environ,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        errors="replace",
    )
    if done.returncode != 0:
        raise EnvironmentBuildError(
            f"the new environment cannot import PymoniK:\n{done.stderr.strip()}"
        )
