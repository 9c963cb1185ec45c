"""Into how many tasks a worker cuts the elements of a unit that were handed back.

Enters: how many elements, and how long one takes. Leaves: a number. A rule of its own, since
estimates of schedules (`analysis.simulate`) go by it, too.
"""

from __future__ import annotations

# Each of them may hand back again: with so many, a hundred idle pods are busy after two beats.
_PARTS = 16
# More, where each of them would still take a beat, so that they are busy after one.
_MOST_PARTS = 128
# Fewer, where each would take less than this part of a beat: a task costs a cluster 15 to 50 ms.
_LEAST_BEAT = 0.1


def parts_of_rest(count: int, seconds: float | None, beat: float) -> int:
    """Return the number of tasks, from 1 to `count`.

    seconds: of one element, None where nothing is known. beat: seconds after which a unit hands
    back what is left of it, 0 for never.
    """
    parts = _PARTS
    if seconds is not None and beat:
        work = seconds * count
        parts = min(max(_PARTS, int(work / beat)), _MOST_PARTS)
        parts = min(parts, int(work / (_LEAST_BEAT * beat)))
    return max(1, min(parts, count))
