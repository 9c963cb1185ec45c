"""Filters and sort fields of the List requests, compiled to functions over records.

A filter message is an OR of ANDs of conditions; each condition names a field, an operator and a
value. The field tables stand in `fields`.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from pymonik.emulator.engine import Refused
from pymonik.emulator.services.convert import MICRO, NANO, seconds
from pymonik.system.structs import NamedTuple

Getter = Callable[[Any], Any]
Test = Callable[[Any, Any], bool]


def _contains(value: Any, wanted: Any) -> bool:
    return wanted in value


def _contains_not(value: Any, wanted: Any) -> bool:
    return wanted not in value


# In the order of the enumerations of the protocol; numbers and durations share theirs, dates
# have less before greater too.
_ORDER: tuple[Test, ...] = (
    operator.eq,
    operator.ne,
    operator.lt,
    operator.le,
    operator.ge,
    operator.gt,
)
OPERATORS: dict[str, tuple[Test, ...]] = {
    "filter_string": (
        operator.eq,
        operator.ne,
        _contains,
        _contains_not,
        str.startswith,
        str.endswith,
    ),
    "filter_number": _ORDER,
    "filter_date": _ORDER,
    "filter_duration": _ORDER,
    "filter_array": (_contains, _contains_not),
    "filter_status": (operator.eq, operator.ne),
    "filter_boolean": (operator.eq,),
}
# What one second has, by the kinds of filters that carry times.
UNITS = {"filter_date": MICRO, "filter_duration": NANO}
# Tests that a field passes which a record does not have.
_ABSENT_PASSES = (operator.ne, _contains_not)


class Field(NamedTuple):
    """How a field of a record is read, and which kind of filter carries its values."""

    key: Any
    get: Getter
    kind: str


@dataclass(frozen=True, slots=True)
class Condition:
    """One test of one field."""

    field: Any
    get: Getter
    test: Test
    value: Any

    def __call__(self, record: Any) -> bool:
        actual = self.get(record)
        if actual is None:
            return self.test in _ABSENT_PASSES
        return self.test(actual, self.value)


@dataclass(frozen=True, slots=True)
class Filter:
    """An OR of ANDs; without any AND it lets everything pass."""

    alternatives: tuple[tuple[Condition, ...], ...] = ()

    def __call__(self, record: Any) -> bool:
        return not self.alternatives or any(
            all(condition(record) for condition in conditions) for conditions in self.alternatives
        )

    def pinned(self, field: Any) -> Sequence[Any] | None:
        """Return the values to which every alternative pins a field, or None if one does not."""
        if not self.alternatives:
            return None
        values = []
        for conditions in self.alternatives:
            pins = [c.value for c in conditions if c.field == field and c.test is operator.eq]
            if not pins:
                return None
            values.append(pins[0])
        return list(dict.fromkeys(values))


def compile_filter(message: Any, resolve: Callable[[Any], Field]) -> Filter:
    """Compile a Filters message; `resolve` turns a field message into a `Field`."""
    return Filter(
        tuple(
            tuple(_condition(item, resolve) for item in getattr(conjunction, "and"))
            for conjunction in getattr(message, "or")
        )
    )


def _condition(item: Any, resolve: Callable[[Any], Field]) -> Condition:
    kind = item.WhichOneof("value_condition")
    field = resolve(item.field)
    if kind != field.kind:
        raise Refused("UNKNOWN", f"{field.key} is filtered by a {field.kind}, not by {kind}")
    message = getattr(item, kind)
    tests = OPERATORS[kind]
    if not 0 <= message.operator < len(tests):
        raise Refused("INVALID_ARGUMENT", f"{kind} has no operator {message.operator}")
    test = tests[message.operator]
    if kind not in UNITS:
        return Condition(field.key, field.get, test, message.value)
    get = partial(_whole, field.get, UNITS[kind])
    return Condition(field.key, get, test, round(seconds(message.value) * UNITS[kind]))


def _whole(get: Getter, unit: int, record: Any) -> int | None:
    """Return a time as it is shown: in whole units, so that it is equal to itself."""
    value = get(record)
    return None if value is None else round(value * unit)
