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

from pymonik.environment import Environment
from pymonik.errors import EnvironmentSpecError, TreeError
from pymonik.runtime.env_requirements import requirements
from pymonik.runtime.env_tree import skip_scratch, tree_hash

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
            if not name or "=" in name or "\0" in name + text:
                raise ValueError(
                    f"{name!r} cannot be set: names are not empty, have no '=', no NUL"
                )
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
            raise ValueError(f"{value!r} is a {kind}: write it as text, since 3.10 is 3.1")
        text = value.strip()
        if _BARE_VERSION.fullmatch(text):
            text = f"=={text}.*" if text.count(".") < 2 else f"=={text}"
        try:
            return str(SpecifierSet(text))
        except InvalidSpecifier:
            raise ValueError(
                f"{value!r} is not a version specifier: write '>=3.10', '==3.11.*' or '3.11'"
            ) from None


_KEYS = ", ".join(repr(key) for key in _Spec.model_fields)


def read(spec: object, base: str | os.PathLike[str] | None) -> Environment:
    """Return the environment described by `spec`; relative paths start at `base`."""
    if not isinstance(spec, Mapping):
        raise EnvironmentSpecError(
            f"an environment is a mapping with {_KEYS}, not {type(spec).__name__}"
        )
    context = {"base": Path.cwd() / (base or "")}
    try:
        checked = _Spec.model_validate(
            {str(key): value for key, value in spec.items()}, context=context
        )
    except ValidationError as error:
        problems = [_sentence(problem) for problem in error.errors()]
        raise EnvironmentSpecError("bad environment: " + "\n  and: ".join(problems)) from None
    folder = checked.working_dir
    return Environment(
        packages=checked.pip,
        variables=tuple(sorted(checked.env_variables.items())),
        python=checked.python,
        working_hash=_hash(folder) if folder else "",
        working_dir=str(folder.resolve()) if folder else "",
    )


def _hash(folder: Path) -> str:
    try:
        return tree_hash(folder, skip_scratch)
    except TreeError as error:
        raise EnvironmentSpecError(f"bad environment: 'working_dir': {error}") from error


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
    if problem["type"] == "path_not_directory":
        return f"{place}: there is no folder {str(given)!r}"
    return f"{place}: {problem['msg'].lower()}, not {given!r} ({type(given).__name__})"
