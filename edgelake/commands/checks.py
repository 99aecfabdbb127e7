"""``test …``: whether services run, addresses answer, and the nodes of the network are there."""

from __future__ import annotations

import socket
import time
from concurrent.futures import Future

from edgelake import limits
from edgelake.commands.context import SERVICE_KINDS, Context
from edgelake.commands.rendering import FORMAT, answer
from edgelake.errors import WrongValue
from edgelake.interfaces import Permission, Result, ServiceState, Table
from edgelake.language import (
    Address,
    AddressType,
    Argument,
    Call,
    CommandSet,
    ValueType,
    Where,
    nearest,
    shortened,
)
from edgelake.ledger import Policy
from edgelake.services.base import Service
from edgelake.services.tcp import TcpService
from edgelake.wire import Endpoint

__all__ = ["commands"]

commands = CommandSet(group="node")

_NODE_TYPES = ("master", "operator", "query", "publisher")
"""Kinds of policies that say where a node listens."""


class ProcessName(ValueType):
    """A service by its name or by its title in ``get processes``, in small letters."""

    metavar = "<process>"
    greedy = True

    def __init__(self, *kinds: type[Service]) -> None:
        self._kinds = {kind.name: kind for kind in kinds}
        self._kinds |= {kind.title.lower(): kind for kind in kinds}

    def parse(self, text: str) -> type[Service]:
        """Return the kind of service."""
        found = self._kinds.get(text)
        if found is None:
            near = nearest(text, self._kinds)
            raise WrongValue(
                f"'{shortened(text)}' is not a process of this node",
                hint=f"did you mean '{near}'?" if near else f"write {self.describe()}",
            )
        return found

    def describe(self) -> str:
        """Return what is accepted."""
        return " or ".join(self.choices())

    def choices(self) -> tuple[str, ...]:
        """Return the names."""
        return tuple(sorted(self._kinds))


@commands.command(
    "test process",
    summary="tell whether a service runs",
    arguments=(Argument("process", ProcessName(*SERVICE_KINDS), help="name of the service"),),
    where=Where.OPTIONAL,
    options=(FORMAT,),
    permission=Permission.READ,
    examples=("test process tcp", "test process blockchain sync"),
    related=("get processes",),
)
def _test_process(context: Context, call: Call) -> Result:
    wanted = call.arguments["process"]
    for kind, status in context.node.services.statuses():
        if kind is wanted:
            runs = status.state is ServiceState.RUNNING
            if call.options["format"] == "json":
                data = {"process": kind.title, "running": runs, "status": status.state.value}
                return answer(data, "", call.options)
            return Result(runs, "true" if runs else "false")
    raise AssertionError(wanted)


@commands.command(
    "test connection",
    summary="tell whether something listens at an address",
    arguments=(Argument("address", AddressType(), help="ip:port"),),
    where=Where.OPTIONAL,
    options=(FORMAT,),
    permission=Permission.ADMIN,
    slow=True,
    details="A connection is opened and closed again; nothing is sent.",
    examples=("test connection 10.0.0.7:32048",),
    related=("test node", "test network", "run client"),
)
def _test_connection(context: Context, call: Call) -> Result:
    address: Address = call.arguments["address"]
    milliseconds, reason = _connect(address.host.strip("[]"), address.port)
    data = {
        "address": str(address),
        "connected": not reason,
        "milliseconds": milliseconds,
        "reason": reason,
    }
    heads = ("Address", "Connected", "Milliseconds", "Reason")
    return answer(data, Table(heads, [tuple(data.values())]), call.options)


@commands.command(
    "test node",
    summary="check the servers and the ledger of this node",
    where=Where.OPTIONAL,
    options=(FORMAT,),
    permission=Permission.ADMIN,
    slow=True,
    details=(
        "The TCP server is called at the addresses that other nodes use; that fails behind a\n"
        "router that does not send its own address back."
    ),
    examples=("test node", "test node where format = json"),
    related=("test network", "test connection", "get processes"),
)
def _test_node(context: Context, call: Call) -> Result:
    rows = [*_tcp_rows(context), _ledger_row(context)]
    data = [
        {"test": test, "subject": subject, "ok": ok, "details": details}
        for test, subject, ok, details in rows
    ]
    return answer(data, Table(("Test", "Subject", "OK", "Details"), rows), call.options)


@commands.command(
    "test network",
    summary="ask every node that the ledger names for its status",
    where=Where.OPTIONAL,
    options=(FORMAT,),
    permission=Permission.ADMIN,
    slow=True,
    details=(
        "Nodes are those of the policies of type master, operator, query and publisher that\n"
        f"have ip and port. All are asked at once; after {limits.NETWORK_TEST_TIMEOUT_S:g} seconds "
        "who has not answered counts as silent."
    ),
    examples=("test network", "test network where format = json"),
    related=("test node", "run client", "blockchain get"),
)
def _test_network(context: Context, call: Call) -> Result:
    found = [
        (policy, to)
        for policy in context.node.ledger.find(_NODE_TYPES)
        if (to := _endpoint(policy)) is not None
    ]
    nodes = list(dict.fromkeys(to for _, to in found))[: limits.MAX_DESTINATIONS]
    states = _ask_all(context, nodes) if nodes else {}
    rows = [
        (str(to), policy.type, str(policy.body.get("name", "")), *states[to])
        for policy, to in found
        if to in states
    ]
    data = [
        {"address": address, "type": kind, "name": name, "ok": ok, "details": details}
        for address, kind, name, ok, details in rows
    ]
    return answer(data, Table(("Address", "Type", "Name", "OK", "Details"), rows), call.options)


# ------------------------------------------------------------------- parts


def _connect(host: str, port: int) -> tuple[float | None, str]:
    """Return how many milliseconds a connection took, or why there is none."""
    begin = time.monotonic()
    try:
        socket.create_connection((host, port), timeout=limits.CONNECT_TIMEOUT_S).close()
    except TimeoutError:
        return None, f"no answer within {limits.CONNECT_TIMEOUT_S:g} seconds"
    except (OSError, UnicodeError) as exc:
        return None, getattr(exc, "strerror", None) or str(exc)
    return round((time.monotonic() - begin) * 1000, 3), ""


def _tcp_rows(context: Context) -> list[tuple[str, str, bool, str]]:
    tcp = context.node.services.find(TcpService)
    if tcp is None:
        return [("TCP", "", False, "not running; start it with: run tcp server")]
    rows = []
    options = tcp.options
    for what, to in {"external": options.external, "internal": options.internal}.items():
        milliseconds, reason = _connect(to.host, to.port)
        rows.append(("TCP", f"{what} {to}", not reason, reason or f"{milliseconds} ms"))
    return rows


def _ledger_row(context: Context) -> tuple[str, str, bool, str]:
    ledger = context.node.ledger
    damaged, reason = ledger.damage_report()
    refused = len(ledger.quarantine)
    details = f"{len(ledger)} policies"
    if damaged:
        details += f", {damaged} damaged lines: {reason}"
    if refused:
        details += f", {refused} refused"
    return "Ledger", str(ledger.path), not damaged and not refused, details


def _endpoint(policy: Policy) -> Endpoint | None:
    """Return where the node of a policy listens, ``None`` if it does not say."""
    host, port = policy.body.get("ip"), policy.body.get("port")
    if not isinstance(host, str) or not host:
        return None
    try:
        to = AddressType().parse(f"{host}:{port}")
    except WrongValue:
        return None
    return Endpoint(to.host, to.port)


def _ask_all(context: Context, nodes: list[Endpoint]) -> dict[Endpoint, tuple[bool, str]]:
    """Return for each node whether it answered, and what it said or why it did not."""
    tcp = context.node.tcp()
    with context.node.jobs.open(len(nodes)) as job:
        for index, to in enumerate(nodes):
            sent = tcp.request(
                to,
                "get status",
                job.header(index),
                attempts=1,
                retry_pause_s=limits.CLIENT_RETRY_PAUSE_S,
            )

            def failed(sent: Future[bool], index: int = index) -> None:
                error = sent.exception()
                if error is not None:
                    job.fail(index, error)

            sent.add_done_callback(failed)
        job.wait(limits.NETWORK_TEST_TIMEOUT_S, context.watch)
        states: dict[Endpoint, tuple[bool, str]] = {}
        for index, to in enumerate(nodes):
            reply = job.answers.get(index)
            failure = job.failures.get(index)
            if reply is not None:
                states[to] = (not reply.error, reply.text.strip())
            else:
                states[to] = (False, str(failure) if failure is not None else "no answer")
        return states
