"""A follower that serves followers: ``set relay``, and what comes over relays to a master."""

from __future__ import annotations

import json
import re
from typing import Any

from edgelake import limits
from edgelake.commands.blockchain import drop_confirmed, store_confirmed
from edgelake.commands.context import Context, NodeParts
from edgelake.commands.forwarding import delete_of, forwarded_drop, forwarded_push
from edgelake.commands.rendering import FORMAT, answer
from edgelake.errors import BadArgument
from edgelake.interfaces import Page, Permission, Result, Section, Table
from edgelake.language import (
    Argument,
    Call,
    CommandSet,
    Integer,
    Json,
    OneOf,
    Option,
    Text,
    Where,
)
from edgelake.services.ledger_writer import Dropped
from edgelake.services.master_source import MasterSource
from edgelake.services.synchronizer import Synchronizer
from edgelake.services.table_source import TableSource

__all__ = ["commands", "relay_figures", "relay_remarks", "switch_relay"]

commands = CommandSet(group="blockchain", topics=("ledger", "synchronization"))

_HOST = re.compile(r"[0-9A-Za-z._:-]{1,253}")
_RELAYS = Integer(0, limits.MAX_RELAYS)
_HOST_ARGUMENT = Argument("host", Text(), help="address of the node that made the change")
_RELAYS_ARGUMENT = Argument("relays", _RELAYS, help="how many relays may pass it on")


@commands.command(
    "set relay",
    summary="let other nodes follow this one, in place of the master that it follows",
    where=Where.REQUIRED,
    options=(Option("status", OneOf("on", "off"), default="on", help="on, or off"),),
    elsewhere=("platform",),
    permission=Permission.ADMIN,
    details=(
        "Others are given what this node has of its master's ledger, and nothing that is only\n"
        "local here. What they insert and delete is passed on to the master, whose answer goes\n"
        "back to them. It is as if the node were told: run blockchain sync … and relay = true"
    ),
    examples=("set relay where status = on", "set relay where status = off"),
    related=("get relay", "run blockchain sync", "get synchronizer"),
)
def _set_relay(context: Context, call: Call) -> Result:
    switch_relay(context.node, on=call.options["status"] == "on")
    return Result()


@commands.command(
    "get relay",
    summary="show whether other nodes may follow this one, and how it stands to the master",
    where=Where.OPTIONAL,
    options=(FORMAT,),
    permission=Permission.READ,
    examples=("get relay", "get relay where format = json"),
    related=("set relay", "get synchronizer"),
)
def _get_relay(context: Context, call: Call) -> Result:
    data = relay_figures(context.node)
    shown = {
        "Role": data["role"],
        "Upstream": data["upstream"] or "",
        "Master": data["master"] or "",
        "Hops To Master": "" if data["depth"] is None else data["depth"],
        "Master Heard": _ago(data["master_heard_s"]),
        "Sequence": "" if data["sequence"] is None else data["sequence"],
        "Followers Waiting": data["followers_waiting"],
        "Followers Told": data["followers_told"],
        "Forwarded": data["forwarded"],
    }
    sections = [Section("", Table(tuple(shown), [tuple(shown.values())]))]
    if data["broken"]:
        sections.append(Section("", f"Nothing is given to followers: {data['broken']}"))
    return answer(data, Page(tuple(sections)), call.options)


def switch_relay(node: NodeParts, *, on: bool) -> None:
    """Make this node a relay, or none.

    Raises
    ------
    BadArgument
        It keeps the shared ledger itself, or follows a platform.
    """
    sync = node.services.find(Synchronizer)
    if on and sync is not None and not isinstance(sync.source, MasterSource):
        if isinstance(sync.source, TableSource):
            raise BadArgument(
                "this node is a master: others follow it anyway", hint="leave the relay out"
            )
        raise BadArgument(
            "this node follows no master, and a relay has to",
            hint="exit synchronizer, then: run blockchain sync where source = master …",
        )
    node.relay.on = on


def relay_figures(node: NodeParts) -> dict[str, Any]:
    """Return the role of the node, who follows it, and how it stands to the master."""
    sync = node.services.find(Synchronizer)
    source = sync.source if sync is not None else None
    if node.relay.on:
        role = "relay"
    elif isinstance(source, TableSource):
        role = "master"
    else:
        role = "follower" if source is not None else "none"
    forwarder = source.forwarder if isinstance(source, MasterSource) else None
    return {
        "role": role,
        **node.relay.figures(),
        "followers_waiting": node.followers.count,
        "followers_told": node.followers.told,
        "forwarded": forwarder.forwarded if forwarder is not None else 0,
        "forwarded_pending": forwarder.pending if forwarder is not None else 0,
    }


def relay_remarks(data: dict[str, Any]) -> list[str]:
    """Return lines on a node that is a relay, or follows one."""
    found = []
    if data["role"] == "relay":
        found.append(
            f"Relay: {data['followers_waiting']} followers wait for news, {data['followers_told']}"
            f" times one was told; {data['forwarded']} changes passed on to the master"
        )
    if data["role"] == "relay" or (data["depth"] or 0) > 1:
        depth = "an unknown number of" if data["depth"] is None else data["depth"]
        found.append(f"Master: {depth} hops away, heard {_ago(data['master_heard_s'])}")
    return found


def _ago(seconds: float | None) -> str:
    return "never" if seconds is None else f"{seconds:.0f} s ago"


# ------------------------------------------------- what comes over relays


@commands.command(
    "blockchain forward push",
    summary="store a policy in the master's ledger for another node, and say so",
    arguments=(_HOST_ARGUMENT, _RELAYS_ARGUMENT, Argument("policy", Json(), help="the policy")),
    permission=Permission.METADATA,
    details=(
        "How what was inserted on a follower of a relay reaches the master. A relay passes it\n"
        "on, a master does as with: blockchain push confirm"
    ),
    examples=('blockchain forward push 10.0.0.9 8 {"device": {"name": "d1"}}',),
    related=("blockchain push confirm", "set relay"),
)
def _forward_push(context: Context, call: Call) -> Result:
    host, relays = _place(call)
    passed = forwarded_push(context, call, host=host, relays=relays)
    return store_confirmed(context, call, host) if passed is None else passed


@commands.command(
    "blockchain forward drop",
    summary="remove policies from the master's ledger for another node, and say so",
    arguments=(
        _HOST_ARGUMENT,
        _RELAYS_ARGUMENT,
        Argument("id", Json(), help='{"id": "ecd08d24"}, or {"id": ["ecd08d24", "1f4b79c2"]}'),
    ),
    permission=Permission.METADATA,
    details=(
        "A relay passes it on. With one id a master does as with: blockchain drop confirm. Of a\n"
        "list it removes all, or none if one of them is missing, and answers with the list:\n"
        'dropped 18 5b0c… ["ecd08d24…", "1f4b79c2…"]\n'
        "With epoch and sequence, as nodes that follow the master send it, what was stored after\n"
        "that place in its log stays."
    ),
    examples=(
        'blockchain forward drop 10.0.0.9 8 {"id": "ecd08d244827f712918005b1a06f6519"}',
        'blockchain forward drop 10.0.0.9 8 {"id": ["ecd08d244827f712918005b1a06f6519"]}',
    ),
    related=("blockchain drop confirm", "set relay"),
)
def _forward_drop(context: Context, call: Call) -> Result:
    host, relays = _place(call)
    ids, seen = delete_of(call, 'blockchain forward drop <host> <relays> {"id": "…"}')
    passed = forwarded_drop(context, ids, host=host, relays=relays, seen=seen)
    if passed is not None:
        return passed
    if isinstance(ids, str):
        return drop_confirmed(context, ids, seen)
    master = context.node.master_ledger()
    dropped = master.drop_later(ids, seen=seen, waits=not context.defers)

    def told(found: Dropped) -> Result:
        place = found.place
        return Result(
            {"ids": ids, "epoch": place.epoch, "sequence": place.seq},
            f"dropped {place.seq} {place.epoch} {json.dumps(ids)}",
        )

    return context.when(dropped, told)


def _place(call: Call) -> tuple[str, int]:
    host: str = call.arguments["host"]
    if _HOST.fullmatch(host) is None:
        raise BadArgument(
            f"'{host[:60]}' is no address of a node", hint="write an IP address or a host name"
        )
    return host, call.arguments["relays"]
