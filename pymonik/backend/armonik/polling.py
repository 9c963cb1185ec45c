"""When to ask for results, beside a stream of events that may tell nothing.

A stream can be open and silent for ever, from its start or from some moment on. It is trusted once
its snapshot has come, in which there is always a result of ours. If none has come within a second,
or if a look finds an end that the stream does not tell, results are asked for often, until a stream
tells an end first.

Enters: what the stream and the looks have shown, and moments, in seconds. Leaves: the moment of the
next look. No clock, no thread: see `events`.
"""

from __future__ import annotations

from collections.abc import Collection

# What is open is asked for when a trusted stream has said nothing for so long; then less often.
RECHECK = 10.0
# So that a session that is idle for hours costs a request a minute.
RECHECK_MOST = 60.0
# A stream shows its snapshot within so long, and tells what a look has found.
WORD = 1.0
# A row may know less than the stream has told already: an end told before somebody asked for it is
# found by a look so long after, then by others, each a factor later, while that can be.
_AGAIN = 0.1
# While the stream is silent: from one look to the next, while somebody waits. From each submission
# on it grows by a factor: a call of some seconds is to cost about two requests a second.
POLL, POLL_MOST = 0.05, 1.0
# Steep: what is not there after a few looks is seconds away.
_GROWTH = 3
# So is a loop of short ones: looks come once a second on average, and may be so many ahead of that.
AHEAD = 4
# A look may take that part of the time: of a session with very many results it takes long.
_SHARE = 0.25
# A silent stream is replaced after so long; then less often.
RENEW, RENEW_MOST = 10.0, 60.0


class Polling:
    """What is known of the stream, and when to look."""

    def __init__(self, now: float) -> None:
        # Whether results are asked for in place of the stream.
        self.is_polling = False
        # Since when the stream has had something to say, and has not.
        self._silent_since: float | None = None
        self._has_open = self._has_missing = False
        # Whether the stream of now has shown its snapshot.
        self._has_spoken = False
        self._spoke_at = now
        self._looked_at = now
        self._recheck = RECHECK
        self._poll = POLL
        self._took = 0.0
        # Until when all looks so far would last, one every `POLL_MOST`.
        self._spent_until = now
        # The pause to the next look for ends that were perhaps told too early; 0 if there are none.
        self._again = 0.0
        self._unreported: set[str] = set()
        self._unreported_since = 0.0
        self._renew = RENEW
        self._renewed_at = now

    def opened(self, now: float) -> None:
        """Note that another stream is to report: it was opened, or is about to be."""
        self._has_spoken = False
        if self._silent_since is None and self._has_open:
            self._silent_since = now
        self._unreported.clear()
        self._renewed_at = now

    def expects(self, now: float) -> None:
        """Note that something was sent: the stream is to report its end."""
        if not self._has_open:  # as good as a look: there was nothing to see until now
            self._looked_at = now
        self._has_open = True
        self._poll = POLL
        if self._silent_since is None and not self._has_spoken:
            self._silent_since = now

    def adopted(self, now: float) -> None:
        """Note that the end of an open result may have been reported before it was expected."""
        self._has_open = True
        self._looked_at = now
        self._again = _AGAIN

    def spoke(self, now: float) -> None:
        """Note that the stream has reported something."""
        self._has_spoken = True
        self._spoke_at = now
        self._silent_since = None
        self._recheck = RECHECK

    def reported(self, id: str, is_news: bool) -> None:
        """Note that the stream has reported an end; is_news: no look had found it before."""
        self._unreported.discard(id)
        if is_news:
            self.is_polling = False
            self._renew = RENEW

    def looked(
        self, now: float, took: float, ended: Collection[str], has_open: bool, has_missing: bool
    ) -> None:
        """Note that a look has found ends, and took some time.

        has_open: more is to end. has_missing: of some the cluster has no record.
        """
        self._looked_at = now
        self._spent_until = max(self._spent_until, now) + POLL_MOST
        self._has_missing = has_missing
        self._took = took
        self._recheck = min(1.5 * self._recheck, RECHECK_MOST)
        # Also when it has found some: while many calls end one after the other, each would.
        self._poll = min(_GROWTH * self._poll, POLL_MOST)
        self._has_open = has_open
        self._again = _GROWTH * self._again if has_open and self._again < WORD else 0.0
        if not has_open:
            self._silent_since = None
        if ended:
            self._unreported_since = now
            self._unreported.update(ended)

    def due(self, is_awaited: bool) -> float:
        """Return when to look; is_awaited: somebody waits for a value."""
        rarely = WORD if self._has_missing else RECHECK
        if self.is_polling:
            pause = self._poll if is_awaited else rarely
            next_one = self._looked_at + max(pause, self._took / _SHARE)
            return max(next_one, self._spent_until - AHEAD * POLL_MOST)
        if self._again:
            return self._looked_at + self._again
        if self._has_missing:
            return self._looked_at + WORD
        if self._silent_since is not None:
            return max(self._silent_since, self._looked_at) + WORD
        if self._unreported:
            return self._unreported_since + WORD
        return max(self._spoke_at, self._looked_at) + self._recheck

    def is_silent(self, now: float) -> bool:
        """Return whether the stream has failed to tell what it had to."""
        if self._silent_since is not None:
            return now >= self._silent_since + WORD
        # What it says now may be a long snapshot, with the end in question further behind.
        is_quiet = self._spoke_at <= self._unreported_since
        return bool(self._unreported) and is_quiet and now >= self._unreported_since + WORD

    def takes_over(self) -> None:
        """Ask for results from now on."""
        self.is_polling = True
        self._unreported.clear()

    def is_to_renew(self, now: float) -> bool:
        """Return whether another stream is to be tried; asked while polling."""
        if not self.is_polling or now < self._renewed_at + self._renew:
            return False
        self._renew = min(2 * self._renew, RENEW_MOST)
        self._renewed_at = now
        return True
