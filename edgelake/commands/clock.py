"""Date and time, here and elsewhere."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from edgelake.commands.context import Context
from edgelake.commands.rendering import FORMAT, answer
from edgelake.errors import WrongValue
from edgelake.interfaces import Permission, Result, Table
from edgelake.language import (
    Argument,
    Call,
    CommandSet,
    Moment,
    MomentType,
    Timezone,
    Where,
    date_text,
    local_zone,
)

__all__ = ["commands"]

commands = CommandSet(group="local tools")


@commands.command(
    "get datetime",
    summary="show a date and time in a time zone",
    arguments=(
        Argument("timezone", Timezone(), help="utc, local, or a zone such as Europe/Oslo"),
        Argument("date", MomentType(), help="now(), a date, start of day, and what is added"),
    ),
    where=Where.OPTIONAL,
    options=(FORMAT,),
    permission=Permission.READ,
    details=(
        "A date without a zone is meant in the zone that is asked for. + and - add years y,\n"
        "months m, weeks w and days d of the calendar, hours h, minutes t and seconds s."
    ),
    examples=(
        "get datetime utc now()",
        "get datetime local now() + 2 days",
        "get datetime Europe/Oslo 2026-12-01 10:00:00 - 3 hours",
        "month = get datetime utc start of month",
    ),
    related=("get timezone info",),
)
def _get_datetime(context: Context, call: Call) -> Result:
    moment: Moment = call.arguments["date"]
    try:
        shown = date_text(moment.resolve(datetime.now(call.arguments["timezone"])))
    except WrongValue as exc:
        exc.column = call.column("date")
        raise
    data = {"datetime": shown} if call.options["format"] == "json" else shown
    return answer(data, shown, call.options)


@commands.command(
    "get timezone info",
    summary="show the time zone of this machine",
    where=Where.OPTIONAL,
    options=(FORMAT,),
    permission=Permission.READ,
    examples=("get timezone info", "get timezone info where format = json"),
    related=("get datetime",),
)
def _get_timezone_info(context: Context, call: Call) -> Result:
    zone = local_zone()
    now = datetime.now(UTC).astimezone(zone)
    name = zone.key if isinstance(zone, ZoneInfo) else now.tzname() or ""
    data = {
        "timezone": name,
        "abbreviation": now.tzname() or "",
        "utc_offset": f"{now:%z}"[:3] + ":" + f"{now:%z}"[3:5],
        "daylight_saving": bool(now.dst()),
        "local_time": date_text(now),
        "utc_time": date_text(now.astimezone(UTC)),
    }
    heads = ("Timezone", "Abbreviation", "UTC Offset", "Daylight Saving", "Local Time", "UTC Time")
    return answer(data, Table(heads, [tuple(data.values())]), call.options)
