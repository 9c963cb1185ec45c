"""Names that other libraries have for what is called differently here, and what it is called.

Enters: a name that is not there. Leaves: the sentence that tells of ours, if it is one of these.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NoReturn, TypeVar

T = TypeVar("T")

_CALL = ".invoke(…) records a call and returns its handle"
_MAP = ".map_invoke([…]) records a call for each element and returns their handles"
_GET = ".get() waits for its value and returns it"
_ALL = ".get() waits for the values and returns them as a list"
_CALLED_BACK = ".add_done_callback(function) calls a function once it has ended"
_FUTURES = (
    "concurrent.futures takes futures; pymonik.as_completed(handles) gives handles as they end, "
    "and .wait() waits"
)
_ENDED = ".done() tells whether it has ended, .exception() waits and returns its error, or None"

_TASK_NAMES = {
    **dict.fromkeys(("submit", "delay", "delayed", "remote", "apply_async", "run", "spawn"), _CALL),
    **dict.fromkeys(("apply", "call", "kiq", "enqueue", "send"), _CALL),
    **dict.fromkeys(("map", "starmap", "imap", "map_async", "starmap_async", "gather"), _MAP),
    "options": "options of one call are keywords of .invoke, as in .invoke(…, pmk_retries=2)",
}
_HANDLE_NAMES = {
    **dict.fromkeys(("result", "compute", "gather", "join", "fetch", "collect"), _GET),
    **dict.fromkeys(("ready", "successful", "is_done", "running", "cancelled", "status"), _ENDED),
    **dict.fromkeys(("add_callback", "then", "on_complete"), _CALLED_BACK),
    "_condition": _FUTURES,
}
# What a word of others says of: a task, a handle, several handles, a client.
OTHER_NAMES: dict[str, dict[str, str]] = {
    "a task": _TASK_NAMES,
    "a handle": _HANDLE_NAMES,
    "a MultiResultHandle": {
        **_HANDLE_NAMES,
        **dict.fromkeys(
            ("result", "results", "compute", "gather", "join", "fetch", "values"), _ALL
        ),
        **dict.fromkeys(("add_done_callback",), "each of its handles has it"),
    },
    "a client": {
        **{name: f"on a task, {hint}" for name, hint in _TASK_NAMES.items() if name != "options"},
        **dict.fromkeys(("get", "gather", "compute", "result"), f"on a handle, {_GET}"),
        "wait": "on a handle, .wait() waits until its call has ended",
        "as_completed": "pymonik.as_completed(handles) gives handles as their calls end",
        **dict.fromkeys(("scatter", "persist", "upload"), ".put(object) keeps it for many calls"),
        **dict.fromkeys(("shutdown", "stop", "terminate"), ".close() ends it, .cancel() its calls"),
    },
}

# Keywords of others, and ours: the first that is known where one of these is given.
OTHER_KEYWORDS: dict[str, tuple[str, ...]] = {
    **dict.fromkeys(("retry", "max_retry", "num_retries", "tries", "max_attempts"), ("retries",)),
    **dict.fromkeys(("timeout", "time_limit", "timeout_seconds", "walltime"), ("max_duration",)),
    **dict.fromkeys(("name", "func_name", "task_name"), ("function_name", "name")),
    **dict.fromkeys(("memoize", "cache_result", "persist_result"), ("cache",)),
    **dict.fromkeys(("queue", "resources", "num_gpus", "gpu", "executor"), ("partition",)),
    **dict.fromkeys(("retry_exceptions", "autoretry_for", "retry_for"), ("retry_on",)),
    **dict.fromkeys(("n_workers", "num_workers", "max_workers", "n_jobs", "jobs"), ("workers",)),
    **dict.fromkeys(("processes", "nprocs", "num_cpus", "cores"), ("workers",)),
    **dict.fromkeys(("address", "url", "host", "server"), ("endpoint",)),
    **dict.fromkeys(("env", "runtime_env", "packages", "pip"), ("environment",)),
    **dict.fromkeys(("chunksize", "batch", "batch_size"), ("chunk_size",)),
    **dict.fromkeys(("context", "bind", "with_context"), ("require_context",)),
}


class _OtherName:
    """Stands in a class for a name of others; its instances do not have it, and say what is meant.

    A `__getattr__` would say so, too, but makes each attribute that is there slower to find.
    """

    def __init__(self, message: str) -> None:
        self._message = message

    def __get__(self, instance: object, owner: object = None) -> NoReturn:
        raise AttributeError(self._message)

    def __repr__(self) -> str:
        return self._message


def hint_for(kind: str, name: str) -> str | None:
    """Return the message for an attribute that other libraries have; None for any other name."""
    hint = OTHER_NAMES[kind].get(name)
    return None if hint is None else f"{kind} has no {name!r}: {hint}"


def hints_at_other_names(kind: str) -> Callable[[type[T]], type[T]]:
    """Let instances of a class tell what a name means that other libraries have."""

    def with_hints(cls: type[T]) -> type[T]:
        names = [name for name in OTHER_NAMES[kind] if not hasattr(cls, name)]
        for name in names:
            setattr(cls, name, _OtherName(f"{kind} has no {name!r}: {OTHER_NAMES[kind][name]}"))
        # What lists attributes, such as a shell that completes names, finds none that fails.
        cls.__dir__ = lambda self: sorted(set(object.__dir__(self)).difference(names))  # type: ignore[method-assign]
        return cls

    return with_hints


def known_instead(keyword: str, keywords: Sequence[str]) -> str | None:
    """Return the keyword of ours that one of other libraries means, if it is among these."""
    return next((ours for ours in OTHER_KEYWORDS.get(keyword, ()) if ours in keywords), None)
