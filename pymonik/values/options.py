"""Options of a call: given by the client, the task and the call; the nearest given one wins.

Enters: keyword arguments of users. Leaves: one frozen `TaskOptions`, checked; and the seconds of a
`timeout=`. What an option does is the business of the compiler (`cost`, `chunk_size`, `pure`), the
host (`max_duration`, `max_retries`) or the executor (`retries`, `retry_on`).
"""

from __future__ import annotations

import math
import threading
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from pymonik._pickled import pickled, public
from pymonik.errors import OptionsError
from pymonik.settings import settings
from pymonik.system.structs import Struct, field, field_names
from pymonik.values.content import Content
from pymonik.values.foreign import demand_printable

# Seconds of a century: a longer limit is none, and its deadline would not fit 64 bits of ns.
_LONGEST = 100 * 365.25 * 86400.0
# What a cluster is sent where a call has no limit: it knows no infinity.
LIMIT_HOURS = 12


@pickled
class ExceptionTypes(Struct):
    """Exception types of a saved graph: their names, and the pickle that only executors load."""

    names: tuple[str, ...]
    content: Content = field(compare=False)


@public
class TaskOptions(Struct):
    """How a call is to be run; None means "not given", and the next farther option holds.

    max_duration: limit of one call, a timedelta or seconds; at its deadline it gets `TaskTimeout`.
    Infinity is no limit, where a farther option sets one.
    priority: 1 (last) to `max_priority` (first, 10 unless set otherwise).
    max_retries: how often a call is tried again when the process that ran it dies.
    partition_id: where it runs on a cluster.
    retries, retry_on: how often a call is tried again after a Python exception, and of which types.
    cost: expected seconds of one call, for the compiler.
    chunk_size: elements of a map that make one unit, in place of the compiler's choice.
    options: free labels, merged key by key; the `application_…` fields and `engine_type` go to
    ArmoniK as they are.

    >>> with Pymonik(task_options=TaskOptions(retries=2)):
    ...     Task(pow, task_options=TaskOptions(priority=1)).invoke(2, 3, pmk_retries=0).get()
    8
    """

    max_duration: timedelta | float | None = None
    priority: int | None = None
    max_retries: int | None = None
    partition_id: str | None = None
    application_name: str | None = None
    application_version: str | None = None
    application_namespace: str | None = None
    application_service: str | None = None
    engine_type: str | None = None
    options: Mapping[str, str] | None = None
    retries: int | None = None
    retry_on: tuple[type[BaseException], ...] | ExceptionTypes | None = None
    cost: float | None = None
    chunk_size: int | None = None

    def __post_init__(self) -> None:
        for name, check in _CHECKS.items():
            value = getattr(self, name)
            if value is not None:
                object.__setattr__(self, name, check(name, value))

    def __hash__(self) -> int:
        labels = tuple(sorted((self.options or {}).items()))
        rest = [getattr(self, name) for name in OPTION_NAMES if name != "options"]
        return hash((labels, *rest))

    @property
    def seconds(self) -> float | None:
        """`max_duration` in seconds, None for no limit.

        >>> TaskOptions(max_duration=timedelta(minutes=2)).seconds
        120.0
        """
        limit = self.max_duration
        seconds = limit.total_seconds() if isinstance(limit, timedelta) else limit
        return None if seconds is None or seconds > _LONGEST else seconds


def in_seconds(timeout: float | timedelta | None) -> float | None:
    """Return a timeout in seconds, None for no limit; refuse what is no time."""
    if timeout is None:
        return None
    given = timeout.total_seconds() if isinstance(timeout, timedelta) else timeout
    number = isinstance(given, (int, float)) and not isinstance(given, bool)
    if not number or not given >= 0:
        raise OptionsError(f"timeout takes seconds, 0 or more, not {timeout!r}")
    # No lock can be waited for any longer: infinity and `timedelta.max` are no limit.
    return given if given < threading.TIMEOUT_MAX else None


def _whole(lowest: int) -> Any:
    def check(name: str, value: object) -> int:
        if isinstance(value, bool) or not isinstance(value, int) or value < lowest:
            raise OptionsError(f"{name} takes a whole number of at least {lowest}, not {value!r}")
        return value

    return check


def _priority(name: str, value: object) -> int:
    highest = settings().max_priority
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= highest:
        raise OptionsError(f"{name} takes a whole number from 1 to {highest}, not {value!r}")
    return value


def _duration(name: str, value: object) -> timedelta:
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        forever = timedelta.max if value > 0 else timedelta.min
        try:
            value = timedelta(seconds=value)
        except ValueError:  # not a number
            raise OptionsError(
                f"{name} takes seconds, not {value!r}: leave it out for no limit"
            ) from None
        except OverflowError:
            value = forever
    if not isinstance(value, timedelta):
        raise OptionsError(f"{name} takes a timedelta or seconds, not {value!r}")
    if value <= timedelta(0):
        seconds = f"{value.total_seconds():g} s"
        raise OptionsError(f"{name} must be longer than nothing, not {seconds}")
    return value


def _cost(name: str, value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 < value < math.inf:
        raise OptionsError(f"{name} takes seconds above 0, not {value!r}")
    return float(value)


def _partition(name: str, value: object) -> str:
    if not isinstance(value, str) or not value:
        raise OptionsError(f"partition_id names a partition by a text, not by {value!r}")
    return _text(name, value)


def _text(name: str, value: object) -> str:
    try:
        return demand_printable(name, str(value))
    except ValueError as error:
        raise OptionsError(str(error)) from None


def _labels(name: str, value: object) -> dict[str, str]:
    if not isinstance(value, Mapping):
        raise OptionsError(f"{name} takes a dict of labels, not {value!r}")
    return {_text(name, key): _text(name, label) for key, label in value.items()}


def _exceptions(name: str, value: object) -> tuple[type[BaseException], ...] | ExceptionTypes:
    if isinstance(value, ExceptionTypes):
        return value
    types = tuple(value) if isinstance(value, (tuple, list)) else (value,)
    for kind in types:
        if not (isinstance(kind, type) and issubclass(kind, BaseException)):
            raise OptionsError(f"{name} takes an exception type, or several, not {kind!r}")
    return types


def names_of(types: tuple[type[BaseException], ...] | ExceptionTypes | None) -> list[str]:
    """Return the names of exception types."""
    if isinstance(types, ExceptionTypes):
        return list(types.names)
    return [f"{kind.__module__}.{kind.__qualname__}" for kind in types or ()]


_CHECKS: dict[str, Any] = {
    "max_duration": _duration,
    "priority": _priority,
    "max_retries": _whole(0),
    "partition_id": _partition,
    "application_name": _text,
    "application_version": _text,
    "application_namespace": _text,
    "application_service": _text,
    "engine_type": _text,
    "options": _labels,
    "retries": _whole(0),
    "retry_on": _exceptions,
    "cost": _cost,
    "chunk_size": _whole(1),
}
OPTION_NAMES = field_names(TaskOptions)
_ALIASES = {"partition": "partition_id"}


def demand(options: object) -> None:
    """Refuse what holds no options; `armonik.common.TaskOptions` is welcome too."""
    if not hasattr(options, "max_duration"):
        raise OptionsError(
            f"task_options takes TaskOptions(…), not {options!r:.80}: single options of a call are "
            "given as pmk_…= keywords"
        )


def merge(*layers: TaskOptions | None) -> TaskOptions:
    """Merge options, farthest first: the rightmost given field wins, labels merge key by key."""
    given: dict[str, Any] = {}
    for layer in layers:
        if layer is None:
            continue
        demand(layer)
        for name in OPTION_NAMES:
            # `armonik.common.TaskOptions` has fewer fields, and "" for what is not given.
            value = getattr(layer, name, None)
            if value is not None and (value != "" or isinstance(layer, TaskOptions)):
                given[name] = {**given.get("options", {}), **value} if name == "options" else value
    return TaskOptions(**given)


def as_armonik(options: TaskOptions) -> Any:
    """Return options as `armonik.common.TaskOptions`: those that a cluster knows, complete."""
    from armonik.common import TaskOptions as Given

    return Given(
        options.max_duration or timedelta(hours=LIMIT_HOURS),
        options.priority or 1,
        options.max_retries or 0,
        partition_id=options.partition_id,
        application_name=options.application_name,
        application_version=options.application_version,
        application_namespace=options.application_namespace,
        application_service=options.application_service,
        engine_type=options.engine_type,
        options=dict(options.options or {}),
    )


def _unknown(keyword: str, prefix: str, name: str) -> OptionsError:
    from pymonik.system.other_names import known_instead  # only where something is wrong

    choices = ("name", *OPTION_NAMES)
    ours = known_instead(name, (*choices, *_ALIASES))
    hint = f"did you mean {prefix}{ours}? There" if ours else "there"
    allowed = ", ".join(prefix + choice for choice in choices)
    return OptionsError(f"unknown option {keyword!r}: {hint} are {allowed}")


def from_keywords(keywords: Mapping[str, Any], prefix: str = "") -> TaskOptions:
    """Make options of keywords such as `pmk_priority=3`; an unknown one is an error."""
    given = {}
    for keyword, value in keywords.items():
        name = keyword[len(prefix) :]
        name = _ALIASES.get(name, name)
        if name not in OPTION_NAMES:
            raise _unknown(keyword, prefix, name)
        given[name] = value
    return TaskOptions(**given)


def meant(keyword: str) -> str:
    """Return how an option is written that was given like an argument; "" when it is none."""
    from pymonik.system.other_names import known_instead  # only where something is wrong

    choices = ("name", *OPTION_NAMES, *_ALIASES)
    name = keyword if keyword in choices else known_instead(keyword, choices)
    return f"; as an option of the call it is pmk_{name}=" if name else ""


# max_retries: of a call whose process has died. retries: of one that has raised, which is how it
# ends unless somebody wants it tried again.
DEFAULTS = TaskOptions(priority=1, max_retries=3, retries=0, retry_on=(Exception,))


def demand_retries(name: str, options: TaskOptions, *given: object) -> TaskOptions:
    """Return options of calls of a task, unless they say what is tried again, and never how often.

    given: those of the task and of the call, where "not at all" may be meant. Raises OptionsError.
    """
    said = [one for one in given if type(one) is TaskOptions]  # not ArmoniK's own
    are_named = any(one.retry_on is not None for one in said)
    if are_named and not options.retries and all(one.retries is None for one in said):
        raise OptionsError(
            f"{name!r} has retry_on= but no retries=: say how many further attempts are made, "
            "such as retries=3"
        )
    return options
