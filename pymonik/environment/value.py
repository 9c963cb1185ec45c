"""What a task needs around it: packages, variables, a working directory, a Python version.

Enters: what was checked (`parse`), or a wire tuple. Leaves: an `Environment`, frozen, comparable
and named by a digest; how it is built stands in `builder`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Any

from pymonik._pickled import pickled
from pymonik.environment.withheld import packed, unpacked
from pymonik.errors import EnvironmentMismatch
from pymonik.system.forks import fork_safe_property
from pymonik.values.foreign import demand_printable, redacted, without_credentials

# Grows when `Environment.to_wire` changes shape.
ENVIRONMENT_VERSION = 1

Wire = tuple[int, tuple[str, ...], tuple[tuple[str, str], ...], str, str]

_NAME = re.compile(r"[a-z0-9-]+")


@pickled
@dataclass(frozen=True, repr=False)
class Environment:
    """What a task runs in.

    Two environments are equal when they demand the same; `digest` names what they demand.
    `packages` are PEP 508 requirements in canonical form, `variables` sorted pairs, `python` a
    version specifier, `working_hash` the content of the folder to ship (see `archive`).
    `working_dir` says where that folder is on the machine that described it; it does not travel and
    does not count in comparisons. `archived` is its archive, where it came with a saved graph.
    """

    packages: tuple[str, ...] = ()
    variables: tuple[tuple[str, str], ...] = ()
    python: str = ""
    working_hash: str = ""
    working_dir: str = field(default="", compare=False)
    archived: bytes = field(default=b"", compare=False)

    @classmethod
    def from_wire(cls, wire: Wire) -> Environment:
        """Rebuild the value that `to_wire` described."""
        version = wire[0]
        if version != ENVIRONMENT_VERSION:
            raise ValueError(
                f"this environment has wire version {version!r:.40}, this PymoniK reads "
                f"{ENVIRONMENT_VERSION}: use the same PymoniK on the client and on the workers"
            )
        _, packages, variables, python, working_hash = wire
        for text in (*packages, *(name for name, _ in variables), python, working_hash):
            demand_printable("an environment", text)
        pairs = tuple((name, value) for name, value in variables)
        return cls(tuple(packages), pairs, python, working_hash)

    def to_wire(self) -> Wire:
        """Return the value as plain tuples and strings; the working directory goes by its hash."""
        return (ENVIRONMENT_VERSION, self.packages, self.variables, self.python, self.working_hash)

    @fork_safe_property
    def digest(self) -> str:
        """Name the demands: equal environments have equal digests, on every machine."""
        import hashlib
        import json

        text = json.dumps(self.to_wire(), ensure_ascii=True, separators=(",", ":"))
        # 160 bits, as of contents (`wire.envelope.DIGEST_SIZE`): it stands for the environment.
        return hashlib.blake2b(text.encode(), digest_size=20).hexdigest()

    def archive(self) -> bytes:
        """Return the working directory as the archive that a worker extracts, empty for none.

        Raises `SourceChangedError` when the folder is no longer what it was when the environment
        was described.
        """
        if self.archived or not self.working_dir:
            return self.archived
        from pymonik.files.tree import archive_of, skip_scratch

        return archive_of(self.working_dir, self.working_hash, skip_scratch)

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle it so that a file can do without what opens doors: see `withheld`."""
        opens = packed(self.packages, self.variables)
        rest = (self.python, self.working_hash, self.working_dir, self.archived)
        return new_environment, (opens, *rest)

    def __bool__(self) -> bool:
        """Return whether anything is demanded at all."""
        return self != Environment()

    def __repr__(self) -> str:
        # Values of variables stay out: they are where people keep tokens.
        parts = [redacted(package.partition(" --hash=")[0]) for package in self.packages]
        if self.variables:
            parts.append("variables: " + " ".join(name for name, _ in self.variables))
        if self.working_hash:
            parts.append(f"working_dir: {redacted(self.working_dir) or self.working_hash[:12]}")
        if self.python:
            parts.append(f"python{self.python}")
        return f"Environment({', '.join(parts)})"


# Begins what stands for the value of a variable in a graph that is only looked at: no value that
# can be set has a NUL.
WITHHELD = "\0"


def is_alike(one: Environment | None, other: Environment | None) -> bool:
    """Return whether environments demand the same, as far as is known of those in saved graphs."""
    if one is None or other is None or one == other:
        return one == other
    values = [value for _, value in (*one.variables, *other.variables)]
    if not any(value.startswith(WITHHELD) for value in values):
        return False

    def known(environment: Environment) -> Environment:
        packages = tuple(map(without_credentials, environment.packages))
        return replace(
            environment,
            packages=packages,
            variables=tuple((name, "") for name, _ in environment.variables),
        )

    return known(one) == known(other)


@pickled
def new_environment(opens: bytes, *rest: Any) -> Environment:
    """Make an environment again; called by pickles."""
    return Environment(*unpacked(opens), *rest)


def merge(client: Environment, task: Environment) -> Environment:
    """Lay a task's environment over the client's; the task wins, package by package."""
    if not task or not client:
        return task or client
    named = {package_name(package) for package in task.packages}
    inherited = [package for package in client.packages if package_name(package) not in named]
    folder = task if task.working_hash else client
    return Environment(
        packages=tuple(sorted({*inherited, *task.packages})),
        variables=tuple(sorted({**dict(client.variables), **dict(task.variables)}.items())),
        python=task.python or client.python,
        working_hash=folder.working_hash,
        working_dir=folder.working_dir,
        archived=folder.archived,
    )


def unsatisfied(requirements: Iterable[str]) -> list[str]:
    """Return the requirements that the running interpreter does not meet, in the order given."""
    wanted = list(requirements)
    if not wanted:
        return []
    from pymonik.environment.installed import meets

    return [text for text in wanted if not meets(text)]


def demand_satisfied(environment: Environment) -> None:
    """Raise `EnvironmentMismatch` unless this process, as it is, is what is asked for."""
    import sys

    missing = list(map(redacted, unsatisfied(environment.packages)))
    if not is_python(environment.python):
        missing.append(f"python{environment.python}")
    if environment.working_hash:
        missing.append("a working directory of its own")
    if missing:
        raise EnvironmentMismatch(
            "the inline backend runs calls in this process, which lacks packages of the "
            f"environment: {', '.join(missing)} (Python {_version()} at {sys.prefix}). Use "
            'backend="local", which builds environments, or install them here'
        )


def demand_python(environment: Environment) -> None:
    """Raise `EnvironmentMismatch` unless this interpreter has the version that is asked for."""
    if not is_python(environment.python):
        raise EnvironmentMismatch(
            f"calls run on this machine, with Python {_version()}, and the environment demands "
            f"python{environment.python}: run the program with that Python, or demand another"
        )


def _version() -> str:
    import platform

    return platform.python_version()


def is_python(specifier: str) -> bool:
    """Return whether this interpreter has a version that is asked for."""
    if not specifier:
        return True
    from packaging.specifiers import SpecifierSet

    return SpecifierSet(specifier).contains(_version(), prereleases=True)


def package_name(requirement: str) -> str:
    """Return the distribution's name in a canonical requirement."""
    match = _NAME.match(requirement)
    return match.group() if match else requirement
