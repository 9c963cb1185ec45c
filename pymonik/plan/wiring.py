"""Wirings: how the calls of a graph use each other, to be compared with those of another graph.

Enters: recorded calls. Leaves: plain lists of all that a plan depends on, but for plain values.
They are compared list by list, not call by call: that takes a tenth of the time of compiling them.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain
from operator import attrgetter

from pymonik.graph.nodes import Call
from pymonik.graph.slots import Ref

_NOTHING = (None, None, None)
_args, _lasti, _site, _spec = map(attrgetter, ("args", "lasti", "site", "spec"))
_special = attrgetter("n", "ids", "label")


class Wiring:
    """What calls have in common with those of another graph, in the order of the steps of a plan.

    fields: how many arguments each call has, the types of all of them one behind the other, whose
    values those are that name a call, the spec of each call, where in the program it was made, and
    whether its value is wanted.
    """

    __slots__ = ("args", "calls", "fields", "sites", "specs")

    def __init__(self, calls: Sequence[Call]) -> None:
        self.calls = calls
        self.args = list(map(_args, calls))
        self.specs = list(map(_spec, calls))
        # Code goes by its address, not by its hash, which is that of all it has.
        self.sites = list(map(_site, calls))
        places = dict(zip(map(id, calls), range(len(calls))))
        flat = list(chain.from_iterable(self.args))
        self.fields = (
            list(map(len, self.args)),
            list(map(type, flat)),
            [places.get(id(slot.node)) for slot in flat if type(slot) is Ref],
            list(map(id, self.specs)),
            list(map(id, self.sites)),
            list(map(_lasti, calls)),
            # Each is a weak reference to what may ask for its value; names and ids it has none.
            [one is not None for one in map(Call.__call__, calls)],
        )

    @property
    def are_single(self) -> bool:
        """Return whether all are single calls, without names and ids."""
        return list(map(_special, self.calls)).count(_NOTHING) == len(self.calls)
