"""When results are asked for beside a stream of events: moments in, moments out."""

from __future__ import annotations

from pymonik.backend.armonik.polling import POLL, POLL_MOST, RECHECK, RENEW, WORD, Polling


def spoken() -> Polling:
    """A stream that was opened before anything was sent, and has told of the first result."""
    polling = Polling(0.0)
    polling.opened(0.0)
    polling.expects(1.0)
    polling.spoke(1.1)
    return polling


def test_a_stream_that_speaks_is_left_alone() -> None:
    polling = spoken()
    assert not polling.is_silent(100.0)
    assert polling.due(True) == 1.1 + RECHECK
    polling.spoke(5.0)
    assert polling.due(True) == 5.0 + RECHECK


def test_looks_beside_a_stream_become_rare() -> None:
    polling = spoken()
    pauses = []
    now = 1.1
    for _ in range(3):
        pauses.append(polling.due(True) - now)
        now = polling.due(True)
        polling.looked(now, 0.0, [], True, False)
    assert pauses == sorted(pauses)
    assert pauses[0] < pauses[-1]


def test_a_stream_that_has_nothing_to_say_is_not_silent() -> None:
    polling = Polling(0.0)
    polling.opened(0.0)
    assert not polling.is_silent(100.0)


def test_without_a_snapshot_within_a_second_polling_takes_over() -> None:
    polling = Polling(0.0)
    polling.opened(0.0)
    polling.expects(3.0)
    assert not polling.is_silent(3.0 + WORD / 2)
    assert polling.due(True) == 3.0 + WORD
    assert polling.is_silent(3.0 + WORD)


def test_a_stream_that_is_cut_again_and_again_is_silent() -> None:
    polling = spoken()
    for step in range(4):
        polling.opened(2.0 + step * WORD / 3)
    assert polling.is_silent(2.0 + WORD)


def test_while_polling_the_pauses_grow_to_a_second_while_somebody_waits() -> None:
    polling = spoken()
    polling.takes_over()
    pauses = []
    now = 2.0
    polling.looked(now, 0.0, [], True, False)
    for _ in range(8):
        pauses.append(polling.due(True) - now)
        now = polling.due(True)
        polling.looked(now, 0.0, [], True, False)
    assert pauses == sorted(pauses)
    assert pauses[-1] == POLL_MOST
    assert polling.due(False) == now + RECHECK


def test_an_end_that_was_found_and_a_new_call_make_looks_frequent_again() -> None:
    polling = spoken()
    polling.takes_over()
    for now in range(10):
        polling.looked(now, 0.0, [], True, False)
    polling.looked(10.0, 0.0, ["a"], True, False)
    assert polling.due(True) == 10.0 + POLL
    for now in range(11, 20):
        polling.looked(now, 0.0, [], True, False)
    polling.expects(19.5)
    assert polling.due(True) == 19.0 + POLL


def test_looks_that_take_long_are_rarer() -> None:
    polling = spoken()
    polling.takes_over()
    polling.looked(2.0, 3.0, [], True, False)
    assert polling.due(True) == 2.0 + 12.0


def test_an_end_that_the_stream_does_not_tell_makes_it_silent() -> None:
    polling = spoken()
    polling.looked(20.0, 0.0, ["a"], True, False)
    assert polling.due(False) == 20.0 + WORD
    assert not polling.is_silent(20.0)
    assert polling.is_silent(20.0 + WORD)


def test_an_end_that_the_stream_tells_a_little_later_is_no_silence() -> None:
    polling = spoken()
    polling.looked(20.0, 0.0, ["a"], True, False)
    polling.told("a", is_news=False)
    assert not polling.is_silent(100.0)


def test_a_stream_that_is_busy_with_its_snapshot_is_not_silent() -> None:
    polling = spoken()
    polling.looked(20.0, 0.0, ["a"], True, False)
    polling.spoke(20.5)
    assert not polling.is_silent(20.0 + WORD)


def test_a_stream_that_tells_an_end_first_is_trusted_again() -> None:
    polling = spoken()
    polling.takes_over()
    polling.told("a", is_news=False)
    assert polling.is_polling
    polling.told("b", is_news=True)
    assert not polling.is_polling


def test_a_silent_stream_is_replaced_now_and_then() -> None:
    polling = spoken()
    assert not polling.is_to_renew(1000.0)
    polling.opened(10.0)
    polling.takes_over()
    assert not polling.is_to_renew(10.0 + RENEW / 2)
    assert polling.is_to_renew(10.0 + RENEW)
    assert not polling.is_to_renew(10.0 + 2 * RENEW)
    assert polling.is_to_renew(10.0 + 4 * RENEW)


def test_what_is_not_listed_is_looked_for_again_soon() -> None:
    polling = spoken()
    polling.looked(20.0, 0.0, [], True, has_missing=True)
    assert polling.due(False) == 20.0 + WORD
