"""Checks what a user wrote as an environment.

In: the mapping given to `environment=`. Out: an `Environment`, or an `EnvironmentSpecError` that
names everything wrong with it at once. Imported lazily: pydantic and packaging are not for `import
pymonik`.
"""

from __future__ import annotations

import difflib
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from packaging.specifiers import InvalidSpecifier, SpecifierSet
from pydantic import (
    BaseModel,
    ConfigDict,
    DirectoryPath,
    ValidationError,
    ValidationInfo,
    field_validator,
)

from pymonik.environment.requirements import requirements
from pymonik.environment.value import Environment
from pymonik.errors import EnvironmentSpecError, TreeError
from pymonik.files.tree import demand_small, skip_scratch, tree_hash
from pymonik.humanize import literal
from pymonik.settings import settings
from pymonik.system.deferred_signals import DeferredSignals
from pymonik.values.foreign import demand_printable, redacted, storable

# Bytes of what is said of one mistake, which may be a text of any length.
_SENTENCE = 2 << 10
_BARE_VERSION = re.compile(r"\d+(\.\d+)*")


class _Spec(BaseModel):
    model_config = ConfigDict(extra="forbid", coerce_numbers_to_str=True)

    pip: tuple[str, ...] = ()
    env_variables: dict[str, str] = {}
    working_dir: DirectoryPath | None = None
    python: str = ""

    @field_validator("pip", mode="before")
    @classmethod
    def _packages(cls, value: object, info: ValidationInfo) -> tuple[str, ...]:
        return tuple(sorted(set(requirements(value, _base(info)))))

    @field_validator("env_variables")
    @classmethod
    def _variables(cls, value: dict[str, str]) -> dict[str, str]:
        for name, text in value.items():
            if not name or "=" in name or not name.isprintable() or not _is_value(text):
                raise ValueError(
                    f"{name!r} cannot be set: names are not empty and have no '=' and no control "
                    "character, values have no NUL and no lone surrogate"
                )
            try:
                os.fsencode(name + text)
            except UnicodeEncodeError:  # the value stays out of the message: it may be a secret
                raise ValueError(
                    f"{name!r} cannot be set: it has characters that no variable can hold"
                ) from None
        return value

    @field_validator("working_dir", mode="before")
    @classmethod
    def _folder(cls, value: object, info: ValidationInfo) -> object:
        if isinstance(value, (str, os.PathLike)):
            return _base(info) / Path(value).expanduser()
        return value

    @field_validator("python", mode="before")
    @classmethod
    def _python(cls, value: object) -> str:
        if not isinstance(value, str):
            kind = type(value).__name__
            raise ValueError(f"{_shown(value)} is a {kind}: write it as text, since 3.10 is 3.1")
        text = demand_printable("python", value.strip())
        if _BARE_VERSION.fullmatch(text):
            text = f"=={text}.*" if text.count(".") < 2 else f"=={text}"
        try:
            return str(SpecifierSet(text))
        except InvalidSpecifier:
            raise ValueError(
                f"{value!r} is not a version specifier: write '>=3.10', '==3.11.*' or '3.11'"
            ) from None


def _is_value(text: str) -> bool:
    try:
        return b"\0" not in text.encode()
    except UnicodeEncodeError:
        return False


_KEYS = ", ".join(repr(key) for key in _Spec.model_fields)


def read(spec: object, base: str | os.PathLike[str] | None) -> Environment:
    """Return the environment described by `spec`; relative paths start at `base`."""
    if not isinstance(spec, Mapping):
        raise EnvironmentSpecError(
            f"an environment is a mapping with {_KEYS}, not {type(spec).__name__}"
        )
    # Ctrl-C comes behind it: what is raised amid it, whatever it is, is of the objects in it.
    with DeferredSignals():
        checked, folder, working_dir = _checked(spec, base)
    return Environment(
        packages=checked.pip,
        variables=tuple(sorted(checked.env_variables.items())),
        python=checked.python,
        working_hash=_hash(folder) if folder else "",
        working_dir=working_dir,
    )


def _checked(
    spec: Mapping[Any, Any], base: str | os.PathLike[str] | None
) -> tuple[_Spec, Path | None, str]:
    """Return what a mapping says, its folder, and the real path of that."""
    context = {"base": Path.cwd() / (base or "")}
    try:
        checked = _Spec.model_validate(
            {str(key): value for key, value in spec.items()}, context=context
        )
        folder = checked.working_dir
        return checked, folder, str(folder.resolve()) if folder else ""
    except ValidationError as error:
        problems = [storable(redacted(_sentence(p)), _SENTENCE) for p in error.errors()]
        raise EnvironmentSpecError("bad environment: " + "\n  and: ".join(problems)) from None
    except (RuntimeError, OSError, ValueError) as error:  # a home that is none, nesting, a loop
        reason = str(error) or type(error).__name__
        raise EnvironmentSpecError(
            f"bad environment: {storable(redacted(reason), _SENTENCE)}"
        ) from None
    except BaseException as error:  # code of the user's runs where its objects are looked at
        raise EnvironmentSpecError(
            f"bad environment: looking at it raised {type(error).__name__}"
        ) from error


def _hash(folder: Path) -> str:
    try:
        demand_small(folder, settings().capture_limit, skip_scratch)
        return tree_hash(folder, skip_scratch)
    except (TreeError, OSError) as error:
        reason = storable(redacted(str(error)), _SENTENCE)
        raise EnvironmentSpecError(f"bad environment: 'working_dir': {reason}") from None


def _base(info: ValidationInfo) -> Path:
    base: Path = info.context["base"] if info.context else Path.cwd()
    return base


def _sentence(problem: Any) -> str:
    place = "".join(f"[{part!r}]" for part in problem["loc"] if part != "[key]")
    if problem["type"] == "extra_forbidden":
        key = str(problem["loc"][0])
        close = difflib.get_close_matches(key, list(_Spec.model_fields), n=1)
        hint = f", did you mean {close[0]!r}?" if close else ""
        return (
            f"unknown key {key!r}{hint} The keys are {_KEYS}"
            if hint
            else f"unknown key {key!r}: the keys are {_KEYS}"
        )
    cause = (problem.get("ctx") or {}).get("error")
    if cause is not None:
        return f"{place}: {cause}"
    given = problem["input"]
    if problem["loc"][:1] == ("env_variables",):  # values are where people keep tokens
        shown = repr(given) if given is None or given is True or given is False else ""
        return f"{place}: {problem['msg'].lower()}, not {shown or type(given).__name__}"
    if problem["type"] == "path_type":
        return f"{place}: {_shown(given)} is not the path of a folder"
    if problem["type"] == "path_not_directory":
        return f"{place}: there is no folder {str(given)!r}"
    return f"{place}: {problem['msg'].lower()}, not {_shown(given)} ({type(given).__name__})"


def _shown(value: object) -> str:
    """Show a value that stands where it does not belong, but nothing that may hold others."""
    is_plain = value is None or isinstance(value, (str, bytes, int, float))
    return literal(value) if is_plain else "what was given"
