"""Rates of counters, by a clock that the test turns."""

from __future__ import annotations

from edgelake.services.rates import RateMeter, Rates


def test_the_first_rates_are_since_the_start():
    start, last = RateMeter(100.0).take(104.0, {"messages": 8})
    assert start == last == Rates(4.0, {"messages": 2.0})


def test_the_last_while_begins_when_it_was_asked_before():
    meter = RateMeter(0.0)
    meter.take(10.0, {"messages": 10})
    start, last = meter.take(20.0, {"messages": 110})
    assert start == Rates(20.0, {"messages": 5.5})
    assert last == Rates(10.0, {"messages": 10.0})


def test_who_asks_often_gets_a_whole_second():
    meter = RateMeter(0.0)
    meter.take(10.0, {"messages": 0})
    meter.take(12.0, {"messages": 20})
    for time_s in (12.0, 12.25, 12.5):
        _, last = meter.take(time_s, {"messages": 20})
        assert last == Rates(time_s - 10, {"messages": 20 / (time_s - 10)})
    _, last = meter.take(13.0, {"messages": 25})
    assert last == Rates(1.0, {"messages": 5.0})


def test_no_time_gives_no_rate():
    start, last = RateMeter(5.0).take(5.0, {"messages": 7})
    assert start == last == Rates(0.0, {"messages": 0.0})


def test_answers_that_overtake_one_another_stay_sound():
    meter = RateMeter(0.0)
    meter.take(3.0, {"messages": 3})
    meter.take(6.0, {"messages": 9})
    _, late = meter.take(5.0, {"messages": 7})
    assert late == Rates(2.0, {"messages": 2.0})
