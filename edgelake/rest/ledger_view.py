"""The ledger as the console shows it: types, search, one policy, and what changed."""

from __future__ import annotations

import json
import re
from collections import Counter
from typing import Any

from starlette.requests import Request

from edgelake import limits
from edgelake.commands import Context, Origin
from edgelake.commands.joins import asked as asked_of
from edgelake.commands.rendering import json_text
from edgelake.errors import (
    CommandSyntaxError,
    DatabaseUnknown,
    EdgeLakeError,
    PolicyMissing,
    TableMissing,
)
from edgelake.interfaces import LogEntry
from edgelake.language import read_remote, shortened
from edgelake.ledger import Policy, Predicate
from edgelake.rest.desk import Desk
from edgelake.rest.fields import Fields, asked
from edgelake.services.master import MasterLedger
from edgelake.services.synchronizer import Synchronizer

__all__ = ["history", "policies", "policy", "types"]

_COMMAND = "blockchain get"
_BEFORE = f"{_COMMAND} * where "
_WHERE = re.compile(r"\s*where\s+", re.IGNORECASE)
_CHANGES_OF_ONE = 20


async def types(desk: Desk, request: Request) -> dict[str, Any]:
    """Return the types of the policies with their counts."""
    desk.caller(request, _COMMAND)
    asked(request)

    def counted() -> dict[str, Any]:
        found = Counter(policy.type for policy in desk.node.ledger)
        return {
            "types": [{"type": kind, "count": found[kind]} for kind in sorted(found)],
            "total": sum(found.values()),
        }

    return await desk.in_pool(counted)


async def policies(desk: Desk, request: Request) -> dict[str, Any]:
    """Return one page of the policies that fulfil a condition, and how many there are."""
    origin = desk.caller(request, _COMMAND)
    fields = asked(request, "type", "where", "offset", "limit")
    kind, where = fields.text("type", "*") or "*", fields.text("where", "")
    offset, limit = fields.page()

    def found() -> dict[str, Any]:
        known = desk.node.ledger.find([kind], _condition(desk, origin, where))
        return {
            "total": len(known),
            "offset": offset,
            "policies": [_row(policy) for policy in known[offset : offset + limit]],
        }

    return await desk.in_pool(found)


async def policy(desk: Desk, request: Request) -> dict[str, Any]:
    """Return one policy, and what the log of this node says of it."""
    desk.caller(request, _COMMAND)
    policy_id = asked(request, "id").text("id")

    def found() -> dict[str, Any]:
        one = desk.node.ledger.get(policy_id)
        master = _master(desk)
        changes = (
            [] if master is None else master.latest(0, policy_id=policy_id, count=_CHANGES_OF_ONE)
        )
        if one is None and not changes:
            raise PolicyMissing(
                f"no policy has the id '{policy_id[:80]}'",
                hint="search for it by another attribute",
            )
        return {
            "id": policy_id,
            # As text: a browser's numbers are not exact.
            "policy": None if one is None else json_text(one.content()),
            "row": None if one is None else _row(one),
            "changes": [_change(entry) for entry in changes],
        }

    return await desk.in_pool(found)


async def history(desk: Desk, request: Request) -> dict[str, Any]:
    """Return changes before a number, the newest first.

    A node with the table of a master has them by their numbers; another one has the
    policies by their dates, and what waits for its master.
    """
    desk.caller(request, _COMMAND)
    fields = asked(request, "before", "offset", "limit")
    before = fields.number("before", 0, 0)

    def found() -> dict[str, Any]:
        master = _master(desk)
        return _known(desk, fields) if master is None else _logged(master, before, fields)

    return await desk.in_pool(found)


# ------------------------------------------------------------------- search


def _condition(desk: Desk, origin: Origin, where: str) -> Predicate | None:
    """Return what policies have to fulfil; a fault has the column that it has in the text."""
    if not where.strip():
        return None
    led = _WHERE.match(where)
    written = where[led.end() :] if led else where
    cut = led.end() if led else 0
    context = Context(desk.node, desk.interpreter, origin, lambda result: None)
    try:
        call = read_remote(_BEFORE + written, desk.interpreter.registry, context.variables)
        test, joined = asked_of(context, call)
        if test is None or joined is not None or call.bring is not None:
            raise CommandSyntaxError(
                "this is no condition", hint="write for example: name = d1 and level > 3"
            )
        return test
    except EdgeLakeError as exc:
        if exc.column is not None:
            exc.column = max(1, exc.column - len(_BEFORE) + cut)
        raise


def _row(policy: Policy) -> dict[str, Any]:
    return {
        "type": policy.type,
        "id": policy.id,
        "name": _short(policy.body.get("name")),
        "date": policy.date,
        "ledger": policy.ledger,
    }


def _short(value: Any) -> str:
    text = value if isinstance(value, str) else "" if value is None else json.dumps(value)
    return shortened(text, 120)


# ------------------------------------------------------------------ changes


def _master(desk: Desk) -> Any:
    """Return the table with the log, ``None`` on a node that keeps none."""
    try:
        found: MasterLedger = desk.node.master_ledger()
    except (DatabaseUnknown, TableMissing):
        return None
    return found.rows


def _logged(rows: Any, before: int, fields: Fields) -> dict[str, Any]:
    _, limit = fields.page()
    head = rows.position()
    entries = rows.latest(before, count=limit)
    return {
        "source": "log",
        "epoch": head.epoch,
        "sequence": head.seq,
        "changes": [_change(entry) for entry in entries],
        "next": entries[-1].seq if len(entries) == limit and entries[-1].seq > 1 else None,
    }


def _known(desk: Desk, fields: Fields) -> dict[str, Any]:
    offset, limit = fields.page()
    ledger = desk.node.ledger
    sync = desk.node.services.find(Synchronizer)
    figures = sync.figures() if sync else {}
    inserts, deletes = ledger.pending()
    waiting = [{**_row(one), "seq": None, "op": "insert waits"} for one in inserts]
    waiting += [
        {"type": "", "id": one.id, "name": "", "date": "", "seq": None, "op": "delete waits"}
        for one in deletes
    ]
    pending = {one.id for one in inserts}
    newest = sorted(ledger, key=lambda one: one.date, reverse=True)
    kept = [one for one in newest if one.id not in pending]
    page = kept[offset : offset + limit]
    return {
        "source": "policies",
        "epoch": figures.get("epoch"),
        "sequence": figures.get("sequence"),
        "changes": [
            *(waiting[: limits.MAX_CONSOLE_PAGE] if not offset else ()),
            *({**_row(one), "seq": None, "op": "put"} for one in page),
        ],
        "next": offset + limit if offset + limit < len(kept) else None,
    }


def _change(entry: LogEntry) -> dict[str, Any]:
    found = {"seq": entry.seq, "op": entry.op, "id": entry.policy_id}
    kind, name, date = "", "", ""
    if entry.policy and len(entry.policy) <= limits.MAX_CONSOLE_POLICY_CHARS:
        try:
            ((kind, body),) = json.loads(entry.policy).items()
            name, date = _short(body.get("name")), _short(body.get("date"))
        except (ValueError, AttributeError, RecursionError):
            pass  # another program wrote it: its id is all there is to say
    return {**found, "type": kind, "name": name, "date": date}
