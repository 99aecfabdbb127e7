"""The nodes that the ledger names, and whether one of them answers."""

from __future__ import annotations

import re
import time
from typing import Any

from starlette.requests import Request

from edgelake import limits
from edgelake.commands.names import NODE_TYPES
from edgelake.errors import BadDestination, NoDestination
from edgelake.language import shortened
from edgelake.ledger import Policy
from edgelake.rest.desk import Desk
from edgelake.rest.fields import asked
from edgelake.rest.problems import problem_data
from edgelake.rest.requests import Wanted
from edgelake.services.tcp import TcpService
from edgelake.wire import parse_endpoint

__all__ = ["peers", "ping"]

_QUESTION = "get status"
_HOST = re.compile(r"[A-Za-z0-9][\w.-]*")


async def peers(desk: Desk, request: Request) -> dict[str, Any]:
    """Return one page of the nodes that policies describe, and how many there are."""
    desk.caller(request, "blockchain get")
    offset, limit = asked(request, "offset", "limit").page()

    def found() -> dict[str, Any]:
        known = desk.node.ledger.find(NODE_TYPES)
        own = _own(desk)
        return {
            "total": len(known),
            "offset": offset,
            "peers": [_peer(policy, own) for policy in known[offset : offset + limit]],
        }

    return await desk.in_pool(found)


async def ping(desk: Desk, request: Request) -> dict[str, Any]:
    """Ask a node that the ledger names for its status; return whether it answered, and how fast.

    At most `limits.MAX_CONSOLE_PINGS` are under way, for all who look.
    """
    origin = desk.caller(request, _QUESTION)
    text = asked(request, "node").text("node")
    node = str(parse_endpoint(text))

    def named() -> bool:
        return any(_address(policy) == node for policy in desk.node.ledger.find(NODE_TYPES))

    # Nobody can have this node knock at doors of his choice.
    if not await desk.in_pool(named):
        raise NoDestination(
            f"the ledger names no node at '{node[:80]}'", hint="look at: blockchain get operator"
        )
    async with desk.pings:
        begun = time.perf_counter()
        wanted = Wanted((_QUESTION,), destination=node, timeout_s=limits.CONSOLE_PING_S)
        (reply,) = await desk.runner.there(wanted, origin)
        passed_ms = (time.perf_counter() - begun) * 1000
    return {
        "node": node,
        "reachable": reply.error is None,
        "ms": round(passed_ms, 2),
        "reply": shortened(reply.text, 200) if reply.error is None else None,
        "problem": None if reply.error is None else problem_data(reply.error),
    }


def _own(desk: Desk) -> set[str]:
    tcp = desk.node.services.find(TcpService)
    return {str(tcp.options.external), str(tcp.options.internal)} if tcp else set()


def _peer(policy: Policy, own: set[str]) -> dict[str, Any]:
    address = _address(policy)
    return {
        "type": policy.type,
        "id": policy.id,
        "name": _text(policy.body.get("name")),
        "company": _text(policy.body.get("company")),
        "address": address,
        "self": address in own,
    }


def _address(policy: Policy) -> str | None:
    """Return ``ip:port``; ``None`` if the policy names none that a command could hold."""
    host, port = policy.body.get("ip"), policy.body.get("port")
    if not isinstance(host, str) or _HOST.fullmatch(host) is None:
        return None
    try:
        return str(parse_endpoint(f"{host}:{port}"))
    except BadDestination:
        return None


def _text(value: Any) -> str:
    return shortened(value, 120) if isinstance(value, str) else ""
