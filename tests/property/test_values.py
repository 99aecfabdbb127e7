"""Whatever is written as a value: the value, or one error that says what to write."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgelake.errors import EdgeLakeError, WrongValue
from edgelake.language import (
    Address,
    AddressType,
    Boolean,
    CommandStatement,
    DateTime,
    Duration,
    ExpressionText,
    Frequency,
    Host,
    Integer,
    IpAddress,
    Moment,
    MomentType,
    Name,
    Number,
    OneOf,
    PathType,
    PolicyId,
    Port,
    ShellText,
    Size,
    Sort,
    TableName,
    TableType,
    Text,
    Timezone,
    ValueType,
    Variables,
    bind,
    date_text,
    parse,
)
from tests.language.sample import REGISTRY, TOPIC

TYPES: list[ValueType] = [
    *(AddressType(), Boolean(), DateTime(), Duration(), Frequency(), Host(), Integer()),
    *(IpAddress(), MomentType(), Name(), Number(), OneOf("a", "b"), PathType(), PolicyId()),
    *(Port(), Size(), Sort(), TableType(), Text(), Timezone(), TOPIC),
    *(ExpressionText(), ShellText(timeout=True)),
]
PARTS = st.sampled_from(
    [
        *"0123456789.:-+/()[]_ abcdhmstwxyZ\0é٣",
        *("now", "now()", "start of ", "day", "2026-12-01", "10:00:00", "10.0.0.1", "::1"),
        *("KB", "mb", " hz", " seconds", "true", "desc", "timeout = ", "Europe/", "Oslo", "!a"),
    ]
)
TEXTS = st.one_of(st.text(max_size=30), st.lists(PARTS, max_size=8).map("".join))
DATES = st.datetimes(datetime(2, 1, 1), datetime(9998, 12, 30), timezones=st.just(UTC))
NOW = datetime(2026, 11, 25, 13, 14, 15, tzinfo=UTC)
ZONES = st.sampled_from(["UTC", "Europe/Oslo", "America/New_York", "Australia/Lord_Howe"])


def failure(action: Callable[[], object]) -> EdgeLakeError | None:
    """Return the error that an action ends with; any other one passes through."""
    try:
        action()
    except EdgeLakeError as error:
        return error
    return None


@pytest.mark.parametrize("kind", TYPES, ids=lambda kind: type(kind).__name__)
@given(text=TEXTS)
@settings(max_examples=200, deadline=None)
def test_any_text_is_a_value_or_an_error(kind: ValueType, text: str) -> None:
    error = failure(lambda: kind.parse(text))
    if error is None:
        return
    assert error.hint
    assert len(error.message) < 500
    references = isinstance(kind, ExpressionText | ShellText)
    assert isinstance(error, WrongValue) or (references and error.code == 138)


@given(DATES, ZONES)
@settings(max_examples=300, deadline=None)
def test_a_date_that_is_shown_can_be_read(date: datetime, zone: str) -> None:
    assert DateTime().parse(date_text(date.astimezone(ZoneInfo(zone)))) == date


@given(
    st.sampled_from("ywdhts"),
    st.integers(-5000, 5000),
    st.datetimes(datetime(1900, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC)),
)
@settings(max_examples=300, deadline=None)
def test_what_is_added_can_be_taken_away(unit: str, count: int, date: datetime) -> None:
    there = Moment.read(f"{date_text(date)} {count:+d}{unit}")
    if failure(lambda: there.resolve(NOW)) is not None:
        assert unit == "y"  # nothing else leads out of the calendar
        return
    back = Moment.read(f"{date_text(there.resolve(NOW))} {-count:+d}{unit}").resolve(NOW)
    # A leap day has no like in other years.
    assert back == date or (unit == "y" and abs(back - date) <= timedelta(days=1))


@given(st.integers(1, 999_999_999), st.sampled_from(["second", "minute", "hour", "day", "week"]))
def test_spans(count: int, unit: str) -> None:
    seconds = {"second": 1, "minute": 60, "hour": 3600, "day": 86_400, "week": 604_800}[unit]
    assert Duration().parse(f"{count} {unit}s") == Duration().parse(f"{count} {unit}")
    assert Duration().parse(f"{count} {unit}") == count * seconds


@given(st.ip_addresses(v=4), st.integers(1, 65_535))
def test_addresses(ip: object, port: int) -> None:
    assert str(AddressType().parse(f"{ip}:{port}")) == f"{ip}:{port}"
    assert str(IpAddress().parse(str(ip))) == str(ip)


@given(st.ip_addresses(v=6), st.integers(1, 65_535))
def test_addresses_in_brackets(ip: object, port: int) -> None:
    assert AddressType().parse(f"[{ip}]:{port}") == Address(f"[{ip}]", port)


@given(st.from_regex(r"[\w-]{1,20}", fullmatch=True), st.from_regex(r"[\w-]{1,20}", fullmatch=True))
def test_tables(database: str, table: str) -> None:
    assert TableType().parse(str(TableName(database, table))) == TableName(database, table)


@given(st.text(min_size=1, max_size=40))
@settings(max_examples=300, deadline=None)
def test_a_value_is_never_part_of_source_text(value: str) -> None:
    variables = Variables({"v": value}, {})
    (statement,) = parse('system echo !v "!v" $(echo !v) & python !v + "!v"', REGISTRY)[:1]
    assert isinstance(statement, CommandStatement)
    try:
        command = bind(statement, REGISTRY, variables).arguments["command"]
    except WrongValue:
        assert "\0" in value
        return
    names = list(command.values)
    assert list(command.values.values()) == [value] * 3
    first, second, third = names
    assert command.text == f'echo "${{{first}}}" "${{{second}}}" $(echo "${{{third}}}")'


@given(st.text(min_size=1, max_size=40))
@settings(max_examples=300, deadline=None)
def test_a_value_is_a_name_in_an_expression(value: str) -> None:
    variables = Variables({"v": value}, {})
    (statement,) = parse('python !v + "!v"', REGISTRY)
    found = bind(statement, REGISTRY, variables).arguments["expression"]
    assert found.text == "value_1  +  value_2"
    first, second = found.names.values()
    assert second == value
    assert first == value or first == json.loads(value)


@given(TEXTS)
@settings(max_examples=300, deadline=None)
def test_source_text_without_references_stays_as_it_is(text: str) -> None:
    text = text.replace("!", "").replace("$", "").strip()
    if not text or text.startswith("timeout"):
        return
    assert ShellText().parse(text).text == text if "\0" not in text else True
    assert ExpressionText().parse(text).text == text
