"""The environment as a running task sees it: `ctx.environment`.

In: the `Environment` of the call. Out: something to look at, and packages for this call alone,
which are gone when it ends. Neither the worker nor the venv that other calls share is written to.
"""

from __future__ import annotations

import importlib
import logging
import shutil
import sys
import tempfile
from collections.abc import Callable
from dataclasses import replace
from importlib.machinery import EXTENSION_SUFFIXES
from pathlib import Path
from types import ModuleType
from typing import Protocol

from pymonik.environment.parse import parse
from pymonik.environment.value import Environment, unsatisfied
from pymonik.errors import EnvironmentBuildError, EnvironmentMismatch, EnvironmentSpecError
from pymonik.values.foreign import redacted

logger = logging.getLogger("pymonik.environments")


class CallScope(Protocol):
    """What an engine keeps for the call that runs."""

    def own_prefix(self, name: str) -> str:
        """Return what the names of temporary folders begin with that go with this process."""

    def defer_until_stored(self, undo: Callable[[], None]) -> None:
        """Undo something when the value of the call was stored."""


class TaskEnvironment:
    """What a task runs in.

    scope: the call it is made for, which closes it once its value is stored; None where no engine
    runs the call.
    """

    def __init__(
        self, environment: Environment | None = None, scope: CallScope | None = None
    ) -> None:
        self._environment = environment or Environment()
        self._scope = scope
        self._folders: list[Path] = []
        self._added: tuple[str, ...] = ()
        self._hidden: dict[str, ModuleType] = {}
        self._names: set[str] = set()

    @property
    def packages(self) -> tuple[str, ...]:
        """The packages that were asked for, and those that this call has installed.

        >>> TaskEnvironment(parse({"pip": ["six==1.16"]})).packages
        ('six==1.16',)
        """
        return (*self._environment.packages, *self._added)

    @property
    def python(self) -> str:
        """The interpreter that runs the task.

        >>> TaskEnvironment().python == sys.executable
        True
        """
        return sys.executable

    @property
    def variables(self) -> dict[str, str]:
        """The variables that were set.

        >>> TaskEnvironment(parse({"env_variables": {"LEVEL": "2"}})).variables
        {'LEVEL': '2'}
        """
        return dict(self._environment.variables)

    def install(self, *packages: str | tuple[str, str]) -> tuple[str, ...]:
        """Install packages for this call alone, and return what was added.

        Takes the forms that `environment={"pip": ...}` takes; what is there already costs nothing.
        Better asked for in `environment=`, where it is built once and not once a call. Raises
        `EnvironmentSpecError`, or `EnvironmentBuildError` when uv fails or when compiled modules
        of another version are loaded already, and `EnvironmentMismatch` in a call that no engine
        runs: nothing is installed into the process of the user.

            ctx.environment.install("tabulate", ("six", "==1.16"))
        """
        missing = unsatisfied(parse({"pip": list(packages)}).packages)
        if not missing:
            return ()
        scope = self._scope
        if scope is None:
            raise EnvironmentMismatch(
                f"{redacted(', '.join(missing))}: not installed here, and this call runs in your "
                "own process, into which nothing is installed: invoke the task, or install it "
                "yourself"
            )
        folder = Path(tempfile.mkdtemp(prefix=scope.own_prefix("packages")))
        try:
            added = _install(folder, missing)
            names = _top_level(folder / "site")
            self._hide(names)
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)
            raise
        if not self._folders:
            scope.defer_until_stored(self.close)
        self._names |= names
        self._folders.append(folder)
        self._added += tuple(added)
        sys.path.insert(0, str(folder / "site"))
        importlib.invalidate_caches()
        return tuple(added)

    def install_package(self, package_name: str, version: str | None = None) -> bool:
        """Install a package for this call alone; return whether it is there now.

        version: a specifier, such as "==1.2". What goes wrong is logged, not raised: see `install`.
        """
        try:
            self.install((package_name, version) if version else package_name)
        except (EnvironmentBuildError, EnvironmentSpecError, EnvironmentMismatch) as error:
            logger.error("the package %s was not installed: %s", package_name, error)
            return False
        return True

    def get_python_executable(self) -> str:
        """Return the interpreter that runs the task; programs of 0.2.5 ask for it so."""
        return self.python

    def get_venv_path(self) -> str:
        """Return the folder that the interpreter is in, as 0.2.5 did."""
        return str(Path(self.python).parent)

    def close(self) -> None:
        """Forget what was installed; the next call sees the modules that were there before."""
        if not self._folders:
            return
        for name in _loaded(self._names):
            del sys.modules[name]
        sys.modules.update(self._hidden)
        for folder in self._folders:
            site = str(folder / "site")
            sys.path[:] = [entry for entry in sys.path if entry != site]
            sys.path_importer_cache.pop(site, None)
            shutil.rmtree(folder, ignore_errors=True)
        importlib.invalidate_caches()
        self._folders, self._added, self._hidden, self._names = [], (), {}, set()

    def __repr__(self) -> str:
        return repr(replace(self._environment, packages=self.packages))

    def _hide(self, names: set[str]) -> None:
        """Take modules that are about to be replaced out of sight, so that they load anew."""
        loaded = {name: sys.modules[name] for name in _loaded(names)}
        for name, module in loaded.items():
            file = getattr(module, "__file__", None) or ""
            if file.endswith(tuple(EXTENSION_SUFFIXES)):
                raise EnvironmentBuildError(
                    f"{name!r} is compiled and loaded already, so another version cannot be "
                    "installed for this call: ask for it in environment="
                )
        for name, module in loaded.items():
            # What this call itself installed before is not worth bringing back.
            if name.partition(".")[0] not in self._names:
                self._hidden.setdefault(name, module)
            del sys.modules[name]


def _install(folder: Path, packages: list[str]) -> list[str]:
    from pymonik.environment.uv import Uv
    from pymonik.environment.venv import resolve

    uv = Uv()
    lines = resolve(folder, packages, uv)
    needed = folder / "install.txt"
    needed.write_text("".join(f"{line}\n" for line in lines))
    target, python = str(folder / "site"), sys.executable
    uv("pip", "install", "--quiet", "--no-deps", "--python", python, "--target", target,
       "-r", str(needed))  # fmt: skip
    return [line.partition(" --hash=")[0] for line in lines]


def _top_level(site: Path) -> set[str]:
    """Return the names that can be imported from a folder of packages."""
    return {
        entry.name.partition(".")[0]
        for entry in site.iterdir()
        if not entry.name.endswith(".dist-info") and entry.name.partition(".")[0].isidentifier()
    }


def _loaded(names: set[str]) -> list[str]:
    return [name for name in sys.modules if name.partition(".")[0] in names]
