"""``run blockchain sync`` and ``get synchronizer``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from edgelake import limits
from edgelake.commands.context import Context, NodeParts
from edgelake.commands.ledger_ready import ready_ledger
from edgelake.commands.platform_writes import PLATFORM
from edgelake.commands.relay import relay_figures, relay_remarks
from edgelake.commands.rendering import FORMAT, answer
from edgelake.errors import (
    BadArgument,
    LedgerCircle,
    MissingOption,
    SynchronizerNotRunning,
)
from edgelake.interfaces import Page, Permission, Result, Section, ServiceState, Table
from edgelake.language import (
    AddressType,
    Boolean,
    Call,
    CommandSet,
    Duration,
    OneOf,
    Option,
    Where,
)
from edgelake.ledger import DeleteMarker, Policy
from edgelake.services.master_source import MasterSource
from edgelake.services.platform_source import PlatformSource
from edgelake.services.synchronizer import LedgerSource, Synchronizer
from edgelake.services.table_source import TableSource
from edgelake.wire import Endpoint

__all__ = ["commands", "refuse_itself"]

commands = CommandSet(group="blockchain", topics=("ledger", "synchronization"))


@commands.command(
    "run blockchain sync",
    summary="keep the local ledger in step with a master, a platform, or this node's own table",
    where=Where.OPTIONAL,
    options=(
        Option(
            "source",
            OneOf("master", "blockchain", "dbms"),
            required=True,
            help="where policies come from",
        ),
        Option("time", Duration(), required=True, help="pause between two cycles"),
        Option(
            "dest",
            OneOf("file", "dbms"),
            required=True,
            repeatable=True,
            help="file: the ledger file, always written; dbms: also the table ledger",
        ),
        Option("connection", AddressType(), help="the master; default the master policy known"),
        Option("platform", PLATFORM, help="with source = blockchain: which one"),
        Option("relay", Boolean(), help="with source = master: let other nodes follow this one"),
        Option("trace", Boolean(), default=False, help="accepted; events are in the log"),
    ),
    elsewhere=("file",),
    permission=Permission.ADMIN,
    details=(
        "source = dbms makes this node a master: its table ledger is written to its file.\n"
        "source = blockchain follows the contract of a connected platform.\n"
        "relay = true lets other nodes follow this one; the node at connection may be a relay.\n"
        "Without options, while it runs, the command starts a cycle at once."
    ),
    examples=(
        "run blockchain sync where source = master and time = 30 seconds and dest = file"
        " and connection = 10.0.0.7:32048",
        "run blockchain sync where source = master and time = 30 seconds and dest = file"
        " and connection = 10.0.0.7:32048 and relay = true",
        "run blockchain sync where source = dbms and time = 5 seconds and dest = file",
        "run blockchain sync where source = blockchain and platform = ethereum"
        " and time = 30 seconds and dest = file",
        "run blockchain sync",
    ),
    related=("get synchronizer", "set relay", "exit", "blockchain insert"),
)
def _run_blockchain_sync(context: Context, call: Call) -> Result:
    node = context.node
    if not call.given:
        _running(node).trigger()
        return Result("triggered", "")
    _check_source(call)
    ready_ledger(node)
    to_table = "dbms" in call.options["dest"]
    if to_table:
        node.master_ledger()
    table = (lambda: node.master_ledger().rows) if to_table else None
    if call.options["source"] == "dbms":
        source: LedgerSource = TableSource(
            node.ledger, node.master_ledger, node.host_of(context.origin)
        )
    elif call.options["source"] == "blockchain":
        platform = node.platforms.get(call.options["platform"])
        source = PlatformSource(node.ledger, platform, table, node.host_of(context.origin))
    else:
        master = _connection(node, call)
        refuse_itself(node, master, call.column("connection"))
        source = MasterSource(node.ledger, table, master, node.tcp, node.jobs, node.relay)
    node.services.start(Synchronizer(source, call.options["time"]))
    if call.options["source"] != "master":
        node.relay.on = False
    elif call.options["relay"] is not None:
        node.relay.on = call.options["relay"]
    return Result("started", "")


@commands.command(
    "get synchronizer",
    summary="show what the synchronizer does and how it fares",
    where=Where.OPTIONAL,
    options=(FORMAT,),
    permission=Permission.READ,
    examples=("get synchronizer", "get synchronizer where format = json"),
    related=("run blockchain sync",),
)
def _get_synchronizer(context: Context, call: Call) -> Result:
    node = context.node
    service = node.services.find(Synchronizer)
    figures: dict[str, Any] = service.figures() if service else {}
    running = service is not None and service.state is ServiceState.RUNNING
    damaged, reason = node.ledger.damage_report()
    policies, deletes = node.ledger.pending()
    data = {
        "status": "Running" if running else "Not Running",
        **figures,
        "pending_policies": len(policies),
        "pending_deletes": len(deletes),
        "outbox": _outbox(policies, deletes, figures),
        "damage": damaged,
        "damage_reason": reason or None,
        "version": node.ledger.file_hash(),
        "policies": node.ledger.count,
    }
    relay = relay_figures(node)
    data |= {key: relay[key] for key in _RELAY_KEYS}
    row = (
        data["status"],
        data.get("source", "Not declared"),
        data.get("connection", "Not declared"),
        _short(data.get("interval_s", -1)),
        data["version"],
        _clock(data.get("since_update_s")),
        data.get("calls", 0),
        data.get("loads", 0),
        data["policies"],
        data.get("sync_ok", 0),
        data.get("sync_err", 0),
        len(policies) + len(deletes),
        "" if data.get("sequence") is None else data["sequence"],
    )
    remarks = []
    if data.get("last_error"):
        remarks.append(f"Last error: {data['last_error']}")
    if data.get("lag"):
        remarks.append(f"Changes of the master not yet here: {data['lag']}")
    remarks += relay_remarks(relay)
    remarks += [
        f"Refused by the master: policy {refusal['id']}, error {refusal['code']}:"
        f" {refusal['reason']}"
        for refusal in data.get("refused", ())
    ]
    if damaged:
        remarks.append(f"Damaged lines of the ledger file: {damaged}, {reason}")
    sections = [Section("", remark) for remark in remarks]
    page = Page((Section("", Table(_COLUMNS, [row])), *sections))
    return answer(data, page, call.options)


_RELAY_KEYS = (
    "role",
    "master",
    "depth",
    "master_heard_s",
    "followers_waiting",
    "followers_told",
    "forwarded",
)

_COLUMNS = (
    "Status",
    "Sync\nSource",
    "Connection",
    "Sync\nTime",
    "Metadata Version",
    "Time\nSince Update",
    "Calls",
    "Loads",
    "Policies",
    "Sync OK",
    "Sync Err",
    "Pending",
    "Sequence",
)


def _outbox(
    policies: Sequence[Policy], deletes: Sequence[DeleteMarker], figures: Mapping[str, Any]
) -> list[dict[str, Any]]:
    """Return what waits for a master, at most `limits.MAX_OUTBOX_SHOWN` of it, and why."""
    refused, postponed = (
        {refusal["id"]: refusal["reason"] for refusal in figures.get(key, ())}
        for key in ("refused", "postponed")
    )
    changes = [(p.id, "insert") for p in policies]
    changes += [(d.id, "delete" if d.master else "hide") for d in deletes]
    return [
        {"id": key, "change": kind, "refused": refused.get(key), "postponed": postponed.get(key)}
        for key, kind in changes[: limits.MAX_OUTBOX_SHOWN]
    ]


def _check_source(call: Call) -> None:
    """Refuse options that another source needs."""
    source = call.options["source"]
    for key, owner in (
        ("connection", "master"),
        ("relay", "master"),
        ("platform", "blockchain"),
    ):
        if call.options[key] is not None and source != owner:
            raise BadArgument(
                f"a {key} needs source = {owner}",
                hint=f"leave out {key}, or write source = {owner}",
                column=call.column(key),
            )
    if source == "blockchain" and call.options["platform"] is None:
        raise MissingOption("no platform is named", hint="add: platform = ethereum")


def refuse_itself(node: NodeParts, master: Endpoint, column: int | None) -> None:
    """Refuse the address of this node as that of its master.

    Raises
    ------
    LedgerCircle
    """
    own = node.tcp().options
    if master in (own.external, own.internal):
        raise LedgerCircle(
            f"{master} is this node, which would follow itself",
            hint="name another node, or write source = dbms if this one is the master",
            column=column,
        )


def _running(node: NodeParts) -> Synchronizer:
    service = node.services.find(Synchronizer)
    if service is None:
        raise SynchronizerNotRunning(
            "the synchronizer is not running",
            hint="start it: run blockchain sync where source = … and time = … and dest = …",
        )
    return service


def _connection(node: NodeParts, call: Call) -> Endpoint:
    """Return the master's address as given, or from the one master policy known here."""
    given = call.options["connection"]
    if given is not None:
        return Endpoint(given.host, given.port)
    for policy in node.ledger.find(("master",)):
        ip, port = policy.body.get("ip"), policy.body.get("port")
        if isinstance(ip, str) and isinstance(port, int) and 1 <= port <= 65_535:
            return Endpoint(ip, port)
    raise MissingOption("no master is known", hint="add: connection = ip:port")


def _short(seconds: float) -> float:
    """Return whole seconds as a whole number: ``5``, but ``0.5``."""
    return int(seconds) if seconds == int(seconds) else seconds


def _clock(seconds: float | None) -> str:
    if seconds is None:
        return "Not updated"
    whole = int(seconds)
    return f"{whole // 3600:02d}:{whole // 60 % 60:02d}:{whole % 60:02d}"
