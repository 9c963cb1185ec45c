"""When results are asked for beside a stream of events: moments in, moments out."""

from __future__ import annotations

import pytest

from pymonik.backend.armonik.polling import AHEAD, POLL, POLL_MOST, RECHECK, RENEW, WORD, Polling


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


def test_an_end_that_was_reported_too_early_is_looked_for() -> None:
    polling = spoken()
    polling.adopted(2.0)
    looks = []
    while polling.due(True) < 2.0 + RECHECK:
        looks.append(polling.due(True))
        polling.spoke(looks[-1])  # of others
        polling.looked(looks[-1], 0.0, [], True, False)
    assert looks[0] - 2.0 == pytest.approx(0.1)  # longer than rows were seen to be late
    assert len(looks) == 4
    polling.adopted(20.0)
    polling.looked(20.1, 0.0, [], False, False)
    assert polling.due(True) > 20.1 + WORD


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
        pauses.append(round(polling.due(True) - now, 6))
        now = polling.due(True)
        polling.looked(now, 0.0, [], True, False)
    assert pauses == sorted(pauses)
    assert pauses[-1] == POLL_MOST
    assert polling.due(False) == now + RECHECK


def test_a_new_call_makes_looks_frequent_again_and_ends_that_were_found_do_not() -> None:
    polling = spoken()
    polling.takes_over()
    for now in range(10):
        polling.looked(2.0 * now, 0.0, [], True, False)
    polling.looked(20.0, 0.0, ["a"], True, False)
    assert polling.due(True) == 20.0 + POLL_MOST
    polling.expects(20.5)
    assert polling.due(True) == 20.0 + POLL


def test_the_first_call_after_a_while_is_looked_for_a_little_later_and_not_at_once() -> None:
    polling = spoken()
    polling.takes_over()
    polling.looked(10.0, 0.0, ["a"], False, False)
    polling.expects(50.0)
    assert polling.due(True) == 50.0 + POLL


@pytest.mark.parametrize(
    ("seconds", "looks"), [(0.04, 1), (0.3, 3), (1.0, 4), (2.0, 5), (5.0, 8), (10.0, 13)]
)
def test_a_call_of_some_seconds_is_looked_for_less_than_twice_a_second_and_found_in_time(
    seconds: float, looks: int
) -> None:
    """With the download and another stream now and then: about two requests a second."""
    polling = spoken()
    polling.takes_over()
    polling.looked(2.0, 0.0, ["a"], False, False)
    begin = now = 100.0
    polling.expects(begin)
    count, has_ended = 0, False
    while not has_ended:
        now = polling.due(True)
        count, has_ended = count + 1, now >= begin + seconds
        polling.looked(now, 0.0, ["b"] if has_ended else [], not has_ended, False)
    assert count == looks
    assert now <= begin + seconds + POLL_MOST


def test_a_loop_of_short_calls_is_looked_for_once_a_second_and_some_at_first() -> None:
    polling = spoken()
    polling.takes_over()
    polling.looked(2.0, 0.0, ["a"], False, False)
    begin = now = 100.0
    for call in range(20):
        polling.expects(now)
        now = polling.due(True)
        polling.looked(now, 0.0, [str(call)], False, False)
    assert 20 - AHEAD - 1 <= now - begin <= 20


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
    polling.reported("a", is_news=False)
    assert not polling.is_silent(100.0)


def test_a_stream_that_is_busy_with_its_snapshot_is_not_silent() -> None:
    polling = spoken()
    polling.looked(20.0, 0.0, ["a"], True, False)
    polling.spoke(20.5)
    assert not polling.is_silent(20.0 + WORD)


def test_a_stream_that_tells_an_end_first_is_trusted_again() -> None:
    polling = spoken()
    polling.takes_over()
    polling.reported("a", is_news=False)
    assert polling.is_polling
    polling.reported("b", is_news=True)
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
