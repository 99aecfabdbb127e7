"""Spans, rates, dates and zones: what they take, and when that is."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from edgelake.errors import WrongValue
from edgelake.language import (
    CommandStatement,
    DateTime,
    Duration,
    Frequency,
    Moment,
    MomentType,
    Timezone,
    ValueType,
    Variables,
    bind,
    bind_and_learn,
    date_text,
    local_zone,
    parse,
    recall,
)
from tests.language.sample import REGISTRY

OSLO = ZoneInfo("Europe/Oslo")
NOW = datetime(2026, 11, 25, 13, 14, 15, 160_000, UTC)
VARIABLES = Variables({"n": "3", "day": "2026-12-01"}, {})


def utc(*parts: int) -> datetime:
    """Return a date of UTC."""
    return datetime(*parts, tzinfo=UTC)  # type: ignore[misc,arg-type]


@pytest.mark.parametrize(
    ("text", "date"),
    [
        ("now", NOW),
        ("now()", NOW),
        ("2026-12-01", utc(2026, 12, 1)),
        ("2026-12-01 10:00", utc(2026, 12, 1, 10)),
        ("2026-12-01 10:00:01", utc(2026, 12, 1, 10, 0, 1)),
        ("2026-12-01T10:00:00.123456Z", utc(2026, 12, 1, 10, 0, 0, 123_456)),
        ("2026-12-01 10:00:00.5", utc(2026, 12, 1, 10, 0, 0, 500_000)),
        ("2026-12-01T10:00:00.123456789Z", utc(2026, 12, 1, 10, 0, 0, 123_456)),
        ("2026-12-01T10:00:00Z", utc(2026, 12, 1, 10)),
        ("2026-12-01 10:00:00 Z", utc(2026, 12, 1, 10)),
        ("2026-12-01T10:00:00+02:00", utc(2026, 12, 1, 8)),
        ("2026-12-01T10:00:00 -0330", utc(2026, 12, 1, 13, 30)),
        ("+1d", NOW + timedelta(days=1)),
        ("+ 1d", NOW + timedelta(days=1)),
        ("+2 d", NOW + timedelta(days=2)),
        ("-2h", NOW - timedelta(hours=2)),
        ("-3t", NOW - timedelta(minutes=3)),
        ("+30s", NOW + timedelta(seconds=30)),
        ("+1w", NOW + timedelta(weeks=1)),
        ("+1 day", NOW + timedelta(days=1)),
        ("now() + 2 days", NOW + timedelta(days=2)),
        ("now()+2 days", NOW + timedelta(days=2)),
        ("now() - 3 hours + 1 minute", NOW - timedelta(hours=3) + timedelta(minutes=1)),
        ("+1m", utc(2026, 12, 25, 13, 14, 15, 160_000)),
        ("-1y", utc(2025, 11, 25, 13, 14, 15, 160_000)),
        ("2024-02-29 + 1y", utc(2025, 2, 28)),
        ("2026-01-31 +1m", utc(2026, 2, 28)),
        ("2026-01-31 +1m +1m", utc(2026, 3, 28)),
        ("2026-01-31 +2 months", utc(2026, 3, 31)),
        ("start of year", utc(2026, 1, 1)),
        ("start of month", utc(2026, 11, 1)),
        ("start of day", utc(2026, 11, 25)),
        ("start of hour", utc(2026, 11, 25, 13)),
        ("start of minute", utc(2026, 11, 25, 13, 14)),
        ("start of month - 1s", utc(2026, 10, 31, 23, 59, 59)),
        ("  start  of \t day ", utc(2026, 11, 25)),
    ],
)
def test_dates(text: str, date: datetime) -> None:
    found = Moment.read(text).resolve(NOW)
    assert found == date
    assert found.tzinfo is UTC
    assert Moment.read(date_text(found)).resolve(NOW) == found


@pytest.mark.parametrize(
    "text",
    [
        "",
        "tomorrow",
        "-1",
        "+d",
        "1d",
        "+1x",
        "+1dd",
        "+1d2",
        "now(",
        "now now",
        "now()()",
        "Now",
        "start of week",
        "start of",
        "start of day of day",
        "2026-13-01",
        "2026-02-29",
        "2026-12-01 24:00:00",
        "2026-12-01 10:00:60",
        "2026-12-01 10",
        "2026-12-01Z",
        "2026-12-01 10:00:00.",
        "2026-12-01 10:00:00 +25:00",
        "0000-01-01",
        "12/01/2026",
        "2026-1-1",
        "20261201",
        "２026-12-01",
        "2026-12-01 - 3",
        "+9999999999d",
    ],
)
def test_no_dates(text: str) -> None:
    with pytest.raises(WrongValue) as caught:
        Moment.read(text)
    assert caught.value.hint


@pytest.mark.parametrize(
    "text", ["+999999999y", "-3000y", "+999999999d", "9999-12-31 +1m", "-999999999h"]
)
def test_dates_outside_of_the_calendar(text: str) -> None:
    with pytest.raises(WrongValue, match="years 1 to 9999"):
        Moment.read(text).resolve(NOW)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        # A day is a day of the calendar, 24 hours are time that passes.
        ("2026-03-28 12:00:00 + 1 day", "2026-03-29T12:00:00.000000+02:00"),
        ("2026-03-28 12:00:00 + 24 hours", "2026-03-29T13:00:00.000000+02:00"),
        ("2026-10-24 12:00:00 + 1 day", "2026-10-25T12:00:00.000000+01:00"),
        ("2026-10-24 12:00:00 + 24h", "2026-10-25T11:00:00.000000+01:00"),
        # The clocks leave out 2:30 on that day.
        ("2026-03-28 02:30:00 + 1d", "2026-03-29T03:30:00.000000+02:00"),
        ("2026-10-25 03:30:00 - 1h", "2026-10-25T02:30:00.000000+01:00"),
        ("2026-10-25 03:30:00 - 2h", "2026-10-25T02:30:00.000000+02:00"),
        ("2026-12-01T10:00:00Z", "2026-12-01T11:00:00.000000+01:00"),
        ("start of day", "2026-11-25T00:00:00.000000+01:00"),
        ("start of month + 1m - 1d", "2026-11-30T00:00:00.000000+01:00"),
        ("start of year", "2026-01-01T00:00:00.000000+01:00"),
    ],
)
def test_dates_of_a_zone_with_changes_of_the_clock(text: str, shown: str) -> None:
    found = Moment.read(text).resolve(NOW.astimezone(OSLO))
    assert date_text(found) == shown
    # Times that the clock shows twice are never equal to those of another zone.
    assert Moment.read(shown).resolve(NOW) == found.astimezone(UTC)


@pytest.mark.parametrize(
    ("text", "date"),
    [
        ("2026-12-01", utc(2026, 12, 1)),
        ("!day", utc(2026, 12, 1)),
        ("!day + !n days", utc(2026, 12, 4)),
        ('"2026-12-01 10:00:00.5"', utc(2026, 12, 1, 10, 0, 0, 500_000)),
        ('"2026-12-01" + 1d', utc(2026, 12, 2)),
        ("2026-12-01T10:00:00+02:00", utc(2026, 12, 1, 8)),
    ],
)
def test_dates_in_options(text: str, date: datetime) -> None:
    (statement,) = parse(f"collect data where start_date = {text} and rate = 10 hz", REGISTRY)
    options = bind(statement, REGISTRY, VARIABLES).options
    assert options["start_date"] == date
    assert options["rate"] == 10.0


@pytest.mark.parametrize(
    "text", ["now() + 2 days", "+1d", "+ 1 d", "-2h", "now() - 3 hours", "2026-12-01 10:00:00"]
)
def test_dates_as_arguments(text: str) -> None:
    (statement,) = parse(f"get datetime utc {text} where format = json", REGISTRY)
    assert isinstance(statement, CommandStatement)
    assert bind(statement, REGISTRY, VARIABLES).arguments["date"] == Moment.read(text)


def test_a_date_relative_to_now_is_found_anew_each_time() -> None:
    text = "collect data where start_date = now"
    (statement,) = parse(text, REGISTRY)
    first = bind_and_learn(statement, REGISTRY, VARIABLES).options["start_date"]
    second = recall(text, REGISTRY, VARIABLES)
    assert second is None or second.options["start_date"] > first


def test_a_date_without_a_zone_is_of_utc() -> None:
    assert DateTime().parse("2026-12-01 10:00:00") == utc(2026, 12, 1, 10)


@pytest.mark.parametrize(
    ("kind", "text", "value"),
    [
        (Frequency(), "10 hz", 10.0),
        (Frequency(), "0.5 Hz", 0.5),
        (Frequency(), "100hz", 100.0),
        (Duration(), "2 weeks", 1_209_600.0),
        (Duration(), "1 seconds", 1.0),
        (Timezone(), "utc", UTC),
        (Timezone(), "Europe/Oslo", OSLO),
        (Timezone(), "America/Argentina/Buenos_Aires", ZoneInfo("America/Argentina/Buenos_Aires")),
        (Timezone(), "Etc/GMT+3", ZoneInfo("Etc/GMT+3")),
        (MomentType(), "now", Moment()),
    ],
)
def test_accepted(kind: ValueType, text: str, value: Any) -> None:
    assert kind.parse(text) == value


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        (Frequency(), "10"),
        (Frequency(), "0 hz"),
        (Frequency(), "-1 hz"),
        (Frequency(), "10 khz"),
        (Duration(), "5 Seconds"),
        (Duration(), "5 secs"),
        (Duration(), "2 months"),
        (Timezone(), ""),
        (Timezone(), "mars"),
        (Timezone(), "UTC\0"),
        (Timezone(), "../../etc/passwd"),
        (Timezone(), "/etc/localtime"),
        (Timezone(), "America"),
        (Timezone(), "a" * 5000),
        (Timezone(), "Europe/Oslo/x"),
    ],
)
def test_refused(kind: ValueType, text: str) -> None:
    with pytest.raises(WrongValue) as caught:
        kind.parse(text)
    assert caught.value.hint


def test_the_nearest_zone_is_suggested() -> None:
    with pytest.raises(WrongValue) as caught:
        Timezone().parse("europe/olso")
    assert caught.value.hint == "did you mean 'Europe/Oslo'?"


def test_the_zone_of_the_machine_has_an_offset() -> None:
    assert NOW.astimezone(local_zone()) == NOW
    assert Timezone().parse("local").utcoffset(NOW.replace(tzinfo=None)) is not None


def test_a_zone_of_fixed_offset_is_shown() -> None:
    zone = timezone(timedelta(hours=-3, minutes=-30))
    assert date_text(NOW.astimezone(zone)) == "2026-11-25T09:44:15.160000-03:30"


def test_completion() -> None:
    assert "now()" in MomentType().choices()
    assert "start of day" in DateTime().choices()
    assert "start of second" not in DateTime().choices()
    assert Timezone().choices() == ("utc", "local")
