"""The archive of data files, a folder for each day: ``get archived files``, ``delete archive``."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta

from edgelake.commands.context import Context
from edgelake.commands.folders import listing
from edgelake.commands.reach import reach_of
from edgelake.commands.rendering import FORMAT, answer
from edgelake.errors import UndefinedVariable, WrongValue
from edgelake.interfaces import Permission, Result
from edgelake.language import (
    Argument,
    Call,
    CommandSet,
    Integer,
    Option,
    ValueType,
    Where,
    shortened,
)
from edgelake.storage import archived_files, delete_archived

__all__ = ["commands"]

commands = CommandSet(group="files")

_DAY = re.compile(r"20[0-9]{2}-[0-9]{2}-[0-9]{2}", re.ASCII)
_MOST_DAYS = 36_500


class _Day(ValueType):
    """A day: ``2026-03-01``."""

    metavar = "<YYYY-MM-DD>"

    def parse(self, text: str) -> date:
        """Return the day."""
        try:
            if _DAY.fullmatch(text):
                return date.fromisoformat(text)
        except ValueError:
            pass
        raise WrongValue(f"'{shortened(text)}' is not a day", hint=f"write {self.describe()}")

    def describe(self) -> str:
        """Return what is accepted."""
        return "a day of this century, for example 2026-03-01"


@commands.command(
    "get archived files",
    summary="list the files that were archived on a day",
    arguments=(Argument("day", _Day(), help="for example 2026-03-01"),),
    where=Where.OPTIONAL,
    options=(FORMAT,),
    permission=Permission.ADMIN,
    details="The archive is !archive_dir, with a folder YY/MM/DD for each day.",
    examples=("get archived files 2026-03-01",),
    related=("delete archive", "get files"),
)
def _get_archived_files(context: Context, call: Call) -> Result:
    day: date = call.arguments["day"]
    found = archived_files(_archive(context), day, reach_of(context))
    if not found:
        return answer([], f"No files were archived on {day}", call.options)
    return listing(found, call)


@commands.command(
    "delete archive",
    summary="delete archived files that are older than a number of days",
    where=Where.REQUIRED,
    options=(Option("days", Integer(1, _MOST_DAYS), required=True, help="age of what is kept"),),
    permission=Permission.ADMIN,
    slow=True,
    details=(
        "In !archive_dir, folders YY/MM/DD of days before that many days ago (UTC) are\n"
        "emptied and removed. Whatever else is there stays."
    ),
    examples=("delete archive where days = 60",),
    related=("get archived files",),
)
def _delete_archive(context: Context, call: Call) -> Result:
    today = datetime.now(UTC).date()
    size, files = delete_archived(
        _archive(context), today - timedelta(days=call.options["days"]), reach_of(context)
    )
    return Result({"files": files, "bytes": size}, f"{files:,} files deleted, {size:,} bytes")


def _archive(context: Context) -> str:
    found = context.node.variables.get("archive_dir")
    if not found:
        raise UndefinedVariable(
            "'!archive_dir' has no value", hint="write set archive_dir = … first"
        )
    return found
