"""Types of time: spans, rates, dates and zones.

A date is read without a look at the clock, as a `Moment`; `Moment.resolve` says when that is.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Any, NewType
from zoneinfo import ZoneInfo, available_timezones

from edgelake.errors import WrongValue
from edgelake.language.diagnostics import nearest, shortened
from edgelake.language.expansion import expand_item
from edgelake.language.syntax import Item
from edgelake.language.values import ValueType
from edgelake.language.variables import Variables

__all__ = [
    "DateTime",
    "Duration",
    "Frequency",
    "Hertz",
    "Moment",
    "MomentType",
    "Seconds",
    "Timezone",
    "date_text",
    "local_zone",
]

Seconds = NewType("Seconds", float)
"""A time span in seconds."""

Hertz = NewType("Hertz", float)
"""A rate: how often in a second."""

_DURATION = re.compile(r"([0-9]{1,9}(?:\.[0-9]{1,6})?) (second|minute|hour|day|week)s?")
_SECONDS = {"second": 1, "minute": 60, "hour": 3600, "day": 86_400, "week": 604_800}
_FREQUENCY = re.compile(r"([0-9]{1,9}(?:\.[0-9]{1,6})?) ?hz", re.IGNORECASE)

_DATE = re.compile(
    r"([0-9]{4})-([0-9]{2})-([0-9]{2})"
    r"(?:[T ]([0-9]{2}):([0-9]{2})(?::([0-9]{2})(?:\.([0-9]{1,9}))?)?"
    r" ?(Z|[+-][0-9]{2}:?[0-9]{2}(?::[0-9]{2})?)?)?"
)
_NOW = re.compile(r"now(?:\(\))?")
_START = re.compile(r"start of (year|month|day|hour|minute)")
_SHIFT = re.compile(
    r" ?([+-]) ?([0-9]{1,9}) ?"
    r"(y|m|w|d|h|t|s|years?|months?|weeks?|days?|hours?|minutes?|seconds?)(?![A-Za-z0-9])"
)
_UNITS = {
    **{"y": "years", "m": "months", "w": "weeks", "d": "days"},
    **{"h": "hours", "t": "minutes", "s": "seconds"},
}
_CALENDAR = frozenset({"years", "months", "weeks", "days"})
# What is less than a unit, and what it is when the unit starts.
_PARTS = {"month": 1, "day": 1, "hour": 0, "minute": 0, "second": 0, "microsecond": 0}
_ZONE = re.compile(r"[A-Za-z0-9_+-]{1,40}(?:/[A-Za-z0-9_+-]{1,40}){0,3}")


class Duration(ValueType):
    """A time span: ``30 seconds``, ``1 minute``, ``2 hours``, ``1 day``, ``2 weeks``.

    Parameters
    ----------
    zero : bool
        Whether no time at all is accepted.
    bare : bool
        Whether a number without a unit is accepted, and counts seconds.
    """

    metavar = "<time>"
    greedy = True

    def __init__(self, *, zero: bool = False, bare: bool = False) -> None:
        self._zero = zero
        self._bare = bare

    def parse(self, text: str) -> Seconds:
        """Return the span in seconds."""
        match = _DURATION.fullmatch(f"{text} seconds" if self._bare and text.isdecimal() else text)
        if match is None:
            raise WrongValue(f"'{shortened(text)}' is not a time", hint=f"write {self.describe()}")
        value = Seconds(float(match[1]) * _SECONDS[match[2]])
        if value <= 0 and not self._zero:
            raise WrongValue(f"'{shortened(text)}' is no time at all", hint="write a time above 0")
        return value

    def describe(self) -> str:
        """Return what is accepted."""
        return "a number and seconds, minutes, hours, days or weeks, for example 30 seconds"


class Frequency(ValueType):
    """How often something happens: ``10 hz``."""

    metavar = "<N hz>"
    greedy = True

    def parse(self, text: str) -> Hertz:
        """Return how often in a second."""
        match = _FREQUENCY.fullmatch(text)
        if match is None:
            raise WrongValue(f"'{shortened(text)}' is not a rate", hint=f"write {self.describe()}")
        value = Hertz(float(match[1]))
        if value <= 0:
            raise WrongValue(f"'{shortened(text)}' is never", hint="write a rate above 0 hz")
        return value

    def describe(self) -> str:
        """Return what is accepted."""
        return "a number and hz, for example 10 hz"


# --------------------------------------------------------------------- dates


@dataclass(frozen=True, slots=True)
class Moment:
    """A date as it is written; when that is depends on the clock and on where one is.

    Attributes
    ----------
    date : datetime or None
        The date it counts from, naive if no zone is written; ``None`` for now.
    start_of : str
        ``year``, ``month``, ``day``, ``hour`` or ``minute`` at whose start it counts, or empty.
    shifts : tuple of (int, str)
        What is added, one after the other: how many, and of what.
    """

    date: datetime | None = None
    start_of: str = ""
    shifts: tuple[tuple[int, str], ...] = ()

    @classmethod
    def read(cls, text: str) -> Moment:
        """Return the moment that a text names.

        Raises
        ------
        WrongValue
        """
        text = " ".join(text.split())
        date: datetime | None = None
        start_of, at, base = "", 0, True
        if (found := _DATE.match(text)) is not None:
            date, at = _written(found, text), found.end()
        elif (found := _NOW.match(text)) is not None:
            at = found.end()
        elif (found := _START.match(text)) is not None:
            start_of, at = found[1], found.end()
        else:
            base = False
        shifts: list[tuple[int, str]] = []
        while (shift := _SHIFT.match(text, at)) is not None:
            sign, count, unit = shift.groups()
            shifts.append((int(sign + count), _UNITS.get(unit) or f"{unit.rstrip('s')}s"))
            at = shift.end()
        if at != len(text) or not (base or shifts):
            raise WrongValue(f"'{shortened(text)}' is not a date", hint=f"write {_DATES}")
        return cls(date, start_of, tuple(shifts))

    def resolve(self, now: datetime) -> datetime:
        """Return when it is.

        Years, months, weeks and days are those of the calendar: a month after January 31
        is the last of February, and a day later the clock shows the same. Hours, minutes
        and seconds are time that passes.

        Parameters
        ----------
        now : datetime
            The present, aware; a date without a zone is meant in its zone.

        Returns
        -------
        datetime
            Aware, in the zone of ``now``.

        Raises
        ------
        WrongValue
            It is outside of the years 1 to 9999.
        """
        from dateutil.relativedelta import relativedelta

        zone = now.tzinfo
        assert zone is not None
        try:
            value = now if self.date is None else self.date
            value = value.replace(tzinfo=zone) if value.tzinfo is None else value.astimezone(zone)
            if self.start_of:
                value = _start(value, self.start_of).astimezone(UTC).astimezone(zone)
            for count, unit in self.shifts:
                if unit in _CALENDAR:
                    value = value + relativedelta(**{unit: count})  # type: ignore[arg-type]
                else:
                    value = value.astimezone(UTC) + timedelta(**{unit: count})
                # A time that the clocks leave out is moved behind the gap.
                value = value.astimezone(UTC).astimezone(zone)
        except (OverflowError, ValueError) as exc:
            raise WrongValue(
                "the date is outside of the years 1 to 9999", hint="write a smaller number"
            ) from exc
        return value


class MomentType(ValueType):
    """A date or a time relative to now; what it means is found when it is needed."""

    metavar = "<date>"
    greedy = True
    takes_plus = True

    def parse(self, text: str) -> Any:
        """Return what is written."""
        return Moment.read(text)

    def take(self, items: Sequence[Item], variables: Variables) -> Any:
        """Return what the words say; ``+`` adds to a date, it does not join words."""
        parts: list[str] = []
        end = items[0].start
        for item in items:
            parts += [" "] * (item.start > end)
            parts.append(expand_item(item, variables, strict=True))
            end = item.end
        return self.parse("".join(parts))

    def describe(self) -> str:
        """Return what is accepted."""
        return _DATES

    def choices(self) -> tuple[str, ...]:
        """Return the forms without numbers."""
        return ("now()", *(f"start of {unit}" for unit in ("year", *_PARTS) if unit in _STARTS))


class DateTime(MomentType):
    """A date or a time relative to now, as a point in time. Without a zone UTC is meant."""

    by_text = False  # the same words mean another time later

    def parse(self, text: str) -> datetime:
        """Return the point in time, aware, in UTC."""
        return Moment.read(text).resolve(datetime.now(UTC))


class Timezone(ValueType):
    """``utc``, ``local``, or the name of a zone such as ``Europe/Oslo``."""

    metavar = "<timezone>"

    def parse(self, text: str) -> tzinfo:
        """Return the zone."""
        if text == "utc":
            return UTC
        if text == "local":
            return local_zone()
        if _ZONE.fullmatch(text):
            try:
                return ZoneInfo(text)
            except (KeyError, ValueError, OSError):
                pass
        near = nearest(text, available_timezones())
        raise WrongValue(
            f"'{shortened(text)}' is not a time zone",
            hint=f"did you mean '{near}'?" if near else f"write {self.describe()}",
        )

    def describe(self) -> str:
        """Return what is accepted."""
        return "utc, local, or a zone such as Europe/Oslo"

    def choices(self) -> tuple[str, ...]:
        """Return the words; the names of zones are many."""
        return ("utc", "local")


def local_zone() -> tzinfo:
    """Return the zone of this machine, with its changes of the clock."""
    from dateutil import tz
    from tzlocal import get_localzone

    try:
        return get_localzone()
    except (LookupError, ValueError, OSError):  # its configuration names no known zone
        return tz.tzlocal()


def date_text(value: datetime) -> str:
    """Return an aware date as ISO 8601 text with microseconds; `Moment.read` reads it back."""
    offset = value.utcoffset()
    text = value.isoformat(timespec="microseconds")
    return text.removesuffix("+00:00") + "Z" if not offset else text


# --------------------------------------------------------------------- parts

_STARTS = frozenset({"year", "month", "day", "hour", "minute"})
_DATES = (
    "a date such as 2026-12-01 or 2026-12-01 10:00:00, now(), start of day,"
    " or with + and -: now() - 3 hours, +1d"
)


def _written(match: re.Match[str], text: str) -> datetime:
    """Return the date that digits stand for, naive without a zone."""
    year, month, day, hour, minute, second = (int(part or 0) for part in match.groups()[:6])
    fraction, zone = match[7] or "", match[8]
    try:
        date = datetime(
            year, month, day, hour, minute, second, int(fraction[:6].ljust(6, "0") or 0)
        )
        if zone is None:
            return date
        return datetime.fromisoformat(f"{date.isoformat()}{zone}")
    except ValueError as exc:
        raise WrongValue(
            f"'{shortened(text)}' is not a date: {exc}", hint="write for example 2026-12-01"
        ) from exc


def _start(value: datetime, unit: str) -> datetime:
    names = list(_PARTS)
    first = names.index(unit) + 1 if unit in _PARTS else 0
    changed = {name: _PARTS[name] for name in names[first:]}
    return value.replace(**changed, fold=0)  # type: ignore[arg-type]
