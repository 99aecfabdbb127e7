"""How nodes of this kind keep ledgers in step: what followed a place in a master's log."""

from __future__ import annotations

import json

from edgelake.commands.context import Context
from edgelake.interfaces import LogPosition, Permission, Result
from edgelake.language import Argument, Call, CommandSet, Integer, Text
from edgelake.services.ledger_news import news_text
from edgelake.services.synchronizer import Synchronizer

__all__ = ["commands"]

commands = CommandSet(group="blockchain", topics=("ledger", "synchronization"))


@commands.command(
    "event get_ledger_after",
    summary="send a follower what changed in the ledger since, and tell it of the next change",
    arguments=(
        Argument("epoch", Text(), help="name of the log that the follower knows, or 0"),
        Argument("sequence", Integer(0, 2**63 - 1), help="number of the last change that it has"),
        Argument("chain", Text(), help="hash of that change, or 0"),
        Argument("hash", Text(), help="MD5 of the ledger that it has, or 0"),
        Argument("token", Text(), help="word that the answer repeats"),
    ),
    permission=Permission.READ,
    details="What a follower asks a master of this kind, or a relay; see docs/protocol.md.",
    examples=("event get_ledger_after 0 0 0 0 any",),
    related=("event get_blockchain", "event ledger_changed", "run blockchain sync"),
)
def _get_ledger_after(context: Context, call: Call) -> Result:
    node = context.node
    words = call.arguments
    asked = LogPosition(words["epoch"], words["sequence"], words["chain"])
    changes = node.followers.changes
    master = None if node.relay.on else node.master_ledger()
    token = words["token"][:64]
    if master is None:
        told = node.relay.news(asked, words["hash"], token)
    else:
        told = news_text(master, asked, words["hash"], token)
    origin = context.origin
    if origin.peer is not None:
        node.followers.note(origin.peer, origin.ip, origin.session, told.place, changes)
        return Result(told.text, told.text, body=told.body)
    text = told.text + told.body.decode()
    return Result(text, text)


@commands.command(
    "event get_ledger_head",
    summary="say how far the log of the ledger goes",
    arguments=(Argument("token", Text(), help="word that the answer repeats"),),
    permission=Permission.READ,
    details=(
        "What a node asks before it has a change stored that it does not keep: who answers says\n"
        "what became of it. A database that is busy is not waited for. A relay whose master keeps\n"
        "no log says nothing."
    ),
    examples=("event get_ledger_head any",),
    related=("event get_ledger_after", "blockchain push confirm"),
)
def _get_ledger_head(context: Context, call: Call) -> Result:
    relay = context.node.relay
    if relay.on and relay.keeps_log is False:
        return Result()
    if relay.on:
        head = relay.position()
    else:
        master = context.node.master_ledger()
        head = master.rows.head or master.position()
    data = {"token": call.arguments["token"][:64], "epoch": head.epoch, "head": head.seq}
    return Result(data, json.dumps(data))


@commands.command(
    "event ledger_changed",
    summary="ask the master for news: it says that its log goes further",
    arguments=(
        Argument("epoch", Text(), help="name of the log"),
        Argument("sequence", Integer(0, 2**63 - 1), help="number of its last change"),
    ),
    permission=Permission.READ,
    details="Means something to a node whose synchronizer follows a master of this kind.",
    examples=("event ledger_changed 5b0c2a9d17e3f864 17",),
    related=("event get_ledger_after",),
)
def _ledger_changed(context: Context, call: Call) -> Result:
    sync = context.node.services.find(Synchronizer)
    if sync is not None:
        sync.source.hint(call.arguments["epoch"], call.arguments["sequence"])
    return Result()
