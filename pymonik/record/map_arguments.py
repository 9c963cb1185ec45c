"""The elements of a map: what `map_invoke` is given becomes columns.

Enters: argument tuples or single values, in a list, a generator or an array. Leaves: a column for
each argument, checked against the signature. Capturing a value is left to `arguments`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from operator import itemgetter
from typing import Any

from pymonik.errors import SignatureError
from pymonik.graph.columns import Const
from pymonik.record.arguments import Arguments
from pymonik.record.handle import ResultHandle
from pymonik.record.signature import Signature
from pymonik.record.together import captured, captured_columns, whole_rows
from pymonik.values.content import SMALL


class Elements:
    """The columns of a map of `n` elements.

    are_rows: the tuples have several lengths, and the first column holds them as they are.
    """

    def __init__(
        self,
        capture: Arguments,
        signature: Signature,
        args_list: Iterable[Any],
        keywords: dict[str, Any],
    ) -> None:
        self._capture = capture
        self._signature = signature
        self._name = signature.name
        # Rows that a generator gave, whose arguments share objects.
        self._whole: dict[int, Any] = {}
        # Whether the first of single values has items: it may have been meant as arguments.
        self._has_items = False
        rows = self._rows(args_list)
        self.n = len(rows)
        arguments = self._transposed(rows, keywords)
        # Single values are one column; so are tuples that have to stay together.
        self.are_rows = bool(rows and arguments) and arguments[0] is rows and type(rows[0]) is tuple
        names = signature.labels(len(arguments))
        self.columns, whole = captured_columns(capture, arguments, names)
        if self._whole and not self.are_rows:
            whole = whole_rows(capture, self.columns, self._whole, self.n)
        if whole is not None:
            self.are_rows, self.columns = True, (whole,)
        for key, value in keywords.items():
            slot = capture.argument(value, f"argument {key!r} of {self._name!r}")
            self.columns += (Const(slot),)

    def _rows(self, args_list: Any) -> list[Any]:
        if isinstance(args_list, (str, bytes, dict, ResultHandle)) or not isinstance(
            args_list, Iterable
        ):
            raise SignatureError(
                f"map_invoke of {self._name!r} takes the elements to map over, not "
                f"{args_list!r:.80}: {_way_out(args_list)}"
            )
        if isinstance(args_list, Iterator):
            # It may hand out one object again and again, changed: each is captured at once.
            return [self._captured_row(number, row) for number, row in enumerate(args_list)]
        if getattr(args_list, "shape", None) == ():
            raise SignatureError(
                f"map_invoke of {self._name!r} takes the elements to map over, not an array of no "
                "dimensions: invoke() takes it as an argument"
            )
        rows = _rows_of_table(args_list)
        return list(args_list) if rows is None else rows

    def _captured_row(self, number: int, row: Any) -> Any:
        if type(row) is not tuple:
            self._has_items = self._has_items or hasattr(row, "__len__")
            return self._captured(row, 0, 1)
        if SMALL.issuperset(map(type, row)):  # most rows: nothing to capture
            return row
        slots, shares = captured(self._capture, row, lambda: self._signature.labels(len(row)))
        if shares:
            self._whole[number] = self._capture.argument(row, f"element {number}")
        return tuple([value if type(value) is ResultHandle else slot
                      for value, slot in zip(row, slots)])  # fmt: skip

    def _captured(self, value: Any, at: int, width: int) -> Any:
        kind = type(value)
        if kind in SMALL or kind is ResultHandle:
            return value
        return self._capture.argument(value, self._signature.labels(width)[at])

    def _transposed(self, rows: list[Any], keywords: dict[str, Any]) -> list[Any]:
        """Return the values of each argument; the rows themselves where they are single values."""
        kinds = set(map(type, rows))
        if kinds == {tuple}:
            if len(set(map(len, rows))) > 1:
                return self._checked_rows(rows, keywords)
            self._check(rows[0], keywords, _AS_ONE)
            # `zip(*rows)` would make an iterator for each row, which takes five times as long.
            return [tuple(map(itemgetter(place), rows)) for place in range(len(rows[0]))]
        if tuple in kinds:
            # Which of the two is meant is told by the most of them.
            are_tuples = 2 * sum(type(row) is tuple for row in rows) > len(rows)
            position = next(i for i, row in enumerate(rows) if (type(row) is tuple) != are_tuples)
            raise SignatureError(
                f"map_invoke of {self._name!r}: element {position} is {rows[position]!r:.60}, "
                "and others are of another kind: give argument tuples for all elements, or "
                "single values for all"
            )
        if rows:
            has_items = self._has_items or hasattr(rows[0], "__len__")
            hint = _AS_VALUES if isinstance(rows[0], Mapping) else _AS_TUPLE
            self._check((rows[0],), keywords, hint if has_items else "")
        return [rows]

    def _check(self, row: tuple[Any, ...], keywords: dict[str, Any], hint: str) -> None:
        """Check the arguments of an element; the hint is for what is one argument, or several."""
        try:
            self._signature.check(row, keywords)
        except SignatureError as error:
            raise SignatureError(f"{error}{hint}") from None

    def _checked_rows(self, rows: list[Any], keywords: dict[str, Any]) -> list[Any]:
        """Check rows of several lengths, which stay rows: defaults fill what they leave out."""
        for position, row in enumerate(rows):
            try:
                self._signature.check(row, keywords)
            except SignatureError as error:
                raise SignatureError(f"element {position}: {error}") from None
        return [rows]


# Said where elements do not fit the signature.
_AS_ONE = "; to pass a row as one argument, map over [(row,) for row in rows]"
# What may be meant by what is no list of elements, by its type.
_WAYS_OUT: tuple[tuple[tuple[type, ...], str], ...] = (
    ((ResultHandle,), "a handle's value is not known yet: use unpack(n) or put it in a list"),
    ((dict,), "map over its keys, or its .items(), which are tuples of two arguments"),
    ((str, bytes), "put it in a list, or map over list(…) of it"),
    ((int,), "map over range(…), or put it in a list"),
    ((object,), "give a list, an array, a data frame or another iterable"),
)
_AS_TUPLE = "; to pass its items as several arguments, map over [tuple(row) for row in rows]"
_AS_VALUES = (
    "; to pass its values as several arguments, map over [(row['a'], row['b']) for row in rows], "
    "in the order of the parameters"
)


def _way_out(given: Any) -> str:
    return next(hint for kinds, hint in _WAYS_OUT if isinstance(given, kinds))


def _rows_of_table(table: Any) -> list[Any] | None:
    """Return the rows of a 2-D array or a data frame as tuples; None for anything else."""
    if getattr(table, "ndim", 0) == 2 and hasattr(table, "dtype"):
        return [tuple(row) for row in table]
    if hasattr(table, "columns") and hasattr(table, "itertuples"):  # pandas
        return list(table.itertuples(index=False, name=None))
    if hasattr(table, "columns") and hasattr(table, "iter_rows"):  # Polars
        return list(table.iter_rows())
    return None
